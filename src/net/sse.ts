/** One server-sent event. The data stays bytes: it may hold a whole picture. */
export interface ServerEvent {
  /** Empty where the sender names none. */
  name: string;
  data: Buffer;
}

const lineFeed = 0x0a;
const carriageReturn = 0x0d;
const byteOrderMark = Buffer.from([0xef, 0xbb, 0xbf]);

/** The events of a stream as they come. One that is not closed by an empty line counts too: many a sender leaves the last so. */
export async function* readEvents(chunks: AsyncIterable<Buffer>): AsyncGenerator<ServerEvent> {
  let name = "";
  let data: Buffer[] = [];
  for await (const line of linesOf(chunks)) {
    if (line.length === 0) {
      if (data.length > 0) yield { name, data: joined(data) };
      name = "";
      data = [];
    } else if (fieldOf(line) === "data") data.push(valueOf(line));
    else if (fieldOf(line) === "event") name = valueOf(line).toString("utf8");
  }
  if (data.length > 0) yield { name, data: joined(data) };
}

/** The field's name; a comment has none. Only its beginning is read: a line may be as long as a picture. */
function fieldOf(line: Buffer): string {
  return line.toString("latin1", 0, Math.min(line.length, 16)).split(":", 1)[0] ?? "";
}

function valueOf(line: Buffer): Buffer {
  const colon = line.indexOf(":");
  if (colon === -1) return Buffer.alloc(0);
  return line.subarray(line[colon + 1] === 0x20 ? colon + 2 : colon + 1);
}

/** Several lines of data are one text. */
function joined(lines: readonly Buffer[]): Buffer {
  const [only, ...others] = lines;
  return only && others.length === 0
    ? only
    : Buffer.concat(lines.flatMap((line, index) => (index > 0 ? [Buffer.of(lineFeed), line] : [line])));
}

/** The lines of a text without what ends them: LF, CRLF or CR, wherever the chunks are cut. */
async function* linesOf(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let first = true;
  let begun: Buffer[] = [];
  let endedByReturn = false;
  const complete = (rest: Buffer): Buffer => {
    const line = begun.length > 0 ? Buffer.concat([...begun, rest]) : rest;
    begun = [];
    const marked = first && line.subarray(0, 3).equals(byteOrderMark);
    first = false;
    return marked ? line.subarray(3) : line;
  };
  for await (const chunk of chunks) {
    let from = endedByReturn && chunk[0] === lineFeed ? 1 : 0;
    endedByReturn = chunk.at(-1) === carriageReturn;
    for (const end of lineEnds(chunk, from)) {
      if (end < from) continue;
      yield complete(chunk.subarray(from, end));
      from = chunk[end] === carriageReturn && chunk[end + 1] === lineFeed ? end + 2 : end + 1;
    }
    if (from < chunk.length) begun.push(chunk.subarray(from));
  }
  if (begun.length > 0) yield complete(Buffer.alloc(0));
}

/** Where lines end, in order. Each kind of end is looked for by itself, and once, so that a long line costs two native searches. */
function* lineEnds(chunk: Buffer, from: number): Generator<number> {
  let feed = chunk.indexOf(lineFeed, from);
  let carriage = chunk.indexOf(carriageReturn, from);
  while (feed !== -1 || carriage !== -1) {
    if (carriage === -1 || (feed !== -1 && feed < carriage)) {
      yield feed;
      feed = chunk.indexOf(lineFeed, feed + 1);
    } else {
      yield carriage;
      carriage = chunk.indexOf(carriageReturn, carriage + 1);
    }
  }
}
