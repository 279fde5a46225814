// Plays the provider of one channel test.
import { EventEmitter, once } from "node:events";
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from "node:http";
import { isIP, type AddressInfo } from "node:net";
import type { Exchange } from "../channels/test-grammar.ts";
import { methods } from "../dialect/call.ts";
import { partsOf } from "../net/parts.ts";
import { isLike, unlike } from "./match.ts";

/** A provider on loopback that answers by a script. */
export interface Mock {
  url: string;
  /** Begin with a new list of exchanges. `hangUp` is called where the client is to hang up. */
  play(exchanges: readonly Exchange[], hangUp?: () => void): void;
  /** Resolves when every exchange of `play` has been made. */
  finished(): Promise<void>;
  /** The deviations since `play`. */
  complaints(): string[];
  close(): Promise<void>;
}

export async function startMock(): Promise<Mock> {
  let waiting: Exchange[] = [];
  let complaints: string[] = [];
  let hang: () => void = () => undefined;
  const turns = new EventEmitter();
  const server = createServer(
    onCall((call, response) => {
      const at = waiting.findIndex(({ expect }) => differences(expect, call).length === 0);
      const [exchange] = at === -1 ? [] : waiting.splice(at, 1);
      if (exchange) {
        if (exchange.reply.hang_up) hang();
        else answer(response, exchange.reply);
        turns.emit("turn");
        return;
      }
      const [next] = waiting;
      complaints.push(
        `unexpected call ${call.method} ${call.path}: ${next ? differences(next.expect, call).join("; ") : "no further call was expected"}`,
      );
      answer(response, { status: 500, json: { error: "the mock did not expect this call" } });
    }),
  );
  await new Promise<void>((resolve) => server.listen({ port: 0, host: "127.0.0.1", exclusive: true }, resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    play: (exchanges, hangUp = () => undefined) => {
      waiting = [...exchanges];
      hang = hangUp;
      complaints = [];
    },
    finished: async () => {
      while (waiting.length > 0) await once(turns, "turn");
    },
    complaints: () => [...complaints, ...waiting.map(({ expect }) => `a call was expected and not made: ${addressOf(expect)}`)],
    close: () => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

/** A call that a provider received. */
export interface ReceivedCall {
  method: string;
  /** The path, or the whole URL of a call that was diverted from another host. */
  path: string;
  headers: Record<string, string>;
  body: Buffer;
  /** The parts of a form by name. */
  form: unknown;
}

/** Listens for whole calls. A call that breaks off, or that cannot be read or answered, costs its own connection and nothing else. */
export function onCall(handle: (call: ReceivedCall, response: ServerResponse) => void): RequestListener {
  return (request, response) => {
    callOf(request)
      .then((call) => handle(call, response))
      .catch(() => response.destroy());
  };
}

export async function callOf(request: IncomingMessage): Promise<ReceivedCall> {
  const body = await readBody(request);
  const path = String(request.url).replace(/^\/(?=https?:)/, "");
  const form = await formOf(body, String(request.headers["content-type"]));
  return { method: String(request.method), path, headers: request.headers as Record<string, string>, body, form };
}

async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

export function addressOf(expect: Exchange["expect"]): string {
  const method = methods.find((name) => expect[name] !== undefined) ?? "get";
  return `${method.toUpperCase()} ${expect[method]}`;
}

/** The mock's address, with that of a call to another host as its path; undefined for a call to the mock itself, and for private addresses. */
export function divertedTo(mock: string, url: URL): string | undefined {
  const isNamed = url.hostname.includes(".") && isIP(url.hostname) === 0;
  return isNamed ? `${mock}/${url.href}` : undefined;
}

/** Says what would be right where a whole URL and a path are confused. */
function hostHint(expected: string, { method, path }: ReceivedCall): string {
  const [isWhole, wantsWhole] = [path, expected.replace(/^\S+ /, "")].map((address) => /^https?:/.test(address));
  if (isWhole === wantsWhole) return "";
  if (!isWhole) return " (a call below base_url is expected by its path)";
  const { origin } = new URL(path);
  return ` (tests are offline, and ${origin} is not where base_url leads; expect the whole URL: { ${method.toLowerCase()}: "${path}" })`;
}

/** How a call differs from what was expected, as sentences. */
export function differences(expect: Exchange["expect"], call: ReceivedCall): string[] {
  const found: string[] = [];
  const address = addressOf(expect);
  if (address !== `${call.method} ${call.path}`) found.push(`expected ${address}${hostHint(address, call)}`);
  for (const [name, value] of Object.entries(expect.headers ?? {})) {
    const sent = call.headers[name.toLowerCase()];
    if (sent === undefined || value === null ? (sent ?? null) !== value : !isLike(sent, value))
      found.push(`header ${name} is ${JSON.stringify(sent)}, expected ${JSON.stringify(value)}`);
  }
  for (const kind of ["form", "multipart"] as const) if (kind in expect) found.push(...unlike(call.form, expect[kind], kind));
  if ("json" in expect) found.push(...unlike(parsed(call.body), expect.json, "json"));
  return found;
}

/** A form by name; a repeated part is a list, a file `{ name, type, base64 }`. */
async function formOf(body: Buffer, type: string): Promise<unknown> {
  const parts = new Map<string, unknown[]>();
  const keep = (name: string, part: unknown) => parts.set(name, [...(parts.get(name) ?? []), part]);
  if (type.startsWith("application/x-www-form-urlencoded"))
    for (const [name, value] of new URLSearchParams(body.toString("utf8"))) keep(name, value);
  else if (type.startsWith("multipart/form-data")) {
    for (const part of await partsOf(body, type))
      keep(
        part.name,
        part.fileName === undefined
          ? part.content.toString("utf8")
          : { name: part.fileName, type: part.type, base64: part.content.toString("base64") },
      );
  } else return undefined;
  return Object.fromEntries([...parts].map(([name, values]) => [name, values.length > 1 ? values : values[0]]));
}

function parsed(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString("utf8"));
  } catch {
    return body.toString("utf8");
  }
}

/** Write a reply. */
export function answer(response: ServerResponse, reply: Exchange["reply"]): void {
  const [body, type] = contentOf(reply);
  response.writeHead(reply.status ?? 200, { "content-type": type, "content-length": body.length, ...reply.headers });
  if (reply.cut) response.write(body.subarray(0, body.length / 2), () => response.destroy());
  else response.end(body);
}

function contentOf({ base64, text, sse, json = {} }: Exchange["reply"]): [body: Buffer, type: string] {
  if (base64 !== undefined) return [Buffer.from(base64, "base64"), "application/octet-stream"];
  if (text !== undefined) return [Buffer.from(text), "text/plain"];
  if (sse) return [Buffer.from(sse.map(eventText).join("")), "text/event-stream"];
  return [Buffer.from(JSON.stringify(json)), "application/json"];
}

function eventText({ event, data }: { event?: string; data: unknown }): string {
  const text = typeof data === "string" ? data : JSON.stringify(data);
  return `${event === undefined ? "" : `event: ${event}\n`}data: ${text}\n\n`;
}
