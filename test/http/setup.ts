import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { connect, type AddressInfo, type Socket } from "node:net";
import { text } from "node:stream/consumers";
import { setTimeout as delay } from "node:timers/promises";
import { expect } from "chai";
import pino from "pino";
import type { Gateway } from "../../src/http/gateway.ts";
import { solidPng } from "../../src/picture/png.ts";
import type { TestGateway } from "../../src/testing/gateway.ts";
import { gatewayWith } from "../helpers/channels.ts";

export const png = solidPng(256, 256);

/** One call that the provider got. */
export interface Call {
  method: string;
  path: string;
  headers: IncomingMessage["headers"];
  body: string;
}

export type Handler = (call: Call, response: ServerResponse, request: IncomingMessage) => void | Promise<void>;

export interface House extends TestGateway {
  /** The provider behind the only channel, `acme`. */
  provider: { url: string; calls: Call[] };
  /** What the gateway has logged. */
  log: Record<string, unknown>[];
  /** POST a generation with the right key. */
  generate(body: unknown, init?: RequestInit): Promise<Response>;
  /** Forget what was logged, counted and called. */
  reset(): void;
}

const acme = `
description: A provider of these tests.
extends: openai-images
base_url: \${env.ACME_BASE_URL}
keys: ["\${env.ACME_API_KEY}"]
models:
  demo: {}
  acme/cat-1: { schema: dall-e-2 }
  acme/open: { schema: open }
generate: { result: { each_metadata: { own: "\${body.?metadata.?own}" } } }
`;

const open = `{ "$id": "open.json", "type": "object", "properties": { "model": { "type": "string" }, "prompt": { "type": "string" } } }`;

/** The usual files, with more in the file of `acme`. */
export const withMore = (more: string): Record<string, string> => ({ ...usual, "acme.yaml": acme + more });

const usual: Record<string, string> = { "acme.yaml": acme, "models/open.json": open };

/** A gateway before one provider that answers as `handler` does; without one, every call gives a URL of its own picture. */
export async function startHouse(handler: Handler = answerWithUrls, parts: Partial<Gateway> = {}, files = usual): Promise<House> {
  const calls: Call[] = [];
  const server = createServer((request, response) => {
    void text(request).then(
      async (body) => {
        const call = { method: String(request.method), path: String(request.url), headers: request.headers, body };
        calls.push(call);
        if (call.path === "/cat.png") response.writeHead(200, { "content-type": "image/png", "content-length": png.length }).end(png);
        else await handler(call, response, request);
      },
      () => undefined,
    );
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const log: Record<string, unknown>[] = [];
  const gateway = await gatewayWith(
    files,
    { ACME_BASE_URL: url, ACME_API_KEY: "acme-secret" },
    {
      log: pino({ level: "info" }, { write: (line: string) => void log.push(JSON.parse(line) as Record<string, unknown>) }),
      ...parts,
    },
  );
  return {
    ...gateway,
    provider: { url, calls },
    log,
    generate: (body, init = {}) =>
      fetch(`${gateway.url}/v1/images/generations`, {
        method: "POST",
        body: JSON.stringify(body),
        ...init,
        headers: {
          authorization: `Bearer ${gateway.key}`,
          "content-type": "application/json",
          ...(init.headers as Record<string, string>),
        },
      }),
    reset: () => {
      log.length = calls.length = 0;
      gateway.gateway.metrics.registry.resetMetrics();
    },
    close: async () => {
      await gateway.close();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** As many URLs as were asked for, all of the one picture. */
export function answerWithUrls({ body, headers }: Call, response: ServerResponse): void {
  const { n = 1 } = JSON.parse(body) as { n?: number };
  const data = Array.from({ length: n }, () => ({ url: `http://${headers.host}/cat.png` }));
  reply(response, { created: 1713833628, data });
}

export function reply(response: ServerResponse, body: unknown, status = 200, headers: Record<string, string> = {}): void {
  response.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(body));
}

interface Told {
  error: { message: string; type: string; param: string | null; code: string };
}

/** Check that an answer is an error as every error must be, and give what it tells. */
export async function errorOf(response: Response, status: number, code: string, param: string | null = null): Promise<Told["error"]> {
  const body = (await response.json()) as Told;
  expect(response.status, JSON.stringify(body)).to.equal(status);
  expect(body).to.have.all.keys("error");
  expect(body.error).to.have.all.keys("message", "type", "param", "code");
  expect({ code: body.error.code, param: body.error.param }, body.error.message).to.deep.equal({ code, param });
  expect(response.headers.get("content-type")).to.match(/^application\/json/);
  expect(response.headers.get("x-request-id")).to.match(/^req_[0-9a-f]{32}$/);
  expect(body.error.message).to.match(/^[^A-Z].*[^.]$/);
  return body.error;
}

/** Wait until something holds; the test fails with it when it never does. */
export async function until(holds: () => boolean | Promise<boolean>, what = String(holds)): Promise<void> {
  // A process takes seconds to start where the machine is busy.
  for (let tries = 0; tries < 2000; tries += 1) {
    if (await holds()) return;
    await delay(5);
  }
  throw new Error(`it never came about: ${what}`);
}

/** One metric's value, as `/metrics` shows it; undefined when it is not there. */
export async function metric(url: string, line: string): Promise<number | undefined> {
  const page = await (await fetch(`${url}/metrics`)).text();
  const found = page.split("\n").find((candidate) => candidate.startsWith(`${line} `));
  return found === undefined ? undefined : Number(found.slice(line.length + 1));
}

/** A connection of which the test is the master, byte for byte. */
export async function dial(url: string): Promise<Socket> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  socket.on("error", () => undefined);
  await new Promise((resolve) => socket.once("connect", resolve));
  return socket;
}

/** A request's head and body as text for `dial`. */
export function wire(path: string, key: string, body: string, more = ""): string {
  return `POST ${path} HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer ${key}\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n${more}\r\n${body}`;
}
