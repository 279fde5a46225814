import { expect } from "chai";
import { explain } from "../../src/cli/explain.ts";
import { fieldsOf } from "../../src/cli/fields.ts";
import { rm } from "node:fs/promises";
import { makeFolder } from "../channels/mistakes.ts";
import { inProcess, pictor, type Ended } from "./commands.ts";

/** A channel whose address would be a failure if anything were sent to it. */
const channel = (auth: string, more = "") => `base_url: http://127.0.0.1:1/v1
keys: ["\${env.SECRET_KEY}"]
auth: ${auth}
models: { m: { upstream: acme/1 } }
plugins: [{ fan-out: { max: 1 } }, { size-map: { table: { "16:9(4K)": 3840x2160 }, otherwise: reject } }]
generate:
  request: { post: "/draw/\${model.upstream}", json: { text: "\${request.prompt}", size: "\${request.size}", seed: "\${request.seed}" } }
  result: { images: "\${body.images}", url: "\${image}" }
${more}`;

interface Told {
  request: Record<string, unknown>;
  refused?: Record<string, unknown>;
  channels: {
    channel: string;
    off?: string;
    changes: unknown[];
    requests: { url: string; headers: Record<string, string>; body?: unknown }[];
    refused?: Record<string, unknown>;
  }[];
}

const model = JSON.stringify({
  type: "object",
  allOf: [{ $ref: "common.json" }],
  properties: { n: { type: "integer", maximum: 10 }, seed: { type: "integer" }, style: { type: "object" } },
  unevaluatedProperties: false,
});
const key = "a-secret-of-ours";

describe("pictor explain", () => {
  const keyless = channel("none").replace(/keys:.*\n/, "");
  const files = {
    "bearer.yaml": channel("bearer", "priority: 1\nprice: [{ bill: output_megapixel, usd: 0.01 }]"),
    "query.yaml": channel("{ query: api_key }", "priority: 2"),
    "signed.yaml": channel("{ jwt: { algorithm: HS256, claims: { iss: '${key.id}' } } }", "priority: 3").replace(
      /keys:.*/,
      'keys: [{ id: "${env.SECRET_KEY}", secret: "${env.SECRET_KEY}" }]',
    ),
    "homeless.yaml": `${keyless}priority: 4`.replace(/base_url:.*/, "base_url: ${env.HOMELESS_ADDRESS}"),
    "form.yaml": `${keyless}priority: 5`.replace("json: {", "form: {"),
    "asking.yaml": `${keyless}priority: 6`.replace(
      /post:.*\n/,
      'get: /ask, query: { q: "${request.prompt}", size: "${request.size}", seed: "${request.seed}" } }\n',
    ),
  };
  let folder: string;
  before(async () => {
    folder = await makeFolder({ "models/m.json": model, ...files });
  });
  after(() => rm(folder, { recursive: true }));

  const env = (more = {}) => ({ PICTOR_CHANNELS: folder, SECRET_KEY: key, ...more });
  const run = (words: string[], { json = false, more = {} } = {}): Promise<Ended> =>
    inProcess((say) => explain("m", fieldsOf(words), { json }, { env: env(more), say }));
  const told = async (words: string[], more = {}): Promise<Told> => {
    const { out, err } = await run(words, { json: true, more });
    expect(err).to.equal("");
    expect(out).not.to.include(key);
    return JSON.parse(out) as Told;
  };

  it("shows what the schema made of the request, each channel's changes and its requests", async () => {
    const { code, out } = await run(["--size", "16:9 （4k）", "--n=2", "--seed", "7", "--style", '{"name":"oil"}']);
    expect(code).to.equal(0);
    expect(out)
      .to.match(/^the request, as the schema has it:\n {2}\{\n/)
      .and.to.include('"size": "16:9(4K)"');
    const [, bearer = ""] = out.split("\n\n");
    expect(bearer).to.match(/^channel bearer\n {2}changes: .*size=16:9\(4K\)>3840x2160.*style dropped/);
    // Two calls of 3840 x 2160 = 8.2944 megapixels.
    expect(bearer).to.include("\n  cost: 0.165888 USD\n");
    expect(out).to.include("\n  cost: unpriced\n");
    expect(bearer.match(/^ {2}POST http:\/\/127\.0\.0\.1:1\/v1\/draw\/acme\/1$/gm)).to.have.length(2);
    expect(bearer).to.include("  authorization: Bearer ***\n");
    expect(bearer)
      .to.match(/"seed": 7\b/)
      .and.to.match(/"seed": 8\b/);
  });

  it("says a secret nowhere, however it is shown", async () => {
    const { channels } = await told(["--size", "1024x1024"]);
    expect(channels.map(({ channel: name }) => name)).to.deep.equal(["bearer", "query", "signed", "homeless", "form", "asking"]);
    const [bearer, query, signed, homeless, form, asking] = channels.map(({ requests }) => requests[0]!);
    expect(bearer!.headers).to.include({ authorization: "Bearer ***" });
    expect(bearer!.body).to.deep.equal({ text: "a cat", size: "1024x1024" });
    expect(query!.url).to.equal("http://127.0.0.1:1/v1/draw/acme/1?api_key=***");
    expect(signed!.headers).to.include({ authorization: "***" });
    expect(homeless!.headers).not.to.have.property("authorization");
    expect(form!.body).to.equal("text=a+cat&size=1024x1024");
    expect(asking).not.to.have.property("body");
    expect(asking).to.include({ method: "GET", url: "http://127.0.0.1:1/v1/ask?q=a+cat&size=1024x1024" });
  });

  it("shows the requests of a channel that is off, and why it is", async () => {
    const { channels } = await told([], { SECRET_KEY: "" });
    const off = Object.fromEntries(channels.map((step) => [step.channel, step.off]));
    expect(off).to.include({
      bearer: "SECRET_KEY or BEARER_API_KEY is not set",
      homeless: "HOMELESS_ADDRESS is not set",
      form: undefined,
    });
    expect(channels[0]!.requests[0]!.headers).to.include({ authorization: "Bearer ***" });
    expect(channels[3]!.requests[0]!.url).to.equal("https://homeless.invalid/draw/acme/1");
    const { out } = await run([], { more: { SECRET_KEY: "" } });
    expect(out)
      .to.include("channel homeless (off: HOMELESS_ADDRESS is not set)\n")
      .and.to.include("\n  GET http://127.0.0.1:1/v1/ask?q=a+cat\n");
    expect(out).to.include("\ntext=a+cat\n");
  });

  it("shows the calls before the submission, with names for what their answers would give", async () => {
    const calls = `  before:
    ticket: { post: /tickets, json: { seed: "\${request.seed}" } }
    upload: { put: "/files/\${before.ticket.id}", json: { token: "\${before.ticket.token}" } }
`;
    const begun = channel("bearer").replace("generate:\n", `generate:\n${calls}`).replace("text:", 'file: "${before.upload.?file}", text:');
    const uploading = await makeFolder({
      "models/m.json": model,
      "x.yaml": begun,
      "y.yaml": begun.replace("before.ticket.id", "before.ticket.list[0].id"),
    });
    try {
      const { out } = await inProcess((say) => explain("m", { seed: 3 }, { json: true }, { env: { PICTOR_CHANNELS: uploading }, say }));
      const [x, y] = (JSON.parse(out) as Told).channels;
      expect(x!.requests.map(({ url, body }) => [url, body])).to.deep.equal([
        ["http://127.0.0.1:1/v1/tickets", { seed: 3 }],
        ["http://127.0.0.1:1/v1/files/(before.ticket.id)", { token: "(before.ticket.token)" }],
        ["http://127.0.0.1:1/v1/draw/acme/1", { file: "(before.upload.file)", text: "a cat", seed: 3 }],
      ]);
      expect(y!.requests[1]!.url).to.equal("http://127.0.0.1:1/v1/files/(before.ticket.list.0.id)");
    } finally {
      await rm(uploading, { recursive: true });
    }
  });

  it("ends with 1 when the schema refuses the request", async () => {
    expect(await run(["--n", "99"])).to.deep.equal({ code: 1, out: "integer_above_max_value: n must be at most 10, not 99\n", err: "" });
    expect(await told(["--n", "99"])).to.deep.equal({
      refused: { code: "integer_above_max_value", message: "n must be at most 10, not 99", param: "n" },
      channels: [],
    });
  });

  it("ends with 1 when every channel refuses the request", async () => {
    const { code, out } = await run(["--size", "16:9"]);
    expect(code).to.equal(1);
    expect(out).to.match(/^ {2}invalid_value: size .*16:9\(4K\)/m);
    const { channels } = await told(["--size", "16:9"]);
    for (const { requests, refused } of channels) {
      expect(requests).to.deep.equal([]);
      expect(refused).to.include({ code: "invalid_value", param: "size" });
    }
  });

  it("refuses a model that is not there, and words that are no fields", async () => {
    const { err } = await inProcess((say) => explain("mm", {}, {}, { env: env(), say }));
    expect(err).to.equal("there is no model mm (did you mean m?)");
    expect((await run(["16:9"])).err).to.equal("16:9 is no field; write --size 1024x768");
    expect((await run(["--size"])).err).to.equal("--size needs a value");
    expect(fieldsOf(["--output-format", "png", "--watermark", "false"])).to.deep.equal({ output_format: "png", watermark: false });
  });

  it("lets a mistake of a file through as what it is", async () => {
    const broken = await makeFolder({ "x.yaml": channel("bearer").replace("body.images", "bdy") });
    try {
      const { err } = await inProcess((say) => explain("m", {}, {}, { env: { PICTOR_CHANNELS: broken }, say }));
      expect(err).to.include("unknown name bdy");
    } finally {
      await rm(broken, { recursive: true });
    }
  });

  it("is a command, without colours in a pipe", async () => {
    const { code, out, err } = await pictor(["explain", "m", "--size", "16:9(4K)", "--json", "--n", "2"], { ...env(), CI: "true" });
    expect([code, err]).to.deep.equal([0, ""]);
    expect((JSON.parse(out) as Told).request).to.deep.include({ size: "16:9(4K)", n: 2 });
  });

  it("has the demo on as a gateway has: alone, where it is wanted beside others, or at the operator's address", async () => {
    const offWith = async (env: Record<string, string>) => {
      const { out } = await inProcess((say) => explain("demo", {}, { json: true }, { env: { PICTOR_CHANNELS: "shipped", ...env }, say }));
      return (JSON.parse(out) as Told).channels.map(({ off }) => off);
    };
    expect(await offWith({})).to.deep.equal([undefined]);
    expect(await offWith({ OPENAI_API_KEY: "k" })).to.deep.equal(["other channels are on; PICTOR_DEMO=on keeps it"]);
    expect(await offWith({ OPENAI_API_KEY: "k", PICTOR_DEMO: "on" })).to.deep.equal([undefined]);
    expect(await offWith({ OPENAI_API_KEY: "k", DEMO_BASE_URL: "http://127.0.0.1:1" })).to.deep.equal([undefined]);
  });
});
