// Makes the random load of one run: what each client asks for, how, and what its provider does.
import { solidPng } from "../../src/picture/png.ts";
import { seeded } from "../helpers/random.ts";

/** How a client is known by its retries: by a key of its own, by the count of an SDK, or not at all. */
export type Name = "key" | "count" | "none";

/** One picture that a client wants, however often it has to ask, with what the provider saw of it. */
export interface Wish {
  /** Stands in the prompt, and in the picture. */
  id: string;
  name: Name;
  isJob: boolean;
  streams: boolean;
  edit?: "json" | "form";
  /** A model whose provider answers at once, or with a task. */
  model: "sync" | "task";
  asks: "b64_json" | "url";
  /** How a task's result gives the picture. */
  gets: "base64" | "url";
  /** Milliseconds after which the client begins. */
  begins: number;
  /** Milliseconds that the provider takes. */
  takes: number;
  /** Milliseconds after which the client gives up an attempt; it is a retry then. */
  patience?: number;
  /** True where the first channel refuses the order, which proves that nothing was made. */
  isRefused: boolean;
  seen: { orders: number; polls: number; finished: boolean };
}

/** The load of a run, the same for the same seed. */
export interface Load {
  wishes: Wish[];
  random: () => number;
}

/** A load of some requests that begin within `span` milliseconds. */
export function loadOf(seed: number, { least, most, span }: { least: number; most: number; span: number }): Load {
  const random = seeded(seed);
  // The first numbers of neighbouring seeds are neighbours.
  for (let step = 0; step < 5; step += 1) random();
  const count = least + Math.floor(random() * (most - least + 1));
  return { wishes: Array.from({ length: count }, (_, index) => wish(`walrus-${seed}-${index}-end`, random, span)), random };
}

function wish(id: string, random: () => number, span: number): Wish {
  const chance = (share: number) => random() < share;
  const name = chance(0.4) ? "key" : chance(0.7) ? "count" : "none";
  const isJob = chance(0.3);
  const streams = !isJob && chance(0.2);
  return {
    id,
    name,
    isJob,
    streams,
    ...(chance(0.3) && { edit: chance(0.5) ? ("json" as const) : ("form" as const) }),
    model: chance(0.55) ? "task" : "sync",
    asks: chance(0.7) ? "b64_json" : "url",
    gets: chance(0.5) ? "base64" : "url",
    begins: Math.floor(random() * span),
    takes: 20 + Math.floor(random() ** 2 * 800),
    ...(name !== "none" && !streams && chance(0.2) && { patience: 100 + Math.floor(random() * 400) }),
    isRefused: chance(0.1),
    seen: { orders: 0, polls: 0, finished: false },
  };
}

const png = solidPng(16, 16);

/** The picture of a wish: a PNG with its id behind the end, over and over. */
export function pictureOf(id: string): Buffer {
  return Buffer.concat([png, Buffer.alloc(3_000, `${id};`)]);
}

/** A part of the base64 of every picture. */
export const pictureText = png.toString("base64").slice(20, 60);

/** What a wish is, in a few words. */
export function describeWish({ id, name, isJob, streams, edit, model, takes, patience, isRefused, seen }: Wish): string {
  const words = [name, isJob && "job", streams && "stream", edit && `edit as ${edit}`, model, `takes ${takes} ms`];
  if (patience !== undefined) words.push(`patience ${patience} ms`);
  if (isRefused) words.push("refused once");
  return `${id} (${words.filter(Boolean).join(", ")}): ${seen.orders} orders, ${seen.polls} polls${seen.finished ? ", made" : ""}`;
}
