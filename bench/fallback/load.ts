// The load for machines without a C compiler; it does what native/load.c does, and takes the answer's head for the first byte.
import { readFileSync } from "node:fs";
import { Agent, request } from "node:http";
import { setTimeout as delay } from "node:timers/promises";

const [, , port, file, connections, seconds, rate, most] = process.argv as [string, string, string, string, ...string[]];
const message = readFileSync(file);
const limits = { connections: Number(connections), seconds: Number(seconds), rate: Number(rate), most: Number(most) };

const split = message.indexOf("\r\n\r\n");
const [line = "", ...lines] = message.toString("latin1", 0, split).split("\r\n");
const [method, path] = line.split(" ");
const headers = Object.fromEntries(lines.map((each) => each.split(": ") as [string, string]));
const body = message.subarray(split + 4);
const agent = new Agent({ keepAlive: true, maxSockets: limits.connections });

const times: number[] = [];
const firsts: number[] = [];
const lengths: number[] = [];
let failed = 0;
let started = 0;

/** The headers with the number of the request in place of ten zeros, so that no two are the same. */
function numbered(number: number): Record<string, string> {
  const digits = String(number).padStart(10, "0");
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, value.replace("#0000000000", `#${digits}`)]));
}

function ask(due: number): Promise<void> {
  started += 1;
  const own = numbered(started);
  return new Promise((resolve) => {
    const failure = () => {
      failed += 1;
      resolve();
    };
    const outgoing = request({ host: "127.0.0.1", port, method, path, headers: own, agent }, (response) => {
      const first = performance.now() - due;
      let length = 0;
      response.on("data", (chunk: Buffer) => (length += chunk.length));
      response.once("error", failure);
      response.once("end", () => {
        if (response.statusCode !== 200) {
          failure();
          return;
        }
        times.push(performance.now() - due);
        firsts.push(first);
        lengths.push(length);
        resolve();
      });
    });
    outgoing.once("error", failure).end(body);
  });
}

const begun = performance.now();
const until = begun + limits.seconds * 1000;
const wanted = () => (limits.most === 0 || started < limits.most) && performance.now() < until;

async function again(): Promise<void> {
  while (wanted()) await ask(performance.now());
}

async function onTime(): Promise<void> {
  const under: Promise<void>[] = [];
  for (let index = 0; index < Math.floor(limits.seconds * limits.rate); index += 1) {
    const due = begun + (index / limits.rate) * 1000;
    if (due > performance.now()) await delay(due - performance.now());
    under.push(ask(due));
  }
  await Promise.all(under);
}

await (limits.rate > 0 ? onTime() : Promise.all(Array.from({ length: limits.connections }, again)));

function percentiles(list: number[]) {
  const sorted = list.toSorted((a, b) => a - b);
  const at = (share: number) => sorted[Math.floor((sorted.length - 1) * share)] ?? 0;
  return { p50: at(0.5), p90: at(0.9), p99: at(0.99), max: at(1) };
}
const elapsed = (performance.now() - begun) / 1000;
const bytes = lengths.reduce((sum, length) => sum + length, 0);
const [leastBytes, mostBytes] = lengths.length > 0 ? [Math.min(...lengths), Math.max(...lengths)] : [0, 0];
console.log(
  JSON.stringify({
    ...{ seconds: elapsed, done: times.length, failed, bytes, leastBytes, mostBytes },
    ...{ time: percentiles(times), first: percentiles(firsts) },
  }),
);
process.exit();
