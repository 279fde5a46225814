// Measures one slice of a case.
import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { existsSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import type { Case, Metric, Traffic } from "./cases.ts";
import { folderOf, isProbed, type Peer } from "./peers.ts";
import { pinned } from "./processes.ts";
import { put, type Tools } from "./tools.ts";

export type Measured = Partial<Record<Metric, number>>;

interface Times {
  p50: number;
  p99: number;
}

/** What the load prints. */
interface Load {
  seconds: number;
  done: number;
  failed: number;
  leastBytes: number;
  time: Times;
  first: Times;
}

export interface Around {
  tools: Tools;
  cores: string;
  seconds: number;
  /** Bytes of the peer's memory before it had anything to do. */
  idle: number;
  /** The fewest bytes that a right answer has. */
  least: (peer: Peer, traffic: Traffic) => number;
}

/** Whether a peer is asked in Gemini's API, which knows no URLs. */
export function isThroughDoor(peer: Pick<Peer, "name">, { format }: Pick<Traffic, "format">): boolean {
  return peer.name === "pictor-door" && format === "b64_json";
}

/** What a client sends for a traffic: JSON, or a form where it uploads a picture. */
export function contentOf(
  peer: Pick<Peer, "name">,
  { model, format }: Pick<Traffic, "model" | "format">,
  upload?: Buffer,
): { path: string; type: string; body: Buffer } {
  const prompt = "a lighthouse at dusk, seen from the sea";
  if (isThroughDoor(peer, { format })) {
    const body = { contents: [{ role: "user", parts: [{ text: prompt }] }], generationConfig: { imageConfig: { imageSize: "1024x1024" } } };
    return { path: `/v1beta/models/${model}:generateContent`, type: "application/json", body: Buffer.from(JSON.stringify(body)) };
  }
  const fields = { model, prompt, n: 1, size: "1024x1024", quality: "standard", response_format: format, user: "bench" };
  if (!upload) return { path: "/v1/images/generations", type: "application/json", body: Buffer.from(JSON.stringify(fields)) };
  const boundary = "----pictor-bench";
  const part = (name: string, value: string) => `--${boundary}\r\ncontent-disposition: form-data; name="${name}"${value}\r\n`;
  const texts = Object.entries(fields).map(([name, value]) => part(name, `\r\n\r\n${value}`));
  const file = part("image", '; filename="in.png"\r\ncontent-type: image/png\r\n');
  return {
    path: "/v1/images/edits",
    type: `multipart/form-data; boundary=${boundary}`,
    body: Buffer.concat([Buffer.from(texts.join("") + file), upload, Buffer.from(`\r\n--${boundary}--\r\n`)]),
  };
}

/** The request as bytes, ready to be sent again and again. */
function requestOf(peer: Peer, traffic: Traffic, upload?: Buffer): Buffer {
  const { port, headers } = peer;
  const { path, type, body } = contentOf(peer, traffic, upload);
  const all = { host: `127.0.0.1:${port}`, "content-type": type, "content-length": body.length, ...headers };
  // The load numbers its requests; those of an earlier slice must not be taken for the same.
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${String(value).replace("#", `${randomUUID()}#`)}\r\n`);
  return Buffer.concat([Buffer.from(`POST ${path} HTTP/1.1\r\n${lines.join("")}\r\n`), body]);
}

/** Put a load on a peer for some seconds. Rejects where an answer failed or was too short. */
async function load(peer: Peer, traffic: Traffic, around: Around, upload?: Buffer): Promise<Load> {
  const request = put(`request-${peer.name}-${traffic.model}`, requestOf(peer, traffic, upload));
  const { connections, rate = 0, once = false } = traffic;
  const words = [peer.port, request, connections, around.seconds, rate, once ? connections : 0].map(String);
  const [program, ...rest] = pinned(around.cores, [...around.tools.load, ...words]);
  const { stdout, stderr } = await promisify(execFile)(program!, rest);
  const loaded = JSON.parse(stdout) as Load;
  if (loaded.failed > 0) throw new Error(`${peer.name}: ${loaded.failed} requests failed: ${stderr}`);
  if (loaded.done > 0 && loaded.leastBytes < around.least(peer, traffic))
    throw new Error(`${peer.name}: an answer of ${loaded.leastBytes} bytes is too short`);
  return loaded;
}

/** One slice: what a peer did with a case's traffic for some seconds. */
export async function measure(peer: Peer, each: Case, around: Around, upload?: Buffer): Promise<Measured> {
  const { process } = peer;
  process?.forgetPeak();
  const before = process?.cpu() ?? 0;
  const probed = each.beside !== undefined && isProbed(peer.name);
  if (probed) process?.signal("SIGUSR2");
  const [main, large] = await Promise.all([load(peer, each, around, upload), each.beside && load(peer, each.beside, around)]);
  const measured: Measured = {
    rate: main.done / main.seconds,
    p50: main.time.p50,
    p99: main.time.p99,
    first: main.first.p50,
    ...(large && { largeRate: large.done / large.seconds }),
    ...(process && {
      cpu: (process.cpu() - before) / main.done,
      memory: (process.peak() - around.idle) / each.connections / 1e6,
    }),
  };
  if (probed) process?.signal("SIGUSR2");
  if (probed) Object.assign(measured, await stalls(peer));
  forgetPictures(folderOf(peer.name));
  return measured;
}

/** The worst of a peer's processes. */
async function stalls(peer: Peer): Promise<Measured> {
  const folder = folderOf(peer.name);
  const files = () => readdirSync(folder).filter((name) => name.startsWith("stalls-"));
  for (let tries = 0; files().length === 0 && tries < 100; tries += 1) await delay(20);
  await delay(20);
  const found = files().map((name) => {
    const said = JSON.parse(readFileSync(join(folder, name), "utf8")) as { p99: number; max: number };
    rmSync(join(folder, name));
    return said;
  });
  return { stallP99: Math.max(...found.map(({ p99 }) => p99)), stallMax: Math.max(...found.map(({ max }) => max)) };
}

/** Pictures that a peer stored are taken away between slices, or the disk's own pace would be measured. */
function forgetPictures(folder: string): void {
  if (!existsSync(folder)) return;
  for (const name of readdirSync(folder, { recursive: true, encoding: "utf8" })) {
    const file = join(folder, name);
    const size = statSync(file, { throwIfNoEntry: false });
    if (size?.isFile() && size.size > 1_000_000) rmSync(file, { force: true });
  }
}
