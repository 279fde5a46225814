import { buffer } from "node:stream/consumers";
import { expect } from "chai";
import fc from "fast-check";
import { readEvents } from "../../src/net/sse.ts";

/** What the reader makes of a text that comes in these chunks. */
async function eventsOf(chunks: readonly (string | Buffer)[]): Promise<[name: string, data: string][]> {
  const found: [string, string][] = [];
  for await (const event of readEvents(arriving(chunks))) {
    const data = await buffer(event.data);
    found.push([event.name, data.toString("utf8")]);
  }
  return found;
}

async function* arriving(chunks: readonly (string | Buffer)[]): AsyncGenerator<Buffer> {
  for (const chunk of chunks) yield await Promise.resolve(Buffer.from(chunk));
}

describe("net: server-sent events", () => {
  for (const [what, chunks, events] of [
    [
      "ends of lines of every kind",
      ["data: 1\n\ndata: 2\r\n\r\ndata: 3\r\rdata: 4\r\n\n"],
      [
        ["", "1"],
        ["", "2"],
        ["", "3"],
        ["", "4"],
      ],
    ],
    [
      "a CRLF that is cut in two",
      ["event: a\r", "\ndata: 1\r", "\n\r", "\ndata: 2\n\n"],
      [
        ["a", "1"],
        ["", "2"],
      ],
    ],
    ["a letter that is cut in two", [Buffer.from("data: ü").subarray(0, 7), Buffer.from("ü\n\n").subarray(1)], [["", "ü"]]],
    ["data on several lines", ["data: a\ndata\ndata:b\n\n"], [["", "a\n\nb"]]],
    ["comments, unknown fields and empty lines", [": hello\n\n\n\nid: 1\nretry: 5\nnothing\ndata: x\n:data: y\n\n"], [["", "x"]]],
    [
      "a name, which holds for one event",
      ["event: a\n\nevent: b\ndata: 1\n\ndata: 2\n\n"],
      [
        ["b", "1"],
        ["", "2"],
      ],
    ],
    ["one space after the colon and no more", ["data:  x \n\n"], [["", " x "]]],
    ["a byte order mark, at the very beginning only", ["\uFEFFdata: 1\n\n\uFEFFdata: 2\n\n"], [["", "1"]]],
    [
      "a last event that nothing closes",
      ["data: 1\n\ndata: 2"],
      [
        ["", "1"],
        ["", "2"],
      ],
    ],
    ["nothing", [], []],
  ] as const) {
    it(`reads ${what}`, async () => expect(await eventsOf(chunks)).to.deep.equal(events));
  }

  it("reads the first 1,024 bytes of a long name, wherever the bytes are cut", async () => {
    const text = `event: ${"ab".repeat(50_000)}\ndata: 1\nevent:${"é".repeat(50_000)}\n\ndata: 2\nevent: ${"c".repeat(1024)}\n\n`;
    for (const length of [text.length * 2, 70_000, 999])
      expect(
        await eventsOf(
          Buffer.from(text)
            .toString("latin1")
            .match(new RegExp(`[^]{1,${length}}`, "g"))!
            .map((part) => Buffer.from(part, "latin1")),
        ),
      ).to.deep.equal([
        ["é".repeat(512), "1"],
        ["c".repeat(1024), "2"],
      ]);
  });

  it("reads the same wherever the bytes are cut", async () => {
    const text = fc.string({ unit: fc.constantFrom("a", ":", " ", "ü", "{", "\u{1F408}"), maxLength: 8 });
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.constantFrom("", "picture"), fc.array(text, { minLength: 1, maxLength: 3 })), { maxLength: 4 }),
        fc.constantFrom("\n", "\r\n", "\r"),
        fc.array(fc.nat({ max: 200 })),
        async (events, end, cuts) => {
          const lines = events.flatMap(([name, data]) => [
            ...(name ? [`event: ${name}`] : []),
            ": a comment",
            ...data.map((line) => `data: ${line}`),
            "",
          ]);
          const bytes = Buffer.from(lines.map((line) => line + end).join(""));
          const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
          const chunks = places.slice(1).flatMap((place, index) => {
            const chunk = bytes.subarray(places[index], place);
            return chunk.length > 0 ? [chunk] : [];
          });
          expect(await eventsOf(chunks)).to.deep.equal(events.map(([name, data]) => [name, data.join("\n")]));
        },
      ),
      { numRuns: 300 },
    );
  });

  it("hands on a line of 30 MB as the bytes it came as", async () => {
    const line = Buffer.alloc(30_000_000, "QUJD");
    const whole = Buffer.concat([Buffer.from("event: picture\r\ndata: "), line, Buffer.from("\r\n\r\n")]);
    const chunks = Array.from({ length: Math.ceil(whole.length / 65_536) }, (_, index) =>
      whole.subarray(index * 65_536, (index + 1) * 65_536),
    );
    const found = [];
    for await (const event of readEvents(arriving(chunks))) found.push([event.name, (await buffer(event.data)).equals(line)]);
    expect(found).to.deep.equal([["picture", true]]);
  });
});
