import http from "node:http";
import https from "node:https";
import type { Readable } from "node:stream";
import got, { RequestError, TimeoutError, type Response } from "got";
import { ProviderFailure } from "../errors.ts";

export interface OutgoingRequest {
  method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  url: string;
  headers: Record<string, string>;
  body?: Buffer;
}

export interface IncomingAnswer {
  status: number;
  headers: Record<string, string>;
  body: Readable;
}

// Sockets last used are used first, so that idle ones grow old and close.
const sockets = { keepAlive: true, scheduling: "lifo" } as const;

const client = got.extend({
  agent: { http: new http.Agent(sockets), https: new https.Agent(sockets) },
  // Every retry is the gateway's own decision, and a redirect of a POST has crashed this version of got.
  retry: { limit: 0 },
  followRedirect: false,
  throwHttpErrors: false,
  headers: { "user-agent": "pictor" },
});

/** Milliseconds to reach a provider, beside the request's own deadline. */
const connectTimeout = 10_000;

// The network's own proof that no byte of the request arrived anywhere.
const unsent = new Set(["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "EHOSTUNREACH", "ENETUNREACH", "EADDRNOTAVAIL"]);
const unsentPhases = new Set(["lookup", "connect", "secureConnect"]);

/**
 * One HTTP call. Resolves when the answer's head is here; its body must be read or destroyed.
 * Rejects with `ProviderFailure` (`details.notAccepted` where no byte was sent), or with the signal's reason once it aborts.
 */
export async function send(request: OutgoingRequest, signal: AbortSignal): Promise<IncomingAnswer> {
  signal.throwIfAborted();
  const stream = client.stream(request.url, {
    method: request.method,
    headers: request.headers,
    body: request.body,
    timeout: { lookup: connectTimeout, connect: connectTimeout, secureConnect: connectTimeout },
    signal,
  });
  try {
    const response = await new Promise<Response>((resolve, reject) => {
      stream.once("response", resolve);
      stream.once("error", reject);
    });
    // A body that fails while nobody reads it must not take the process down; its reader sees the error all the same.
    stream.on("error", () => undefined);
    return { status: response.statusCode, headers: plainHeaders(response.headers), body: stream };
  } catch (error) {
    signal.throwIfAborted();
    throw networkFailure(error);
  }
}

function plainHeaders(headers: http.IncomingHttpHeaders): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name, Array.isArray(value) ? value.join(", ") : (value ?? "")]),
  );
}

function networkFailure(error: unknown): ProviderFailure {
  const code = error instanceof RequestError ? error.code : "";
  if (error instanceof TimeoutError) {
    return new ProviderFailure("timeout", "the provider could not be reached in time", {
      notAccepted: unsentPhases.has(error.event),
      cause: error,
    });
  }
  const tls = /CERT|SELF_SIGNED|SSL|TLS|UNABLE_TO/.test(code);
  if (unsent.has(code) || tls)
    return new ProviderFailure("failed", "the provider could not be reached", { notAccepted: true, cause: error });
  return new ProviderFailure("failed", "the connection to the provider broke before it answered", { cause: error });
}

/**
 * Read a whole body, at most `limit` bytes.
 * Rejects with `ProviderFailure("bad_response")` for one that is cut or too large, or with the signal's reason.
 */
export async function readBody(answer: IncomingAnswer, limit: number, signal: AbortSignal): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of answer.body as AsyncIterable<Buffer>) {
      length += chunk.length;
      if (length > limit) throw new ProviderFailure("bad_response", `the provider's answer is larger than ${limit} bytes`);
      chunks.push(chunk);
    }
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof ProviderFailure) throw error;
    throw new ProviderFailure("bad_response", "the provider's answer was cut", { cause: error });
  }
  return Buffer.concat(chunks, length);
}
