// Fetches a picture from a URL that a client or a provider chose: guarded, bounded, and resumed after a broken connection.
import type { LookupFunction } from "node:net";
import { Readable } from "node:stream";
import { ProviderFailure } from "../errors.ts";
import { sniff, sniffInput } from "../picture/sniff.ts";
import { lazily } from "../schema/lazily.ts";
import { errorType, type Span, type Trace } from "../trace.ts";
import { createAgents } from "./agents.ts";
import { download, firstPause, type Download } from "./download.ts";

/** A picture that is being fetched. `head` holds its first bytes, checked to be an image. `stream` yields the rest and must be read or destroyed. */
export interface FetchedPicture {
  head: Buffer;
  stream: Readable;
  /** Its length in bytes, if the server stated it. */
  size?: number;
  mediaType: string;
}

/**
 * Fetches a picture from a URL that a client or a provider chose. Rejects with a ProviderFailure: `bad_response` where another try cannot
 * help (an address that is not public, for example), `failed` or `timeout` after three tries; or with the signal's reason.
 * A failure after the head destroys the stream with the same errors. `trusted` says which URLs may lead to private addresses: only URLs of a
 * provider's answer, never a client's. It is called for each redirect, until one URL is not trusted: every redirect after that is guarded.
 */
export type PictureFetcher = (url: string, options: FetchOptions) => Promise<FetchedPicture>;

interface FetchOptions {
  signal: AbortSignal;
  trusted?: (url: URL) => boolean;
  /** True for a URL that a provider has just returned: its servers may not all have the picture yet, so a 404 is tried again. */
  fresh?: boolean;
  /** True for a client's picture, which may also be of a type that the gateway only converts from, such as TIFF. */
  input?: boolean;
  /** The place in a trace under which the fetch gets its span. */
  trace?: Trace;
}

interface FetcherOptions {
  /** Bytes of one picture, after decompression. */
  maxBytes?: number;
  /** Total time of waiting for the server; a single wait lasts a quarter of it at most. The time that the reader takes is not counted. */
  timeoutMs?: number;
  maxRedirects?: number;
  /** The pause before the second try; it doubles. */
  retryDelayMs?: number;
  lookup?: LookupFunction;
  /** Addresses that count as public though they are not: the pictures of tests. */
  isWeb?: (url: URL) => boolean;
}

/** Largest picture that is fetched from a URL, in bytes: providers' largest have some 30 MB. */
export const largestDownload = 64 * 1024 * 1024;

/** Time that one try of a download may take, in milliseconds: the client is waiting. */
export const downloadTime = 60_000;

/** Redirects that a download follows: each one is checked like the first URL. */
export const mostRedirects = 3;

/** Makes a fetcher with connections of its own. */
export function createPictureFetcher(options: FetcherOptions = {}): PictureFetcher {
  const { maxBytes = largestDownload, timeoutMs = downloadTime, maxRedirects = mostRedirects, retryDelayMs = firstPause } = options;
  const { lookup, isWeb = () => false } = options;
  // Idle connections are closed after a while; the guard checks the address of each new one.
  const agentOptions = { keepAlive: true, timeout: timeoutMs, lookup };
  const guarded = createAgents({ ...agentOptions, guarded: true });
  const ordinary = createAgents(agentOptions);
  // The library is loaded with the first picture, since many processes fetch none.
  const clientOf = lazily(async () =>
    (await import("got")).default.extend({
      followRedirect: false,
      retry: { limit: 0 },
      throwHttpErrors: false,
      decompress: true,
      headers: { "user-agent": "pictor" },
    }),
  );

  const limits = { maxBytes, timeoutMs, maxRedirects, retryDelayMs };

  return async function fetchPicture(url, { signal, trusted = () => false, fresh = false, input = false, trace }) {
    const client = await clientOf();
    signal.throwIfAborted();
    const open = (target: URL, isTrusted: boolean, over: AbortSignal) =>
      client.stream(target, { agent: isTrusted || isWeb(target) ? ordinary : guarded, signal: over });
    const ended = new AbortController();
    const asked: Download = { url, trusted, fresh, signal: ended.signal, open, limits, patience: timeoutMs };
    const chunks = download(asked);
    const stream = new Readable({
      read() {
        chunks.next().then(
          ({ value }) => this.push(value ?? null),
          (error: unknown) => this.destroy(error as Error),
        );
      },
      destroy(error, callback) {
        signal.removeEventListener("abort", abort);
        ended.abort();
        callback(error);
      },
    });
    stream.on("error", () => undefined);
    const span = trace?.begin?.({ name: "download", calls: true });
    if (span) stream.once("close", () => endWith(span, stream));
    function abort() {
      ended.abort(signal.reason);
      stream.destroy(signal.reason as Error);
    }
    signal.addEventListener("abort", abort);

    try {
      const { value: head = Buffer.alloc(0) } = await chunks.next();
      const mediaType = (input ? sniffInput : sniff)(head)?.mediaType;
      if (mediaType === undefined) throw notAnImage();
      span?.set({ "pictor.media_type": mediaType, "pictor.bytes": asked.size });
      return { head, stream, size: asked.size, mediaType };
    } catch (error) {
      span?.fail(errorType(error));
      stream.destroy();
      throw error;
    }
  };
}

function endWith(span: Span, { errored }: Readable): void {
  if (errored) span.fail(errorType(errored));
  span.end();
}

function notAnImage(): ProviderFailure {
  return new ProviderFailure(
    "bad_response",
    "the picture's URL did not answer with an image; png, jpeg, webp, gif, avif and svg are understood",
  );
}
