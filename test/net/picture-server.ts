import { randomBytes } from "node:crypto";
import { once } from "node:events";
import http, { type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import { setTimeout as delay } from "node:timers/promises";
import { expect } from "chai";
import { ProviderFailure } from "../../src/errors.ts";
import { createPictureFetcher, type FetchedPicture } from "../../src/net/fetch-picture.ts";

export type Handler = (request: IncomingMessage, response: ServerResponse) => void;
type Options = Parameters<typeof createPictureFetcher>[0];

export const magic = Buffer.from("89504e470d0a1a0a", "hex");
export const small = Buffer.concat([magic, randomBytes(500)]);
export const large = Buffer.concat([magic, randomBytes(900_000)]);
export const trusted = () => true;
export const quick = { timeoutMs: 4000, retryDelayMs: 5 };

export function whole(bytes: Buffer): Handler {
  return (_, response) => response.end(bytes);
}

export function told(bytes: Buffer, headers: http.OutgoingHttpHeaders = {}): Handler {
  return (_, response) => response.writeHead(200, { "content-length": bytes.length, ...headers }).end(bytes);
}

/** Chunked, so that its size is not told. */
export function unsized(bytes: Buffer): Handler {
  return (_, response) => {
    response.write(bytes);
    response.end();
  };
}

export function status(code: number, headers: http.OutgoingHttpHeaders = {}): Handler {
  return (_, response) => response.writeHead(code, headers).end("no");
}

/** Promises the whole, sends the first bytes and hangs up. */
export function cut(bytes: Buffer, at: number, headers: http.OutgoingHttpHeaders = { "content-length": bytes.length }): Handler {
  return (_, response) => {
    response.writeHead(200, headers);
    response.write(bytes.subarray(0, at), () => setTimeout(() => response.destroy(), 30));
  };
}

export async function fetchPicture(
  url: string,
  options: Options = {},
  more: { signal?: AbortSignal; trusted?: (url: URL) => boolean; fresh?: boolean; input?: boolean } = {},
): Promise<FetchedPicture> {
  return createPictureFetcher({ ...quick, ...options })(url, { signal: new AbortController().signal, ...more });
}

export async function all({ head, stream }: FetchedPicture): Promise<Buffer> {
  return Buffer.concat([head, await buffer(stream)]);
}

/** The failure a promise ends with, which tells neither host nor path. */
export async function failure(promise: Promise<unknown>): Promise<ProviderFailure> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).to.be.instanceOf(ProviderFailure);
  const failed = error as ProviderFailure;
  expect(failed.message).to.match(/^the picture/);
  expect(failed.message).to.not.match(/127|localhost|test|\.png/);
  return failed;
}

export interface PictureServer {
  origin: string;
  port: number;
  asked: number;
  /** One handler per request from now on; the last goes on. */
  serve(...handlers: Handler[]): void;
  /** Fetches from the server, which is trusted. */
  fetch(options?: Options, signal?: AbortSignal): Promise<FetchedPicture>;
}

/** A server for the tests around the call. After each of them nothing may have gone unhandled. */
export function pictureServer(): PictureServer {
  let handlers: Handler[] = [];
  const unhandled: unknown[] = [];
  const note = (error: unknown) => unhandled.push(error);
  const server = http.createServer((request, response) => {
    const handler = handlers[Math.min(here.asked, handlers.length - 1)];
    here.asked += 1;
    handler?.(request, response);
  });
  const here: PictureServer = {
    origin: "",
    port: 0,
    asked: 0,
    serve(...list) {
      handlers = list;
      here.asked = 0;
    },
    fetch: async (options, signal = new AbortController().signal) => fetchPicture(`${here.origin}/a.png`, options, { signal, trusted }),
  };

  before(async () => {
    process.on("unhandledRejection", note).on("uncaughtExceptionMonitor", note);
    await once(server.listen(0, "127.0.0.1"), "listening");
    here.port = (server.address() as AddressInfo).port;
    here.origin = `http://127.0.0.1:${here.port}`;
  });

  afterEach(async () => {
    await delay(1);
    server.closeAllConnections();
    expect(unhandled.splice(0)).to.deep.equal([]);
  });

  after(() => {
    process.off("unhandledRejection", note).off("uncaughtExceptionMonitor", note);
    server.close();
  });

  return here;
}
