// Fetches a picture from a URL that somebody else chose: guarded, bounded, and resumed where the connection breaks.
import type { LookupFunction } from "node:net";
import { Readable } from "node:stream";
import { ProviderFailure } from "../errors.ts";
import { sniff, sniffInput } from "../picture/sniff.ts";
import { lazily } from "../schema/lazily.ts";
import { errorType, type Span, type Trace } from "../trace.ts";
import { createAgents } from "./agents.ts";
import { download, firstPause, type Download } from "./download.ts";

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
  /** The place in a trace where it is fetched. */
  trace?: Trace;
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

/** Picture that is fetched from a URL, in bytes: providers' largest have some 30 MB. */
export const largestDownload = 64 * 1024 * 1024;

/** Time that one try of a download may take, in milliseconds: the client is waiting. */
export const downloadTime = 60_000;

/** Redirects that a download follows: each one is judged as the URL was. */
export const mostRedirects = 3;

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
