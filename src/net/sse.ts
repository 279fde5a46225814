// Reads server-sent events while they arrive, piece by piece: an event may hold a whole picture.
import { setImmediate } from "node:timers/promises";
import { gather } from "../picture/pieces.ts";

/** An event. Its data must be read before the next event is requested; unread data is discarded. */
export interface ServerEvent {
  /**
   * The event's name, cut after 1,024 bytes; empty where the sender gives none. It is final only once the data has been read, since the line with
   * the name may follow the data.
   */
  name: string;
  data: AsyncIterableIterator<Buffer>;
}

const lineFeed = 0x0a;
const carriageReturn = 0x0d;
const colon = 0x3a;
const byteOrderMark = Buffer.from([0xef, 0xbb, 0xbf]);

/** A line without its end. `head` is the beginning of a long line; `rest` then yields the remaining bytes and must be read to its end. */
interface Line {
  head: Buffer;
  rest?: AsyncIterable<Buffer>;
}

/** Length from which a line of a stream is passed on before its end has arrived, in bytes: it may be a picture. */
export const longLine = 64 * 1024;

/** Longest name of a stream's event, in bytes: a longer one is cut, and no known sender uses one. */
export const longestName = 1024;

/** Lines that a provider's stream may have: enough for pictures in lines of 76 characters. */
export const mostLines = 2_000_000;

/** Lines of a stream after which other requests have their turn: parsing more at once would delay all of them. */
export const linesATurn = 1000;

/** Thrown for a stream with more than `mostLines` lines. */
export class TooManyLines extends Error {
  constructor() {
    super(`has more than ${mostLines} lines`);
    this.name = "TooManyLines";
  }
}

/**
 * The events of a stream as they come. A last event without an empty line behind it counts too, since many senders omit that line.
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

/** The data of the event that begins with this line. Several lines of data are joined by line feeds. */
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

/** The name of a line's field; empty for a comment. Only the beginning of the line is read, since it may be as long as a picture. */
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

/** The pieces without `return`: a reader that stops early must not end the source. */
function withoutReturn(pieces: AsyncGenerator<Buffer>): AsyncIterableIterator<Buffer> {
  const plain: AsyncIterableIterator<Buffer> = { next: () => pieces.next(), [Symbol.asyncIterator]: () => plain };
  return plain;
}

async function readAway(pieces: AsyncIterator<Buffer>): Promise<void> {
  for (let next = await pieces.next(); !next.done;) next = await pieces.next();
}

/** The lines of a text. LF, CRLF or CR ends a line, even when a chunk ends between CR and LF. */
async function* linesOf(chunks: AsyncIterable<Buffer>): AsyncGenerator<Line, undefined> {
  const source = chunks[Symbol.asyncIterator]();
  let chunk: Buffer = Buffer.alloc(0);
  let from = 0; // The index in the chunk up to which everything has been read.
  // The index of the next LF and CR. Each is searched for only once, so that a long line costs two native searches.
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

  /** The rest of the line, as far as this chunk holds it. */
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
      // Skip a comment, which senders use to keep a connection open.
      if (ended && head[0] === colon) continue;
      // A line shorter than `longLine` is complete: it has ended, or the body has.
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
