// Shows all that a channel file makes happen: what is wrong with it, what it sends, waits, answers, logs and sets.
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout } from "node:timers/promises";
import pino from "pino";
import { stringify } from "yaml";
import { loadChannels, type Loaded } from "../../src/channels/load.ts";
import type { Exchange } from "../../src/channels/test-grammar.ts";
import { ConfigError, messageOf } from "../../src/errors.ts";
import { isPlainObject } from "../../src/expression/cel.ts";
import { createTable } from "../../src/gateway/table.ts";
import { solidPng } from "../../src/picture/png.ts";
import { answer, onCall, type ReceivedCall } from "../../src/testing/mock.ts";
import { startGateway } from "../../src/testing/gateway.ts";
import { plugins } from "../helpers/channels.ts";
import { makeFolder } from "./mistakes.ts";
import { rm } from "node:fs/promises";
import { noSpool } from "../../src/picture/spool.ts";

type Reply = Exchange["reply"];
type Tree = Record<string, unknown>;

/** A channel file, and what a client and the provider do with it. */
export interface Scene {
  channel: Tree;
  request?: Tree;
  /** Replies by path, one after another; the last one stays. */
  replies?: Record<string, Reply | Reply[]>;
  /** The client hangs up when this path is called. */
  hangUpAt?: string;
  /** Milliseconds that the provider waits before it answers. */
  slow?: number;
}

/** One map laid over another; lists replace. */
export function laid(below: unknown, over: unknown): unknown {
  if (!isPlainObject(below) || !isPlainObject(over)) return over;
  const both = Object.entries(over).map(([key, value]) => [key, key in below ? laid(below[key], value) : value] as const);
  return { ...below, ...Object.fromEntries(both) };
}

const schemas = {
  "models/open.json": JSON.stringify({
    $id: "open.json",
    type: "object",
    "x-operations": ["generate", "edit"],
    allOf: [{ $ref: "common.json" }],
  }),
};
const picture = `data:image/png;base64,${solidPng(8, 8).toString("base64")}`;

/** Load the channel, ask for a picture and try its keys. Two observations of the same scene are equal. */
export async function observe({ channel, request, replies = {}, hangUpAt, slow = 0 }: Scene): Promise<unknown> {
  const calls: ReceivedCall[] = [];
  const waits: number[] = [];
  const log: string[] = [];
  const client = new AbortController();
  const left = new Map(Object.entries(replies).map(([path, list]) => [path, [list].flat()]));
  const server = createServer(
    onCall((call, response) => {
      calls.push(call);
      const path = call.path.replace(/\?.*/, "");
      if (path === hangUpAt) client.abort();
      const list = left.get(path) ?? [];
      const next: Reply = (list.length > 1 ? list.shift() : list[0]) ?? { json: { data: [{ url: `${url}/1.png` }] } };
      const reply = JSON.parse(JSON.stringify(next).replaceAll("URL", url)) as Reply;
      void setTimeout(slow).then(() => answer(response, path.endsWith(".png") ? { base64: solidPng(8, 8).toString("base64") } : reply));
    }),
  );
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const folder = await makeFolder({ ...schemas, "x.yaml": stringify(channel).replaceAll("URL", url) });
  const plain = (value: unknown) => JSON.parse(JSON.stringify(value ?? null).replaceAll(url, "URL")) as unknown;
  try {
    const env = { X_API_KEY: "first-key", OTHER_KEY: "other-key" };
    const wait = (time: number, signal: AbortSignal) => {
      waits.push(time);
      return setTimeout(1, undefined, { signal });
    };
    const loaded = await loadChannels({ folder, plugins, env, wait });
    const table = createTable(loaded);
    const stream = { write: (line: string) => void log.push((JSON.parse(line) as { msg: string }).msg) };
    const gateway = await startGateway({ table: () => table, log: pino({ level: "debug" }, stream) });
    try {
      const verified = await verify(loaded, wait);
      const answered = await ask(gateway, { model: "m", prompt: "x", response_format: "url", ...request }, client.signal);
      if (hangUpAt !== undefined)
        for (let tries = 0; tries < 20 && !calls.some(({ path }) => path === "/k"); tries += 1) await setTimeout(5);
      return plain({ settings: settingsOf(loaded), verified, answered, calls: calls.map(shown), waits, log });
    } finally {
      await gateway.close();
    }
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return plain(error.problems.map(({ message }) => message));
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    await rm(folder, { recursive: true });
  }
}

async function verify({ channels }: Loaded, wait: (time: number, signal: AbortSignal) => Promise<void>): Promise<unknown> {
  const [channel] = channels;
  const ctx = {
    spool: noSpool,
    request: { model: "", prompt: "", n: 1 },
    model: { id: "", upstream: "", fields: {} },
    change: () => undefined,
    signal: AbortSignal.timeout(5000),
    log: pino({ level: "silent" }),
  };
  const verified = await channel?.verify?.(channel.keys[0], { ...channel, ctx, wait });
  return { message: verified?.failure?.message, models: verified?.models };
}

async function ask({ url, key }: { url: string; key: string }, request: Tree, signal: AbortSignal): Promise<unknown> {
  const { edit: isEdit, ...fields } = request;
  try {
    const response = await fetch(`${url}/v1/images/${isEdit ? "edits" : "generations"}`, {
      method: "POST",
      headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
      body: JSON.stringify(isEdit ? { image: picture, ...fields } : fields),
      signal,
    });
    const told = ["x-pictor-changes", "x-pictor-attempts", "retry-after", "x-should-retry"].map((name) => response.headers.get(name));
    // Moments and identifiers are never the same twice.
    const text = (await response.text())
      .replaceAll(/1[6-9]\d{8}|req_\w+/g, "*")
      .replaceAll(url, "GATEWAY")
      .replaceAll(/\/images\/[\w.-]+/g, "*");
    return { status: response.status, told, text };
  } catch (error) {
    return messageOf(error);
  }
}

function settingsOf({ channels: [channel], routes: [route] }: Loaded): unknown {
  if (!channel || !route) return { off: channel?.off };
  const { description, baseUrl, off, coolDown, limits } = channel;
  const { priority, weight, unsafe, partial, timeout, limits: ofModel, life } = route;
  const hosts = [channel.mayCarryKey(new URL("https://keys.example/")), channel.trusted(new URL("http://pictures.lan/"))];
  return { description, baseUrl, off, coolDown, limits, priority, weight, unsafe, partial, timeout, ofModel, life, hosts };
}

function shown({ method, path, headers, body, form }: ReceivedCall): unknown {
  const own = Object.entries(headers).filter(([name]) => /^(?:x-|authorization|accept$)/.test(name));
  return [method, path, Object.fromEntries(own), form ?? body.toString("utf8")];
}
