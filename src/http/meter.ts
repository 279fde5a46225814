// Bounds the part of a JSON body that is no image.
import { liftFrom } from "../picture/lift.ts";

const quote = 0x22;
const backslash = 0x5c;

/** More of a body than may be is no image. */
export class TooLong extends Error {}

/** Passes JSON on, and throws `TooLong` once more than `text` bytes of it are no long texts, which only images are. */
export async function* beside(chunks: AsyncIterable<Buffer>, text: number): AsyncGenerator<Buffer> {
  const count = documentCounter();
  for await (const chunk of chunks) {
    if (count(chunk) > text) throw new TooLong();
    yield chunk;
  }
}

/** Counts the bytes of a JSON text beside its long texts, however it is cut. */
function documentCounter(): (chunk: Buffer) => number {
  let outside = 0;
  let length: number | undefined; // of the text that is open
  let escaping = false;
  return (chunk) => {
    for (let at = 0; at < chunk.length;) {
      const found = chunk.indexOf(quote, at);
      const end = found === -1 ? chunk.length : found;
      if (length === undefined) {
        outside += end - at;
        // The quotes of a text count with what is around it.
        if (found !== -1) [length, outside] = [0, outside + 2];
      } else {
        length += end - at;
        escaping = endsEscaping(chunk, at, end, escaping);
        if (found !== -1 && !escaping) {
          if (length <= liftFrom) outside += length;
          length = undefined;
        } else if (found !== -1) {
          length += 1;
          escaping = false;
        }
      }
      at = end + 1;
    }
    return outside + (length !== undefined && length <= liftFrom ? length : 0);
  };
}

/** True where the character after this part of a text is escaped; `before` says so of its first one. */
function endsEscaping(chunk: Buffer, from: number, to: number, before: boolean): boolean {
  let slashes = 0;
  while (to - 1 - slashes >= from && chunk[to - 1 - slashes] === backslash) slashes += 1;
  return (slashes % 2 === 1) !== (slashes === to - from && before);
}
