// Reads server-sent events while they arrive, piece by piece: one may hold a whole picture.
import { setImmediate } from "node:timers/promises";
import { gather } from "../picture/pieces.ts";

/** An event. Its data must be read before the next event is requested; unread data is discarded. */
export interface ServerEvent {
  /**
   * Empty where the sender names none; of a name longer than 1,024 bytes the first 1,024. Certain once the data has been read, since the name
   * may stand behind it.
   */
  name: string;
  data: AsyncIterableIterator<Buffer>;
}

const lineFeed = 0x0a;
const carriageReturn = 0x0d;
const colon = 0x3a;
const byteOrderMark = Buffer.from([0xef, 0xbb, 0xbf]);

/** A line without its end. `rest` yields what is behind the beginning of one that is long, and must be read through. */
interface Line {
  head: Buffer;
  rest?: AsyncIterable<Buffer>;
}

/** Length of a line of a stream from which it is handed on before it has ended, in bytes: it may be a picture. */
export const longLine = 64 * 1024;

/** Name of a stream's event, in bytes: what is longer is cut, and no sender's is. */
export const longestName = 1024;

/** Lines of a provider's stream: enough for pictures in lines of 76 characters. */
export const mostLines = 2_000_000;

/** Lines of a stream after which other requests have their turn: parsing many at once would hold everybody up. */
export const linesATurn = 1000;

/** More came than may. */
export class TooManyLines extends Error {
  constructor() {
    super(`has more than ${mostLines} lines`);
    this.name = "TooManyLines";
  }
}

/**
 * The events of a stream as they come. One that is not closed by an empty line counts too: many a sender leaves the last so.
 * Throws `TooManyLines`, or the source's own error.
 */
export async function* readEvents(chunks: AsyncIterable<Buffer>): AsyncGenerator<ServerEvent> {
  const lines = linesOf(chunks);
  let name = "";
  try {
    for (let next = await lines.next(); !next.done; next = await lines.next()) {
      const line = next.value;
      const field = fieldOf(line.head);
      if (field === "data") {
        const event = { name } as ServerEvent;
        const pieces = dataOf(line, lines, event);
        event.data = withoutReturn(pieces);
        yield event;
        await readAway(pieces);
        name = "";
      } else if (field === "event") name = nameOf(line.head);
      else if (line.head.length === 0) name = "";
    }
  } finally {
    await lines.return(undefined);
  }
}

/** The data of the event that begins with this line; several lines of it are one text. */
async function* dataOf(first: Line, lines: AsyncIterator<Line>, event: ServerEvent): AsyncGenerator<Buffer> {
  let begun = false;
  for (let line = first; line.head.length > 0;) {
    const field = fieldOf(line.head);
    if (field === "data") {
      if (begun) yield Buffer.of(lineFeed);
      begun = true;
      yield valueOf(line.head);
      if (line.rest) yield* line.rest;
    } else if (field === "event") event.name = nameOf(line.head);
    const next = await lines.next();
    if (next.done) return;
    line = next.value;
  }
}

/** The field's name; a comment has none. Only its beginning is read: a line may be as long as a picture. */
function fieldOf(line: Buffer): string {
  return line.toString("latin1", 0, Math.min(line.length, 16)).split(":", 1)[0] ?? "";
}

function valueOf(line: Buffer): Buffer {
  const end = line.indexOf(colon);
  if (end === -1) return Buffer.alloc(0);
  return line.subarray(line[end + 1] === 0x20 ? end + 2 : end + 1);
}

function nameOf(line: Buffer): string {
  return valueOf(line).subarray(0, longestName).toString("utf8");
}

/** A reader that stops early does not end the source. */
function withoutReturn(pieces: AsyncGenerator<Buffer>): AsyncIterableIterator<Buffer> {
  const plain: AsyncIterableIterator<Buffer> = { next: () => pieces.next(), [Symbol.asyncIterator]: () => plain };
  return plain;
}

async function readAway(pieces: AsyncIterator<Buffer>): Promise<void> {
  for (let next = await pieces.next(); !next.done;) next = await pieces.next();
}

/** The lines of a text: LF, CRLF or CR ends them, wherever the chunks are cut. */
async function* linesOf(chunks: AsyncIterable<Buffer>): AsyncGenerator<Line, undefined> {
  const source = chunks[Symbol.asyncIterator]();
  let chunk: Buffer = Buffer.alloc(0);
  let from = 0; // Everything before it in the chunk is dealt with.
  // The next line end of each kind. Each kind is searched for once, so that a long line costs two native searches.
  let [feed, carriage] = [-1, -1];
  let endedByReturn = false;
  let count = 0;

  const advance = async (): Promise<boolean> => {
    const next = await source.next();
    if (next.done) return false;
    chunk = next.value;
    from = endedByReturn && chunk[0] === lineFeed ? 1 : 0;
    if (chunk.length > 0) endedByReturn = false;
    [feed, carriage] = [chunk.indexOf(lineFeed, from), chunk.indexOf(carriageReturn, from)];
    return true;
  };

  /** The rest of the line as far as the chunk has it. */
  const take = (): { piece: Buffer; ended: boolean } => {
    if (feed !== -1 && feed < from) feed = chunk.indexOf(lineFeed, from);
    if (carriage !== -1 && carriage < from) carriage = chunk.indexOf(carriageReturn, from);
    const end = feed === -1 || carriage === -1 ? Math.max(feed, carriage) : Math.min(feed, carriage);
    const piece = chunk.subarray(from, end === -1 ? chunk.length : end);
    from = end === -1 ? chunk.length : end + 1;
    if (chunk[end] === carriageReturn) {
      endedByReturn = from === chunk.length;
      if (chunk[from] === lineFeed) from += 1;
    }
    return { piece, ended: end !== -1 };
  };

  async function* restOfLine(): AsyncGenerator<Buffer> {
    for (let ended = false; !ended && (await advance());) {
      const taken = take();
      ended = taken.ended;
      yield taken.piece;
    }
  }

  try {
    while (from < chunk.length || (await advance())) {
      if (from === chunk.length) continue;
      const begun: Buffer[] = [];
      let length = 0;
      let ended = false;
      do {
        const taken = take();
        ended = taken.ended;
        length += taken.piece.length;
        gather(begun, taken.piece);
      } while (!ended && length < longLine && (await advance()));
      const whole = Buffer.concat(begun);
      const head = count === 0 && whole.subarray(0, 3).equals(byteOrderMark) ? whole.subarray(3) : whole;
      count += 1;
      if (count > mostLines) throw new TooManyLines();
      if (count % linesATurn === 0) await setImmediate();
      // A comment, which senders use to keep a connection open.
      if (ended && head[0] === colon) continue;
      // A short line is complete, with the body at the latest.
      if (ended || length < longLine) yield { head };
      else {
        const rest = restOfLine();
        yield { head, rest: withoutReturn(rest) };
        await readAway(rest);
      }
    }
  } finally {
    await source.return?.();
  }
}
