// Server-sent events in both directions: ours are read back as they were meant, and no stream of bytes upsets the reader.
import { buffer } from "node:stream/consumers";
import { expect } from "chai";
import fc from "fast-check";
import { readEvents } from "../../src/net/sse.ts";
import { solidPng } from "../../src/picture/png.ts";
import { reply, startHouse, type House } from "../http/setup.ts";
import { runs } from "./runs.ts";

async function* cut(bytes: Buffer, length: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += length) yield await Promise.resolve(bytes.subarray(at, at + length));
}

async function eventsOf(bytes: Buffer, length: number, unread = false): Promise<[string, string][]> {
  const found: [string, string][] = [];
  for await (const event of readEvents(cut(bytes, length))) {
    const data = unread ? "" : (await buffer(event.data)).toString("utf8");
    found.push([event.name, data]);
  }
  return found;
}

/**
 * The same by the standard's own words, for a text that is here whole; a last event that nothing closes counts, and of a name the first
 * 1,024 bytes.
 */
function plainly(text: string): [string, string][] {
  const found: [string, string][] = [];
  let name = "";
  let data: string[] = [];
  for (const line of [...text.replace(/^\uFEFF/, "").split(/\r\n|\r|\n/), ""]) {
    const [, field = "", value = ""] = /^([^:]*)(?:: ?)?([^]*)$/.exec(line) ?? [];
    if (line === "") {
      if (data.length > 0) found.push([name, data.join("\n")]);
      [name, data] = ["", []];
    } else if (field === "data") data.push(value);
    else if (field === "event") name = Buffer.from(value).toString("utf8", 0, 1024);
  }
  return found;
}

const piece = fc.oneof(
  fc.constantFrom(
    "data:",
    "data: ",
    "event: a",
    "event:",
    "id: 1",
    "retry: x",
    ":",
    ": hi",
    "\n",
    "\n\n",
    "\r",
    "\r\n",
    "\r\n\r\n",
    "\uFEFF",
  ),
  fc.constantFrom('{"type":"error"}', "[DONE]", "x".repeat(66_000), "é", "\u2028", "data", "dat", "\0"),
  fc.string({ maxLength: 6 }),
);

describe("server-sent events", () => {
  it("are read as the standard says, however they are written and cut", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(piece, { maxLength: 14 }), fc.constantFrom(1, 3, 64, 4096, 65_536, 1e9), async (pieces, length) => {
        const text = pieces.join("");
        const bytes = Buffer.from(text);
        const expected = plainly(bytes.toString("utf8"));
        const step = bytes.length > 10_000 ? Math.max(length, 999) : length;
        expect(await eventsOf(bytes, step)).to.deep.equal(expected);
        expect(await eventsOf(bytes, step, true)).to.have.length(expected.length);
      }),
      { numRuns: runs(200) },
    );
  }).timeout(600_000);

  describe("of our own", () => {
    let house: House;
    let body: unknown;
    before(async () => (house = await startHouse((_call, response) => reply(response, body))));
    after(() => house.close());

    it("are read back with every text that a provider may have said", async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(fc.string({ unit: "binary", maxLength: 20 }), { minLength: 1, maxLength: 3 }), async (texts) => {
          const b64_json = solidPng(2, 2).toString("base64");
          body = { data: texts.map((revised_prompt) => ({ b64_json, revised_prompt })), metadata: { said: texts } };
          const response = await house.generate({ model: "demo", prompt: "p", n: texts.length, stream: true });
          const events = await eventsOf(Buffer.from(await response.arrayBuffer()), 50);
          const told = events.map(([name, data]) => ({ name, ...(JSON.parse(data) as { b64_json: string; revised_prompt?: string }) }));
          const said = (JSON.parse(JSON.stringify(body)) as { data: { revised_prompt: string }[] }).data.map(
            ({ revised_prompt }) => revised_prompt,
          );
          expect(told.map(({ name, b64_json: picture, revised_prompt = "" }) => ({ name, picture, revised_prompt }))).to.deep.equal(
            said.map((revised_prompt) => ({ name: "image_generation.completed", picture: b64_json, revised_prompt })),
          );
        }),
        { numRuns: runs(30) },
      );
    }).timeout(600_000);
  });
});
