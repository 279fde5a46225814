// Fetches a picture from a URL that somebody else chose: guarded, bounded, and resumed where the connection breaks.
import { createHash } from "node:crypto";
import { once } from "node:events";
import type { LookupFunction } from "node:net";
import { Readable } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import type { Request, Response } from "got";
import { ProviderFailure } from "../errors.ts";
import { headFirst, sniff, sniffInput } from "../picture/sniff.ts";
import { lazily } from "../schema/lazily.ts";
import { createAgents, notPublicCode, proxyCode } from "./agents.ts";
import { takeTurns } from "./take-turns.ts";

/** A picture on its way. `head` holds its first bytes, known to be an image; `stream`, to be read or destroyed, yields the rest. */
export interface FetchedPicture {
  head: Buffer;
  stream: Readable;
  /** Its length in bytes, where the server said it. */
  size?: number;
  mediaType: string;
}

/**
 * Fetches a picture from a URL somebody else chose. Rejects with a ProviderFailure: `bad_response` for what will not get better
 * (also an address that is not public), `failed` and `timeout` for what three tries did not mend; or with the signal's reason.
 * A failure after the head destroys the stream with the same errors. `trusted` says which URLs may be at private addresses: those of a
 * provider's answer, never a client's. It is asked anew at each redirect, and not once a stranger has had a say in where that leads.
 */
export type PictureFetcher = (url: string, options: FetchOptions) => Promise<FetchedPicture>;

interface FetchOptions {
  signal: AbortSignal;
  trusted?: (url: URL) => boolean;
  /** A provider has named it just now: its servers may not have the picture everywhere yet, so that a 404 is no last word. */
  fresh?: boolean;
  /** A client sends it, so that it may be of those types too that are only ever converted. */
  input?: boolean;
}

interface FetcherOptions {
  /** Bytes of one picture, after decompression. */
  maxBytes?: number;
  /** How long the server may keep us waiting in all; a quarter of it is the longest single wait. A slow reader's time is not counted. */
  timeoutMs?: number;
  maxRedirects?: number;
  /** The pause before the second try; it doubles. */
  retryDelayMs?: number;
  lookup?: LookupFunction;
  /** Addresses that count as public though they are not: the pictures of tests. */
  isWeb?: (url: URL) => boolean;
}

/** Tries of a picture's download: what broke goes on where it broke. */
export const maxTries = 3;

/** Tries of a fresh URL that answers as those do whose picture is not there yet: with the usual pauses these are 15 seconds. */
export const freshTries = 6;

/** Pause before the second try of a download, in milliseconds: each one after it is twice as long. */
export const firstPause = 500;

/** Picture that is fetched from a URL, in bytes: providers' largest have some 30 MB. */
export const largestDownload = 64 * 1024 * 1024;

/** Time that one try of a download may take, in milliseconds: the client is waiting. */
export const downloadTime = 60_000;

/** Redirects that a download follows: each one is judged as the URL was. */
export const mostRedirects = 3;

/** Statuses for a picture that is not everywhere yet; an empty one comes with 200. */
const statuses = new Set([200, 202, 204, 403, 404, 409, 425]);

/** True for a failure after which the URL may have the picture a while later. */
function isNotYet({ details: { status } }: ProviderFailure): boolean {
  return status !== undefined && statuses.has(status);
}

/** Makes a fetcher with connections of its own. */
export function createPictureFetcher(options: FetcherOptions = {}): PictureFetcher {
  const { maxBytes = largestDownload, timeoutMs = downloadTime, maxRedirects = mostRedirects, retryDelayMs = firstPause } = options;
  const { lookup, isWeb = () => false } = options;
  // Idle connections to hosts of strangers are closed after a while; the guard looks at the address of each new one.
  const agentOptions = { keepAlive: true, timeout: timeoutMs, lookup };
  const guarded = createAgents({ ...agentOptions, guarded: true });
  const ordinary = createAgents(agentOptions);
  // The library is loaded for the first picture, as that of calls is for the first call.
  const clientOf = lazily(async () =>
    (await import("got")).default.extend({
      followRedirect: false,
      retry: { limit: 0 },
      throwHttpErrors: false,
      decompress: true,
      headers: { "user-agent": "pictor" },
    }),
  );

  return async function fetchPicture(url, { signal, trusted = () => false, fresh = false, input = false }) {
    signal.throwIfAborted();
    const job = new AbortController();
    let patience = timeoutMs;
    let size: number | undefined;

    /** Waits for the server. A wait that is too long destroys the request, which ends the wait with an error. */
    async function wait<T>(request: Request, answer: Promise<T>): Promise<T> {
      const begun = performance.now();
      const timer = setTimeout(() => request.destroy(tooLate()), Math.min(patience, timeoutMs / 4));
      try {
        return await answer;
      } finally {
        clearTimeout(timer);
        patience -= performance.now() - begun;
      }
    }

    /** Sends a GET. Redirects are followed by hand, so that every hop is judged by the same rules. */
    async function send(): Promise<{ request: Request; response: Response }> {
      let target = judged(url);
      let isTrusted = true;
      const client = await clientOf();
      for (let redirects = 0; redirects <= maxRedirects; redirects += 1) {
        isTrusted &&= trusted(target);
        const request = client.stream(target, { agent: isTrusted || isWeb(target) ? ordinary : guarded, signal: job.signal });
        request.on("error", () => undefined); // The reader gets the error; an error without a reader must not end the process.
        const [response] = (await wait(request, once(request, "response"))) as [Response];
        const { location } = response.headers;
        if (!isRedirect(response.statusCode) || location === undefined) return { request, response };
        request.destroy();
        target = judged(location, target);
      }
      throw new ProviderFailure("bad_response", `the picture's URL redirects more than ${maxRedirects} times`);
    }

    async function* read(request: Request): AsyncGenerator<Buffer> {
      const chunks = request[Symbol.asyncIterator]() as AsyncIterator<Buffer, undefined>;
      const othersTurn = takeTurns();
      let received = 0;
      for (;;) {
        if (patience <= 0) throw tooLate();
        const { value } = await wait(request, chunks.next());
        if (value === undefined) return;
        received += value.length;
        if (received > maxBytes) throw tooLarge(maxBytes);
        yield value;
        await othersTurn(value);
      }
    }

    /** Yields the whole head first, then what comes. After a cut it starts anew and goes on where it was. */
    async function* download(): AsyncGenerator<Buffer, undefined> {
      const hash = createHash("sha256");
      let delivered = 0;
      for (let tries = 1; ; tries += 1) {
        let request: Request | undefined;
        try {
          const answer = await send();
          request = answer.request;
          const told = toldSize(answer.response, maxBytes);
          if (delivered > 0 && told !== size) throw changed();
          size = told;
          const chunks = delivered === 0 ? headFirst(read(request)) : restOf(read(request), delivered, hash.copy().digest("hex"));
          for await (const chunk of chunks) {
            if (chunk.length === 0) continue;
            hash.update(chunk);
            delivered += chunk.length;
            yield chunk;
          }
          if (delivered === 0)
            throw new ProviderFailure("bad_response", "the picture's URL did not answer with an image but with nothing", { status: 200 });
          return;
        } catch (error) {
          job.signal.throwIfAborted();
          const failure = failureOf(error);
          const mayCome = fresh && delivered === 0 && isNotYet(failure);
          const most = mayCome ? freshTries : failure.kind === "bad_response" ? 0 : maxTries;
          if (tries >= most || patience <= 0) throw failure;
        } finally {
          request?.destroy();
        }
        await delay(retryDelayMs * 2 ** (tries - 1), undefined, { signal: job.signal }).catch(() => job.signal.throwIfAborted());
      }
    }

    const chunks = download();
    const stream = new Readable({
      read() {
        chunks.next().then(
          ({ value }) => this.push(value ?? null),
          (error: unknown) => this.destroy(error as Error),
        );
      },
      destroy(error, callback) {
        signal.removeEventListener("abort", abort);
        job.abort();
        callback(error);
      },
    });
    stream.on("error", () => undefined);
    function abort() {
      job.abort(signal.reason);
      stream.destroy(signal.reason as Error);
    }
    signal.addEventListener("abort", abort);

    try {
      const { value: head = Buffer.alloc(0) } = await chunks.next();
      const mediaType = (input ? sniffInput : sniff)(head)?.mediaType;
      if (mediaType === undefined) throw notAnImage();
      return { head, stream, size, mediaType };
    } catch (error) {
      stream.destroy();
      throw error;
    }
  };
}

/** The URL, if it is one we would ask at all. Its address is judged when the connection is made. */
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

/** Checks status and headers; the size in bytes, unless the server does not say it, or compressed what it sends. */
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

/** Skips what was delivered before, and fails where that is not the same this time: two pictures are never spliced together. */
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

/** Our own failures come back wrapped from the client. */
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

function notAnImage(): ProviderFailure {
  return new ProviderFailure(
    "bad_response",
    "the picture's URL did not answer with an image; png, jpeg, webp, gif, avif and svg are understood",
  );
}
