import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { expect } from "chai";
import { explain } from "../../src/cli/explain.ts";
import { explainDoor } from "../../src/cli/explain-door.ts";
import { solidPng } from "../../src/picture/png.ts";
import { channelFolder } from "../helpers/channels.ts";
import { inProcess } from "./commands.ts";

/** A channel whose address would be a failure if anything were sent to it. */
const channel = `base_url: http://127.0.0.1:1
keys: ["\${env.SECRET_KEY}"]
models: { m: {} }
plugins: [{ image-inputs: { as: base64 } }, { size-map: { sizes: [1024x1024, 1792x1024], otherwise: reject } }]
generate:
  request: { post: /draw, json: { text: "\${request.prompt}", size: "\${request.size}", pictures: "\${request.images}" } }
  result: { images: "\${body.images}", url: "\${image}" }
edit: { like: generate }
`;
const mute = `description: An API without a shape for errors.
routes:
  POST /mute: { operation: generate, request: { prompt: "\${body.words}", size: "\${body.?size}" }, answer: { done: true } }
  GET /mute: { page: 1 }
`;
const model = JSON.stringify({
  type: "object",
  "x-operations": ["generate", "edit"],
  allOf: [{ $ref: "common.json" }],
  properties: { n: { type: "integer", maximum: 4 }, images: { type: "array", maxItems: 4 } },
  unevaluatedProperties: false,
});

interface Told {
  request: Record<string, unknown>;
  refused?: { code: string; param: string | null };
  channels: { channel: string; changes: unknown[]; requests: { url: string; body: unknown }[]; refused?: { param: string } }[];
  answer?: unknown;
  events?: string;
  error: { status: number; body: unknown };
}

describe("pictor explain --door", () => {
  let folder: string;
  let remove: () => Promise<void>;
  const sketch = "test/doors/sketch.yaml";
  before(async () => {
    const doors = { "doors/sketch.yaml": await readFile(sketch, "utf8"), "doors/mute.yaml": mute, "doors/bad.yaml": "description: x\n" };
    ({ folder, remove } = await channelFolder({
      "models/m.json": model,
      "acme.yaml": channel,
      "settings/gateway.yaml": "default_model: m\n",
      ...doors,
    }));
  });
  after(() => remove());

  const run = (door: string, path: string, options: Parameters<typeof explainDoor>[2], stdin?: Readable) => {
    const env = { PICTOR_CHANNELS: folder, PICTOR_CONFIG: join(folder, "settings/gateway.yaml"), SECRET_KEY: "a-secret-of-ours" };
    return inProcess((say) => explainDoor(door, path, options, { env, say, stdin }));
  };
  const told = async (door: string, path: string, body?: unknown) => {
    const { code, out, err } = await run(door, path, { json: true, body: JSON.stringify(body) });
    expect(err).to.equal("");
    return { code, ...(JSON.parse(out) as Told) };
  };
  const draw = "/sketch/m:draw";
  const square = { text: "a cat", shape: "square" };

  it("shows the request in the gateway's words, the provider's request, the answer and an error", async () => {
    const image = solidPng(8, 8).toString("base64");
    const body = { about: { ...square, mood: "wild" }, strength: 0.5, pictures: [{ content: image }] };
    const { code, request, channels, answer, error, refused } = await told("sketch", draw, body);
    expect(code, JSON.stringify(refused)).to.equal(0);
    expect(request).to.deep.include({ model: "m", prompt: "a cat", size: "1024x1024", n: 1, response_format: "b64_json" });
    expect(channels).to.have.length(1);
    expect(channels[0]?.changes).to.deep.equal(["about.mood", "strength"].map((field) => ({ field, what: "dropped" })));
    expect(channels[0]?.requests.map(({ url }) => url)).to.deep.equal(["http://127.0.0.1:1/draw"]);
    expect(channels[0]?.requests[0]?.body).to.deep.include({ text: "a cat", size: "1024x1024" });
    expect(answer).to.deep.include({ ok: true, id: "(id)", asked: "a cat", notes: "about.mood dropped, strength dropped" });
    expect(answer).to.have.nested.property("pictures[0].of", "1x1");
    expect(error).to.deep.include({ status: 404 });
    expect(error.body).to.deep.include({ ok: false, code: "model_not_found", field: "model" });
  });

  it("shows a stream as it is written, and a job before it is done, and no key of the query", async () => {
    const { events } = await told("sketch", `${draw}?alt=sse&key=sk-client`, { about: square });
    expect(events).to.match(/^event: begin\ndata: \{"model":"m"\}\n\ndata: \{"content":"\w+/);
    expect(events).to.match(/data: \[END\]\n\n$/);
    const { answer } = await told("sketch", "/sketch?Action=Order", { model: "m", about: square });
    expect(answer).to.deep.equal({ ok: true, ticket: "(id)", state: "queued" });
    const { out } = await run("sketch", `${draw}?alt=sse&key=sk-client`, { body: JSON.stringify({ about: square }) });
    expect(out).to.include("the answer, a stream, where each picture has one pixel:\n  event: begin\n").and.not.to.include("sk-client");
  });

  it("says an error as the door does: of the door, of the model, and of every channel", async () => {
    const refused = await run("sketch", draw, { body: JSON.stringify({ about: square, copies: 5 }) });
    expect(refused.code).to.equal(1);
    expect(refused.out).to.match(
      /^invalid_value: more than four copies.*\n\nthe answer: HTTP 400\n {2}\{\n {4}"ok": false,\n {4}"why": "more than/,
    );
    const odd = await run("sketch", draw, { body: JSON.stringify({ about: square, pictures: 5 }) });
    expect(odd.out).to.match(
      /^invalid_value: pictures cannot be read.*\nin the door's file: \$\{body\.pictures\.map.*\n\nthe answer: HTTP 400\n/,
    );
    const unknown = await told("sketch", "/sketch/dog:draw", { about: square });
    expect([unknown.code, unknown.refused?.code, unknown.error.status]).to.deep.equal([1, "model_not_found", 404]);
    const wide = await told("sketch", draw, { about: { ...square, shape: "wide" } });
    expect(wide).to.deep.include({ code: 1 }).and.not.to.have.property("answer");
    expect(wide.channels[0]?.refused).to.include({ param: "size" });
    expect(wide.error.body).to.deep.include({ ok: false, field: "size" });
    const { out } = await run("sketch", draw, { body: JSON.stringify({ about: { ...square, shape: "wide" } }) });
    expect(out)
      .to.match(/\n\nthe answer: HTTP 400\n/)
      .and.not.to.include("one pixel");
  });

  it("says errors in OpenAI's shape for a door without one, and takes the default model, a file and the standard input", async () => {
    const file = join(folder, "body.json");
    await writeFile(file, '{"words":"a cat"}');
    for (const [body, stdin] of [[file], ["-", Readable.from([Buffer.from('{"words":"a cat"}')])]] as const) {
      const { code, out } = await run("mute", "/mute", { body }, stdin);
      expect(code).to.equal(0);
      expect(out).to.include('"model": "m"').and.to.include('one pixel:\n  {\n    "done": true\n  }\n\nan error');
      expect(out).to.match(/such as for a model that is not there: HTTP 404\n {2}\{\n {4}"error": \{/);
    }
    expect((await told("mute", "/mute", { words: 5 })).refused).to.include({ code: "invalid_type", param: "prompt" });
  });

  for (const [what, door, path, options, message] of [
    ["a door that is not there", "skech", draw, {}, "there is no door skech (did you mean sketch?)"],
    ["a door that is broken", "bad", draw, {}, /bad\.yaml/],
    ["a page", "mute", "/mutes", {}, "the door mute makes no pictures at /mutes; it does at /mute"],
    ["a field", "mute", "/mute", { fields: ["--size", "1:1"] }, /the whole request stands in its path and in --body/],
    ["a mask", "mute", "/mute", { mask: "x.png" }, /the whole request stands in its path/],
    ["a file that is not there", "mute", "/mute", { body: "none.json" }, /none\.json/],
  ] as const)
    it(`ends with a sentence for ${what}`, async () => {
      const { code, out, err } = await run(door, path, options);
      expect([code, out]).to.deep.equal([1, ""]);
      if (typeof message === "string") expect(err).to.equal(message);
      else expect(err).to.match(message);
    });

  it("alone takes a body", async () => {
    const { err } = await inProcess((say) => explain("m", {}, { body: "{}" }, { env: { PICTOR_CHANNELS: folder }, say }));
    expect(err).to.match(/--body goes with --door/);
  });
});
