// The bytes of a client's body as they arrive: without compression, bounded, and with an end to silence.
import type { IncomingMessage } from "node:http";
import { PassThrough, type Readable } from "node:stream";
import { createBrotliDecompress, createGunzip, createInflate } from "node:zlib";
import { GatewayError, type ErrorCode } from "../errors.ts";
import { takeTurns } from "../net/take-turns.ts";

/** A client's message as far as its body is read. */
export type ClientMessage = Readable & Pick<IncomingMessage, "headers">;

/** The code and part for an error about arriving bytes; the part changes while they arrive. */
export interface About {
  code: ErrorCode;
  part?: string;
}

/** The client keeps silent in the middle of its request. Its connection cannot be used again. */
export class Stalled extends GatewayError {
  constructor({ code, part }: About, idle: number) {
    super(code, `${part ?? "the body"} did not arrive: nothing came for ${idle / 1000} seconds`, { param: part });
  }
}

const decoders = new Map([
  ["gzip", createGunzip],
  ["x-gzip", createGunzip],
  ["deflate", createInflate],
  ["br", createBrotliDecompress],
]);

/** The content encoding of a message, `identity` where there is none. */
export function encodingOf({ headers }: ClientMessage): string {
  return headers["content-encoding"]?.trim().toLowerCase() || "identity";
}

/**
 * A body without compression, as it arrives. Throws a 400 for one that breaks off, is not in its encoding or brings nothing for `idle`
 * milliseconds, a 413 beyond `body` bytes, and a 415 for an unknown encoding. Whatever is not read is read away.
 */
export async function* bytesOf(request: ClientMessage, limits: { body: number; idle: number }, about: About): AsyncGenerator<Buffer> {
  const encoding = encodingOf(request);
  const decoder = decoders.get(encoding)?.();
  if (!decoder && encoding !== "identity")
    throw new GatewayError("unsupported_media_type", "the body's content encoding must be gzip, deflate, br or none");
  const arriving = new PassThrough();
  // The end of a pipe does not hear that its beginning is gone; and a stream that fails unheard would end the process.
  request.once("error", (error) => arriving.destroy(error));
  decoder?.on("error", (error) => arriving.destroy(error));
  const timer = setTimeout(() => {
    // Bytes that wait for us are no silence of the client.
    if (arriving.readableLength > 0) timer.refresh();
    else arriving.destroy(new Stalled(about, limits.idle));
  }, limits.idle);
  const came = () => timer.refresh();
  request.on("data", came);
  (decoder ? request.pipe(decoder) : request).pipe(arriving);
  const othersTurn = takeTurns();
  let length = 0;
  try {
    for await (const chunk of arriving as AsyncIterable<Buffer>) {
      length += chunk.length;
      if (length > limits.body) throw tooLarge(limits.body, about);
      yield chunk;
      await othersTurn(chunk);
    }
  } catch (error) {
    if (error instanceof GatewayError) throw error;
    throw new GatewayError(about.code, `the body could not be read${decoder ? `; is it ${encoding}?` : ""}`, {
      param: about.part,
      cause: error,
    });
  } finally {
    clearTimeout(timer);
    // The rest is read away: a client that is still sending would not get to see the answer.
    request.off("data", came).unpipe().resume();
    decoder?.destroy();
    arriving.destroy();
  }
}

function tooLarge(limit: number, { part }: About): GatewayError {
  return new GatewayError("request_too_large", `the body is larger than the ${limit} bytes that are accepted`, { param: part });
}
