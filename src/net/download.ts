// Downloads a URL in several tries: after a broken connection the download resumes where it broke.
import { createHash } from "node:crypto";
import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import type { Request, Response } from "got";
import { ProviderFailure } from "../errors.ts";
import { headFirst } from "../picture/sniff.ts";
import { notPublicCode, proxyCode } from "./agents.ts";
import { takeTurns } from "./take-turns.ts";

/** The bounds of a download, as the options of the fetcher have them. */
interface Limits {
  maxBytes: number;
  timeoutMs: number;
  maxRedirects: number;
  retryDelayMs: number;
}

/** A download under way. */
export interface Download {
  url: string;
  trusted: (url: URL) => boolean;
  fresh: boolean;
  /** Ends the download. */
  signal: AbortSignal;
  /** Sends a GET, through the guard where the address is not trusted. */
  open: (target: URL, isTrusted: boolean, signal: AbortSignal) => Request;
  limits: Limits;
  /** Time that may still be spent waiting for the server, in milliseconds. */
  patience: number;
  /** The length in bytes, once a server has stated it. */
  size?: number;
}

/** Tries of a picture's download: each one resumes where the last one broke. */
export const maxTries = 3;

/** Tries of a new URL whose picture is not there yet: with the usual pauses they take 15 seconds. */
export const freshTries = 6;

/** Pause before the second try of a download, in milliseconds: each further pause is twice as long. */
export const firstPause = 500;

/** Statuses of servers that may not have the picture yet. Among them is 200, for an empty body. */
const statuses = new Set([200, 202, 204, 403, 404, 409, 425]);

/** True for a failure after which the URL may deliver the picture a little later. */
function isNotYet({ details: { status } }: ProviderFailure): boolean {
  return status !== undefined && statuses.has(status);
}

/** Yields the whole head first, then the rest as it arrives. After a cut the picture is requested again, and bytes already delivered are skipped. */
export async function* download(asked: Download): AsyncGenerator<Buffer, undefined> {
  const { fresh, signal, limits } = asked;
  const hash = createHash("sha256");
  let delivered = 0;
  for (let tries = 1; ; tries += 1) {
    let request: Request | undefined;
    try {
      const answer = await send(asked);
      request = answer.request;
      const told = toldSize(answer.response, limits.maxBytes);
      if (delivered > 0 && told !== asked.size) throw changed();
      asked.size = told;
      const whole = read(asked, request);
      for await (const chunk of delivered === 0 ? headFirst(whole) : restOf(whole, delivered, hash.copy().digest("hex"))) {
        if (chunk.length === 0) continue;
        hash.update(chunk);
        delivered += chunk.length;
        yield chunk;
      }
      if (delivered === 0)
        throw new ProviderFailure("bad_response", "the picture's URL did not answer with an image but with nothing", { status: 200 });
      return;
    } catch (error) {
      signal.throwIfAborted();
      const failure = failureOf(error);
      const mayCome = fresh && delivered === 0 && isNotYet(failure);
      const most = mayCome ? freshTries : failure.kind === "bad_response" ? 0 : maxTries;
      if (tries >= most || asked.patience <= 0) throw failure;
    } finally {
      request?.destroy();
    }
    await delay(limits.retryDelayMs * 2 ** (tries - 1), undefined, { signal }).catch(() => signal.throwIfAborted());
  }
}

/** Sends a GET. Redirects are followed by hand, so that every hop is judged by the same rules. */
async function send(asked: Download): Promise<{ request: Request; response: Response }> {
  const { maxRedirects } = asked.limits;
  let target = judged(asked.url);
  let isTrusted = true;
  for (let redirects = 0; redirects <= maxRedirects; redirects += 1) {
    isTrusted &&= asked.trusted(target);
    const request = asked.open(target, isTrusted, asked.signal);
    request.on("error", () => undefined); // The reader gets the error; an error without a reader must not end the process.
    const [response] = (await wait(asked, request, once(request, "response"))) as [Response];
    const { location } = response.headers;
    if (!isRedirect(response.statusCode) || location === undefined) return { request, response };
    request.destroy();
    target = judged(location, target);
  }
  throw new ProviderFailure("bad_response", `the picture's URL redirects more than ${maxRedirects} times`);
}

/** Waits for the server, and reduces `patience` by the time waited. A wait that is too long destroys the request and so ends with an error. */
async function wait<T>(asked: Download, request: Request, answer: Promise<T>): Promise<T> {
  const begun = performance.now();
  const timer = setTimeout(() => request.destroy(tooLate()), Math.min(asked.patience, asked.limits.timeoutMs / 4));
  try {
    return await answer;
  } finally {
    clearTimeout(timer);
    asked.patience -= performance.now() - begun;
  }
}

async function* read(asked: Download, request: Request): AsyncGenerator<Buffer> {
  const { maxBytes } = asked.limits;
  const chunks = request[Symbol.asyncIterator]() as AsyncIterator<Buffer, undefined>;
  const othersTurn = takeTurns();
  let received = 0;
  for (;;) {
    if (asked.patience <= 0) throw tooLate();
    const { value } = await wait(asked, request, chunks.next());
    if (value === undefined) return;
    received += value.length;
    if (received > maxBytes) throw tooLarge(maxBytes);
    yield value;
    await othersTurn(value);
  }
}

/** Parses a URL, and throws unless it is one that may be fetched. Its address is checked later, when the connection is made. */
function judged(text: string, base?: URL): URL {
  const url = URL.canParse(text, base?.href) ? new URL(text, base) : undefined;
  if (url?.protocol !== "http:" && url?.protocol !== "https:") {
    throw new ProviderFailure("bad_response", "the picture's URL must be a whole one that starts with http:// or https://");
  }
  if (url.username !== "" || url.password !== "") {
    throw new ProviderFailure("bad_response", "the picture's URL must not hold a user name or a password");
  }
  return url;
}

function isRedirect(status: number): boolean {
  return [301, 302, 303, 307, 308].includes(status);
}

/** Checks status and headers. Returns the size in bytes; undefined where the server does not state it or compresses the body. */
function toldSize({ statusCode, headers }: Response, maxBytes: number): number | undefined {
  if (statusCode !== 200) {
    const mayPass = statusCode >= 500 || statusCode === 408 || statusCode === 429;
    throw new ProviderFailure(mayPass ? "failed" : "bad_response", `the picture's URL answered with status ${statusCode}`, {
      status: statusCode,
    });
  }
  const { "content-length": length, "content-encoding": encoding } = headers;
  if (length === undefined || encoding !== undefined) return undefined;
  if (Number(length) > maxBytes) throw tooLarge(maxBytes);
  return Number(length);
}

/** Skips the bytes that were delivered before. Throws if they differ this time: two pictures are never spliced together. */
async function* restOf(chunks: AsyncIterable<Buffer>, delivered: number, digest: string): AsyncGenerator<Buffer> {
  const hash = createHash("sha256");
  let left = delivered;
  for await (const chunk of chunks) {
    const known = chunk.subarray(0, left);
    if (known.length > 0) {
      hash.update(known);
      left -= known.length;
      if (left === 0 && hash.digest("hex") !== digest) throw changed();
    }
    if (known.length < chunk.length) yield chunk.subarray(known.length);
  }
  if (left > 0) throw changed();
}

/** The failure that an error stands for. The HTTP client wraps failures of our own, so they are unwrapped. */
function failureOf(error: unknown): ProviderFailure {
  if (error instanceof ProviderFailure) return error;
  const { cause, code } = error as { cause?: unknown; code?: string };
  if (cause instanceof ProviderFailure) return cause;
  if (code === notPublicCode) {
    return new ProviderFailure("bad_response", "the picture's URL points to an address that is not public; only public ones are fetched", {
      cause: error,
    });
  }
  const through = code === proxyCode ? "through the proxy" : `(${code})`;
  return new ProviderFailure("failed", `the picture could not be downloaded ${through}`, { cause: error });
}

function tooLate(): ProviderFailure {
  return new ProviderFailure("timeout", "the picture could not be downloaded in time");
}

function tooLarge(maxBytes: number): ProviderFailure {
  return new ProviderFailure("bad_response", `the picture is larger than the ${maxBytes} bytes that are accepted`);
}

function changed(): ProviderFailure {
  return new ProviderFailure("bad_response", "the picture changed while it was downloaded");
}
