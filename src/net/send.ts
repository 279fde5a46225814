// Sends one HTTP request to a provider. On failure it says whether the provider may have accepted the request.
import { on } from "node:events";
import http from "node:http";
import https from "node:https";
import { Readable } from "node:stream";
import { TLSSocket } from "node:tls";
import type { BeforeRequestHook, Got, Response } from "got";
import { ProviderFailure } from "../errors.ts";
import { createAgents, isProxied, proxyCode } from "./agents.ts";
import type { StreamBody } from "./body.ts";
import { takeTurns } from "./take-turns.ts";

export interface OutgoingRequest {
  method: "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE";
  url: string;
  headers: Record<string, string>;
  body?: Buffer | StreamBody;
  /** Secrets derived from the key, such as a token or a signature; they are masked like the key. */
  secrets?: string[];
}

export interface IncomingAnswer {
  status: number;
  headers: Record<string, string>;
  body: Readable;
}

/**
 * Idle time after which a connection to a provider is closed, in milliseconds: common servers close theirs after five seconds, and a request
 * sent while its connection is being closed fails and may not be sent again.
 */
export const idleTime = 4000;

// The most recently used socket is used first, so that the others stay idle and are closed.
const sockets = { keepAlive: true, scheduling: "lifo", timeout: idleTime } as const;

/** Time that a connection to a provider may take where the channel says nothing, in milliseconds: another channel may be reached sooner. */
export const connectTime = 10_000;

// Agents for URLs that a provider's answer named. They reach public addresses only, and check them when the socket connects.
const guards = createAgents({ guarded: true });
const hasTunnels = isProxied();

let client: Promise<Got> | undefined;

/** The HTTP client of all calls, loaded on first use: commands that send nothing save that time. A gateway loads it before its first call. */
export function clientOf(): Promise<Got> {
  client ??= import("got").then(({ default: got }) =>
    got.extend({
      agent: createAgents(sockets),
      request: (url, { method, headers, agent }) => (url.protocol === "https:" ? https : http).request(url, { method, headers, agent }),
      hooks: { beforeRequest: [useFewOptions] },
      // Every retry is the gateway's own decision, and a redirect of a POST has crashed this version of got.
      retry: { limit: 0 },
      followRedirect: false,
      throwHttpErrors: false,
      headers: { "user-agent": "pictor" },
    }),
  );
  return client;
}

/**
 * Passes on only the options that a call needs. The client makes forty for every request, nearly all for TLS and unset. They are 20 KB of garbage
 * each time, and each layer below copies them.
 */
function useFewOptions(options: NormalizedOptions): void {
  options.createNativeRequestOptions = () => {
    const { url, method, headers, agent } = options;
    return { method, headers, agent: agent[(url as URL).protocol === "https:" ? "https" : "http"] } as NativeOptions;
  };
}

type NormalizedOptions = Parameters<BeforeRequestHook>[0];
type NativeOptions = ReturnType<NormalizedOptions["createNativeRequestOptions"]>;

/** How long parts of a call may take, in milliseconds, beside the request's own deadline. */
export interface Patience {
  /** To reach the provider; ten seconds when omitted. */
  connect?: number;
  /** From the moment the whole request has been sent until the answer begins; unlimited when omitted. */
  firstByte?: number;
}

/**
 * Sends an HTTP request. With `guarded` it reaches public addresses only. `sent` is called when the whole request has been written.
 * Resolves when the head of the answer has arrived; its body must be read or destroyed.
 * Rejects with `ProviderFailure` (with `details.notAccepted` if no byte was sent), or with the signal's reason once the signal aborts.
 */
export async function send(
  request: OutgoingRequest,
  signal: AbortSignal,
  { guarded = false, connect = connectTime, firstByte, sent = () => {} }: Patience & { guarded?: boolean; sent?: () => void } = {},
): Promise<IncomingAnswer> {
  const got = await clientOf();
  signal.throwIfAborted();
  const { body } = request;
  const source = body === undefined || Buffer.isBuffer(body) ? undefined : Readable.from(body.chunks(), { objectMode: false });
  const stream = got.stream(request.url, {
    method: request.method,
    headers: source ? { ...request.headers, "content-length": String(body?.length) } : request.headers,
    ...(guarded ? { agent: guards } : {}),
    // An empty body, since without one the client would wait for data to be piped in.
    body: source ?? (body as Buffer | undefined) ?? (/^(GET|HEAD)$/.test(request.method) ? undefined : Buffer.alloc(0)),
    allowGetBody: body !== undefined,
    signal,
  });
  // A pipe does not pass an error from one end to the other. The source of the body must be released however the call ends.
  source?.once("error", (error) => stream.destroy(error));
  if (source) stream.once("close", () => source.destroy());
  // Until the connection is established (including TLS, if any), no byte of the request has been sent. This proves that it may be sent again.
  let connected = false;
  try {
    const response = await new Promise<Response>((resolve, reject) => {
      stream.once("response", resolve);
      stream.once("request", (request: http.ClientRequest) => {
        request.once("finish", sent);
        const giveUpLater = () =>
          setTimeout(() => {
            reject(new ProviderFailure("timeout", "the provider could not be reached in time"));
            stream.destroy();
          }, connect);
        // With a tunnel, `socket` is emitted only after the connection is established.
        const tunnelLate = hasTunnels ? giveUpLater() : undefined;
        if (hasTunnels) request.once("close", () => clearTimeout(tunnelLate));
        request.once("socket", (socket) => {
          clearTimeout(tunnelLate);
          connected = !socket.connecting;
          if (connected) return;
          // The client's own timeouts would cost each call a tenth more, and most calls use a connection that is already open.
          const late = giveUpLater();
          socket.once("close", () => clearTimeout(late));
          socket.once(socket instanceof TLSSocket ? "secureConnect" : "connect", () => {
            connected = true;
            clearTimeout(late);
          });
        });
        if (firstByte !== undefined) {
          request.once("finish", () => {
            const late = setTimeout(() => {
              reject(new ProviderFailure("timeout", "the provider did not begin to answer in time"));
              stream.destroy();
            }, firstByte);
            for (const end of ["response", "close"]) request.once(end, () => clearTimeout(late));
          });
        }
        // No upgrade was requested; without this listener the connection would be closed without an error.
        request.once("upgrade", (_response, socket) => {
          socket.destroy();
          reject(new Error("the provider switched protocols"));
        });
      });
      // This listener stays: a body that fails while nobody reads it must not end the process. The reader gets the error as well.
      stream.on("error", reject);
    });
    // The body is read from `response`, since the client's stream would only copy each chunk. The stream listens to the signal until it is destroyed.
    for (const end of ["end", "close"]) response.once(end, () => stream.destroy());
    // An empty body may have ended before.
    if (response.readableEnded) stream.destroy();
    // A stream with a `readable` listener does not flow.
    response.removeAllListeners("readable");
    return { status: response.statusCode, headers: plainHeaders(response.headers), body: response };
  } catch (error) {
    const cause: unknown = signal.aborted ? signal.reason : error;
    if (!(cause instanceof ProviderFailure)) signal.throwIfAborted();
    throw failureOf(cause, connected);
  }
}

function plainHeaders(headers: http.IncomingHttpHeaders): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name, Array.isArray(value) ? value.join(", ") : (value ?? "")]),
  );
}

function failureOf(cause: unknown, connected: boolean): ProviderFailure {
  if (!(cause instanceof ProviderFailure))
    return connected
      ? new ProviderFailure("failed", brokenBy(cause), { cause })
      : new ProviderFailure("failed", `the provider could not be reached${isOfProxy(cause) ? " through the proxy" : ""}`, {
          notAccepted: true,
          cause,
        });
  // A timeout of the whole attempt comes without `notAccepted`, so it is added here.
  return connected ? cause : new ProviderFailure(cause.kind, cause.message, { ...cause.details, notAccepted: true });
}

function brokenBy(cause: unknown): string {
  return (cause as { code?: string }).code === "HPE_HEADER_OVERFLOW"
    ? "the provider's answer has larger headers than the 16 KB that are accepted"
    : "the connection to the provider broke before it answered";
}

function isOfProxy(cause: unknown): boolean {
  return (cause as { code?: string }).code === proxyCode;
}

// Chunks that may wait for the reader. A stream's own iterator pauses the socket for every chunk, and copies the chunks that came meanwhile into one.
const inFlow = { close: ["end", "close"], highWaterMark: 4, lowWaterMark: 1 };

/**
 * A body as it arrives, at most `limit` bytes. Throws `ProviderFailure("bad_response")` for a body that is cut or too large, or the
 * signal's reason.
 */
export async function* bodyOf(answer: IncomingAnswer, limit: number, signal: AbortSignal): AsyncGenerator<Buffer> {
  const { body } = answer;
  let length = 0;
  const othersTurn = takeTurns();
  const tooLarge = () => new ProviderFailure("bad_response", `the provider's answer is larger than ${limit} bytes`);
  if (Number(answer.headers["content-length"]) > limit) {
    body.destroy();
    throw tooLarge();
  }
  try {
    // A stream that ended before this point emits no further event.
    const chunks = body.closed || body.readableEnded ? [] : (on(body, "data", inFlow) as AsyncIterable<[Buffer]>);
    for await (const [chunk] of chunks) {
      length += chunk.length;
      if (length > limit) throw tooLarge();
      yield chunk;
      await othersTurn(chunk);
    }
    if (!body.readableEnded) throw new Error("the body ended too early");
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof ProviderFailure) throw error;
    throw new ProviderFailure("bad_response", "the provider's answer was cut", { cause: error });
  } finally {
    // The client listens to the signal until the body is destroyed, and a task is polled many times with the same signal.
    body.destroy();
  }
}

/**
 * A body of less than `limit` bytes, if all of it has arrived; else undefined. A small body comes with its head, and reading it as a stream
 * is slow.
 */
export function arrivedBody(message: Readable, limit: number): Buffer | undefined {
  if (!(message instanceof http.IncomingMessage) || message.readableLength >= limit) return undefined;
  // `complete` may still be false when the last byte has arrived.
  const isWhole = message.complete || message.readableLength === Number(message.headers["content-length"]);
  if (!isWhole) return undefined;
  const body = (message.read() as Buffer | null) ?? Buffer.alloc(0);
  // The stream emits its end only if it is read on.
  message.resume();
  return body;
}

/** A whole body in one buffer. Limits and errors are those of `bodyOf`. */
export async function readBody(answer: IncomingAnswer, limit: number, signal: AbortSignal): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of bodyOf(answer, limit, signal)) chunks.push(chunk);
  return Buffer.concat(chunks);
}
