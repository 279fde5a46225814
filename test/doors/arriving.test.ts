// Answers of doors that begin while their picture arrives, and those that cannot.
import { once } from "node:events";
import type { ServerResponse } from "node:http";
import { expect } from "chai";
import { loadDoors } from "../../src/door/load.ts";
import { solidPng } from "../../src/picture/png.ts";
import { until, type Call, type House } from "../http/setup.ts";
import { houseWithDoor } from "./house.ts";

const picture = Buffer.concat([solidPng(64, 64), Buffer.alloc(900_001, "what a picture is made of")]).toString("base64");
const small = solidPng(8, 8).toString("base64");
/** The provider says it behind the picture. */
const revised = '{"a":"cat"}';
const half = Math.floor(picture.length / 2);

/** A door with a path for each of these answers. */
const doorOf = (answers: Record<string, string>) => `
description: A door with many answers.
key: [bearer]
routes:
${Object.entries(answers)
  .map(
    ([name, answer]) => `  POST /${name}:
    operation: generate
    request: { model: cat-1, prompt: "\${body.prompt}", images: "\${body.from}", response_format: b64_json }
    answer: ${answer}
`,
  )
  .join("")}`;

const shown = '{ $each: "${result.pictures}", $value: { data: "${item.base64}", kind: "${item.type}" } }';
const usage = '{ $when: has(usage.total_tokens), total: "${usage.total_tokens}" }';

/** Answers that begin with a picture while it arrives, and what they are in the end. */
const begun = {
  behind: [`{ usage: ${usage}, pictures: ${shown}, id: "\${id}" }`, ["pictures", "usage", "id"]],
  echo: [`{ from: "\${request.images}", pictures: ${shown} }`, ["pictures", "from"]],
  alone: [`{ pictures: ${shown} }`, ["pictures"]],
  uri: [`{ made: "\${result.created}", image: { at: "\${result.pictures[0].data_uri}" } }`, ["image", "made"]],
  listed: [
    '{ pictures: "${result.pictures.map(p, p.base64)}", said: "${result.pictures.map(p, p.?revised_prompt.orValue(\'\'))}" }',
    ["pictures", "said"],
  ],
} as const;

/** Answers that have to wait for what comes behind the picture. */
const waiting = {
  twice: `{ one: "\${result.pictures[0].base64}", two: "\${result.pictures[0].base64}" }`,
  within: '{ pictures: { $each: "${result.pictures}", $value: { words: "${item.revised_prompt}", data: "${item.base64}" } } }',
  plain: '{ pictures: "${result.pictures}" }',
  judged:
    '{ all: { $each: "${result.pictures}", $value: "${item.base64}" }, one: "${json(result.pictures[0].?revised_prompt.orValue(\'no JSON\')).a}" }',
  first:
    '{ one: "${json(result.pictures[0].?revised_prompt.orValue(\'no JSON\')).a}", all: { $each: "${result.pictures}", $value: "${item.base64}" } }',
  list: `["\${result.pictures[0].base64}"]`,
  merged: '{ $merge: [{ image: "${result.pictures[0].base64}" }, { cost: "${usage.total_tokens}" }] }',
} as const;

describe("a door's answer with a picture that arrives", () => {
  let house: House;
  let go: () => void;
  let gone: Promise<unknown>;

  async function provider({ body }: Call, response: ServerResponse): Promise<void> {
    const { prompt } = JSON.parse(body) as { prompt: string };
    const released = new Promise<void>((resolve) => (go = resolve));
    gone = once(response, "close");
    response.writeHead(200, { "content-type": "application/json" });
    response.write(`{"data":[{"b64_json":"${picture.slice(0, half)}`);
    await released;
    if (prompt === "cut") return void response.destroy();
    response.end(`${picture.slice(half)}","revised_prompt":${JSON.stringify(revised)}}],"created":1713833628,"usage":{"total_tokens":3}}`);
  }

  before(async () => {
    const all = { ...Object.fromEntries(Object.entries(begun).map(([name, [answer]]) => [name, answer])), ...waiting };
    const later = `{ one: "\${result.pictures[0].base64}", more: { $when: has(usage.total_tokens), two: "\${result.pictures[0].base64}" } }`;
    house = await houseWithDoor(doorOf({ ...all, later }), provider);
  });
  beforeEach(() => house.reset());
  after(() => house.close());

  const ask = (path: string, prompt = "a cat") =>
    fetch(`${house.url}/${path}`, {
      method: "POST",
      headers: { authorization: `Bearer ${house.key}`, "content-type": "application/json" },
      body: JSON.stringify({ prompt, ...(path === "echo" && { from: small }) }),
    });

  for (const [name, [, members]] of Object.entries(begun))
    it(`begins before the provider has ended, with what is said behind it: ${name}`, async () => {
      const response = await ask(name);
      const reader = response.body!.getReader() as ReadableStreamDefaultReader<Uint8Array>;
      const pieces: Uint8Array[] = [];
      for (let size = 0; size < half / 2;) {
        const { value } = await reader.read();
        pieces.push(value!);
        size += value!.length;
      }
      go();
      for (let next = await reader.read(); !next.done; next = await reader.read()) pieces.push(next.value);
      const answer = JSON.parse(Buffer.concat(pieces).toString()) as Record<string, unknown>;
      expect(Object.keys(answer)).to.deep.equal(members);
      const expected: Record<string, unknown> = {
        pictures: name === "listed" ? [picture] : [{ data: picture, kind: "image/png" }],
        usage: { total: 3 },
        made: 1713833628,
        image: { at: `data:image/png;base64,${picture}` },
        said: [revised],
        id: answer.id,
        from: [`data:image/png;base64,${small}`],
      };
      for (const member of members) expect(answer[member], member).to.deep.equal(expected[member]);
    });

  for (const [name, at] of [
    ["twice", (answer) => [answer.one, answer.two]],
    ["within", ({ pictures }) => [(pictures as { data: string }[])[0]?.data, (pictures as { data: string }[])[0]?.data]],
    ["plain", ({ pictures }) => [(pictures as { base64: string }[])[0]?.base64, (pictures as { base64: string }[])[0]?.base64]],
    ["first", ({ all }) => [(all as string[])[0], (all as string[])[0]]],
    ["judged", ({ all }) => [(all as string[])[0], (all as string[])[0]]],
    ["list", (answer) => [answer[0], answer[0]]],
    ["merged", ({ image }) => [image, image]],
  ] as [keyof typeof waiting, (answer: Record<string, unknown>) => unknown[]][])
    it(`waits for what is said behind the picture where it has to: ${name}`, async () => {
      const asked = ask(name);
      await until(() => house.provider.calls.length > 0);
      go();
      const response = await asked;
      const text = await response.text();
      expect(Number(response.headers.get("content-length"))).to.equal(text.length);
      const answer = JSON.parse(text) as Record<string, unknown>;
      expect(at(answer).map((one) => one === picture)).to.deep.equal([true, true]);
      if (name === "within" || name === "plain") expect(text).to.include(JSON.stringify(revised));
    });

  it("begins with the member that shows the picture, at the doors that ship", async () => {
    const { doors } = await loadDoors({ folder: "channels" });
    const early = doors.map(({ door: { name, routes } }) => {
      const members = routes.flatMap(({ serves }) => (serves.kind === "drawing" ? [...serves.early.keys()] : []));
      return [name, [...new Set(members)]];
    });
    expect(Object.fromEntries(early)).to.deep.equal({
      automatic1111: ["images", "parameters"],
      chat: ["choices"],
      gemini: ["candidates"],
      // It has jobs alone.
      jimeng: [],
    });
  });

  it("breaks off where the picture does, or would be shown once more because of what came behind it", async () => {
    for (const [name, prompt] of [
      ["alone", "cut"],
      ["later", "a cat"],
    ]) {
      house.reset();
      const response = await ask(name!, prompt);
      go();
      expect(response.status).to.equal(200);
      expect(await response.text().catch(() => "broken off")).to.equal("broken off");
      await until(() => house.log.some(({ msg }) => msg === "the answer broke off"));
      await gone;
    }
  });
});
