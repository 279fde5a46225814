// Lists the cases and the metrics of the benchmark.
import type { PeerName } from "./peers.ts";

/** What one slice of a measurement says of one peer. */
export const metrics = {
  rate: { title: "requests/s", digits: 1 },
  cpu: { title: "CPU ms a request", digits: 2 },
  memory: { title: "MB a request", digits: 3 },
  p50: { title: "p50 ms", digits: 2 },
  p99: { title: "p99 ms", digits: 2 },
  addedP50: { title: "added p50 ms", digits: 2 },
  addedP99: { title: "added p99 ms", digits: 2 },
  first: { title: "first byte ms", digits: 2 },
  addedFirst: { title: "added first byte ms", digits: 2 },
  stallP99: { title: "stall p99 ms", digits: 1 },
  stallMax: { title: "longest stall ms", digits: 1 },
  largeRate: { title: "large/s meanwhile", digits: 1 },
} as const;
export type Metric = keyof typeof metrics;

/** What must hold, of the same slice: one peer's metric, over another's where there is one. */
export interface Goal {
  of: [peer: PeerName, metric: Metric];
  over?: [peer: PeerName, metric: Metric];
  atLeast?: number;
  atMost?: number;
}

/** The provider's answers, by the model that asks for them. */
export const models = ["small", "slow", "waiting", "edits", "b64-2m", "b64-20m", "url-20m"] as const;
export type Model = (typeof models)[number];

export interface Traffic {
  model: Model;
  format: "url" | "b64_json";
  connections: number;
  /** Requests a second that are due; as many as go when absent. */
  rate?: number;
  /** Ask once on each connection, and wait for it. */
  once?: boolean;
}

export interface Case extends Traffic {
  name: string;
  title: string;
  /** Another load that runs all the while. */
  beside?: Traffic;
  /** Bytes of an uploaded picture: the case is an edit. */
  upload?: number;
  /** Let every process have every core. */
  unpinned?: boolean;
  peers: readonly PeerName[];
  shows: readonly Metric[];
  goals: readonly Goal[];
}

export const bytesOf = { small: 2_000_000, large: 20_000_000, upload: 10_000_000 };

/** How long the provider of the waiting case takes, and how many wait. A quick run has neither the time nor the clients. */
export const waiting = { full: { milliseconds: 30_000, clients: 2000 }, quick: { milliseconds: 300, clients: 100 } };

const all = ["nginx", "portkey", "litellm", "one-api", "naive", "pictor"] as const;
const throughput = ["rate", "cpu", "memory", "p50", "p99"] as const;

export const cases: readonly Case[] = [
  {
    name: "small",
    title: "Small answers with a URL, 64 clients",
    model: "small",
    format: "url",
    connections: 64,
    peers: all,
    shows: ["rate", "cpu", "p50", "p99"],
    goals: [
      { of: ["pictor", "cpu"], over: ["naive", "cpu"], atMost: 1.3 },
      { of: ["pictor", "rate"], over: ["portkey", "rate"], atLeast: 1.8 },
      { of: ["pictor", "rate"], over: ["litellm", "rate"], atLeast: 5 },
    ],
  },
  {
    name: "latency",
    title: "300 small requests/s to a provider that takes 100 ms",
    model: "slow",
    format: "url",
    connections: 512,
    rate: 300,
    peers: ["direct", ...all],
    shows: ["p50", "p99", "addedP50", "addedP99", "cpu"],
    goals: [
      { of: ["pictor", "addedP50"], atMost: 1.2 },
      { of: ["pictor", "addedP99"], over: ["portkey", "addedP99"], atMost: 0.5 },
    ],
  },
  {
    name: "pass-2m",
    title: "2 MB of base64 passed through, 8 clients",
    model: "b64-2m",
    format: "b64_json",
    connections: 8,
    peers: all,
    shows: throughput,
    goals: [
      { of: ["pictor", "rate"], over: ["portkey", "rate"], atLeast: 8 },
      { of: ["pictor", "memory"], atMost: 8 },
    ],
  },
  {
    name: "pass-20m",
    title: "20 MB of base64 passed through, 8 clients",
    model: "b64-20m",
    format: "b64_json",
    connections: 8,
    peers: all,
    shows: throughput,
    goals: [{ of: ["pictor", "rate"], over: ["portkey", "rate"], atLeast: 10 }],
  },
  {
    name: "pass-20m-c32",
    title: "20 MB of base64 passed through, 32 clients",
    model: "b64-20m",
    format: "b64_json",
    connections: 32,
    peers: all,
    shows: throughput,
    goals: [{ of: ["pictor", "memory"], atMost: 4 }],
  },
  {
    name: "door",
    title: "20 MB of base64 passed through, 8 clients: in OpenAI's API, and in Gemini's through its door",
    model: "b64-20m",
    format: "b64_json",
    connections: 8,
    peers: ["pictor", "pictor-door"],
    shows: throughput,
    goals: [
      { of: ["pictor-door", "rate"], over: ["pictor", "rate"], atLeast: 0.8 },
      { of: ["pictor-door", "cpu"], over: ["pictor", "cpu"], atMost: 1.2 },
      { of: ["pictor-door", "memory"], over: ["pictor", "memory"], atMost: 1.2 },
    ],
  },
  {
    name: "url-to-b64",
    title: "A URL of 20 MB answered as base64, 32 clients",
    model: "url-20m",
    format: "b64_json",
    connections: 32,
    peers: ["naive", "pictor"],
    shows: throughput,
    goals: [
      { of: ["pictor", "rate"], over: ["naive", "rate"], atLeast: 4 },
      { of: ["pictor", "memory"], atMost: 5 },
    ],
  },
  {
    name: "b64-to-url",
    title: "20 MB of base64 stored and answered with a URL, 32 clients",
    model: "b64-20m",
    format: "url",
    connections: 32,
    peers: ["naive", "pictor"],
    shows: throughput,
    goals: [
      { of: ["pictor", "rate"], over: ["naive", "rate"], atLeast: 1.6 },
      { of: ["pictor", "memory"], atMost: 5 },
    ],
  },
  {
    name: "first-byte",
    title: "The first byte of 20 MB from a URL as base64, 1 client",
    model: "url-20m",
    format: "b64_json",
    connections: 1,
    peers: ["direct", "naive", "pictor"],
    shows: ["first", "addedFirst", "p50"],
    goals: [{ of: ["pictor", "addedFirst"], atMost: 20 }],
  },
  {
    name: "edits",
    title: "Edits with an upload of 10 MB, 8 clients",
    model: "edits",
    format: "url",
    connections: 8,
    upload: bytesOf.upload,
    peers: all,
    shows: throughput,
    goals: [],
  },
  {
    name: "waiting",
    title: "Requests that wait for a provider of 30 s, 2,000 at once",
    model: "waiting",
    format: "url",
    connections: waiting.full.clients,
    once: true,
    peers: all,
    shows: ["memory", "cpu", "p99"],
    goals: [{ of: ["pictor", "memory"], atMost: 0.04 }],
  },
  {
    name: "mixed",
    title: "50 small requests/s while 4 clients pull 20 MB of base64 without pause",
    model: "small",
    format: "url",
    connections: 64,
    rate: 50,
    beside: { model: "b64-20m", format: "b64_json", connections: 4 },
    peers: ["direct", ...all],
    shows: ["p50", "p99", "stallP99", "stallMax", "largeRate"],
    goals: [
      { of: ["pictor", "p99"], atMost: 120 },
      { of: ["pictor", "stallMax"], atMost: 20 },
    ],
  },
  {
    name: "workers",
    title: "Small answers with a URL, 64 clients, one process and two, on the cores that load and provider use too",
    model: "small",
    format: "url",
    connections: 64,
    unpinned: true,
    peers: ["portkey", "pictor", "pictor-2-workers"],
    shows: ["rate", "cpu", "p50", "p99"],
    goals: [],
  },
  {
    name: "keyed",
    title: "Small answers with a URL, 64 clients: plain, as OpenAI's SDKs ask, and with an Idempotency-Key each",
    model: "small",
    format: "url",
    connections: 64,
    peers: ["pictor", "pictor-sdk", "pictor-keyed"],
    shows: ["rate", "cpu", "p50", "p99"],
    goals: [
      { of: ["pictor-sdk", "cpu"], over: ["pictor", "cpu"], atMost: 1.15 },
      { of: ["pictor-keyed", "rate"], atLeast: 500 },
    ],
  },
];
