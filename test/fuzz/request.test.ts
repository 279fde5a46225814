import { expect } from "chai";
import fc from "fast-check";
import { readFile } from "node:fs/promises";
import type { TestGateway } from "../../src/testing/gateway.ts";
import { gatewayWith } from "../helpers/channels.ts";
import { draw, httpProvider, type Provider } from "../helpers/provider.ts";
import { runs } from "./runs.ts";

const known = [
  "n",
  "size",
  "quality",
  "response_format",
  "style",
  "background",
  "watermark",
  "output_format",
  "output_compression",
  "moderation",
  "user",
  "seed",
  "negative_prompt",
  "image",
  "images",
  "mask",
  "input_fidelity",
  "stream",
  "partial_images",
  "metadata",
  "prompt",
];
const odd = fc.constantFrom<unknown>(
  0,
  -0,
  -1,
  1.5,
  1e308,
  2 ** 53,
  "",
  " ",
  "\u0000",
  "\ud800",
  "\u{1F408}".repeat(50),
  "..",
  "a\r\nb: c",
  [],
  {},
  null,
  true,
  false,
  "auto",
  "2K",
  "16:9(4K)",
  "url",
  "b64_json",
  "png",
  "99999x99999",
);
const value = fc.oneof(odd, fc.jsonValue({ maxDepth: 4 }), fc.string({ unit: "binary" }), fc.constantFrom(1, 2, 10));
const name = fc.oneof(
  { weight: 5, arbitrary: fc.constantFrom(...known) },
  fc.constantFrom("constructor", "__proto__", "toString", "x".repeat(3000), "ü\n"),
  fc.string(),
);
const body = fc
  .array(fc.tuple(name, value), { maxLength: 5 })
  .chain((fields) => fc.tuple(fc.constantFrom("demo", "gpt-image-2-pro", "dall-e-2", "open", "path"), fc.constant(fields)));

const relay = `extends: openai-images
base_url: \${env.BASE}
models: { gpt-image-2-pro: {}, dall-e-2: { unsupported: reject } }
plugins: [response-format, { passthrough: { rename: { seed: random_seed } } }, inspect, { size-map: { multiple_of: 16, otherwise: nearest } }]
generate: { request: { json: null } }
`;
const odds = `base_url: \${env.BASE}
models: { open: {}, path: { schema: open, generate: { request: { post: "/x/\${request.user}/\${request.style}" } } } }
plugins: [{ fan-out: {} }]
generate:
  request:
    post: /x
    query: { style: "\${request.style}" }
    headers: { x-user: "\${request.user}" }
    json: { $merge: ["\${request}", { w: "\${size.width + 1}", s: { $map: "\${request.style}", to: { a: b }, else: c } }] }
  result: { images: "\${body.data}", url: "\${image.?url}", base64: "\${image.?b64_json}" }
`;

let reply = { status: 200, headers: {} as Record<string, string>, body: Buffer.alloc(0) };
const answer = (next: typeof reply) => void (reply = next);

describe("any request", () => {
  let provider: Provider;
  let gateway: TestGateway;

  before(async () => {
    provider = await httpProvider((request, response) => {
      request.resume().on("end", () => response.writeHead(reply.status, reply.headers).end(reply.body));
    });
    const open = await readFile("channels/models/open.json", "utf8");
    gateway = await gatewayWith(
      {
        "demo.yaml": await readFile("channels/demo.yaml", "utf8"),
        "relay.yaml": relay.replace("generate: { request: { json: null } }\n", ""),
        "odds.yaml": odds,
        "models/open.json": open,
      },
      { BASE: provider.url, DEMO_BASE_URL: provider.url },
    );
  });

  after(async () => {
    await gateway.close();
    await provider.close();
  });

  /** Whatever happens, the answer is one that the design knows. */
  async function lawful(request: unknown, allowed: readonly number[]) {
    const { status, text, json, headers } = await draw(gateway, request);
    expect(status, JSON.stringify(json)).to.be.oneOf(allowed);
    expect(headers.get("x-request-id")).to.match(/^req_/);
    if (headers.get("content-type") === "text/event-stream") expect(text).to.match(/^event: image_generation\.completed\n/);
    else if (status === 200) expect(json.data).to.be.an("array").that.is.not.empty;
    else {
      expect(json.error).to.have.all.keys("message", "type", "param", "code");
      expect(json.error.message.length).to.be.within(1, 2000);
    }
  }

  it("is answered with a picture or a 400", async () => {
    answer({ status: 200, headers: {}, body: Buffer.from('{"data":[{"url":"https://a.example/1"}],"pictures":[{"base64":""}]}') });
    await fc.assert(
      fc.asyncProperty(body, ([model, fields]) => {
        // Written by hand: an object cannot say a key twice, nor `__proto__`.
        const text = [["model", model], ["prompt", "x"], ...fields]
          .map(([key, item]) => `${JSON.stringify(key)}:${JSON.stringify(item)}`)
          .join(",");
        const hungry = /"response_format":"b64_json"|"stream":true/.test(text) || model === "demo";
        return lawful(`{${text}}`, hungry ? [200, 400, 501, 502] : [200, 400, 501]);
      }),
      { numRuns: runs(100) },
    );
  }).timeout(600_000);

  it("that is no object or no JSON is answered with a 400", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          fc.json(),
          fc.string({ unit: "binary" }),
          fc.constant("[".repeat(50_000)),
          fc.constant(`{"model":"open","prompt":"x","style":${'{"a":'.repeat(5000)}1${"}".repeat(5000)}}`),
        ),
        (text) => lawful(text, [400, 404]),
      ),
      { numRuns: runs(50) },
    );
  }).timeout(600_000);

  const shape = fc.letrec((tie) => ({
    json: fc.oneof(
      { depthSize: "small" },
      odd,
      fc.constantFrom("https://a.example/1", "data:image/png;base64,iVBORw0KGgo=", "iVBORw0KGgo=", "x".repeat(70_000)),
      fc.array(tie("json"), { maxLength: 3 }),
      fc.dictionary(
        fc.constantFrom(
          "data",
          "url",
          "b64_json",
          "error",
          "message",
          "code",
          "param",
          "detail",
          "errors",
          "created",
          "usage",
          "metadata",
          "size",
          "pictures",
          "base64",
          "revised_prompt",
          "refused",
          "problem",
          "constructor",
          "__proto__",
          "width",
          "height",
          "format",
        ),
        tie("json"),
        { maxKeys: 5 },
      ),
    ),
  })).json;
  const picture = fc.record(
    {
      data: fc.array(fc.oneof(shape, fc.constant({ url: "https://a.example/1" })), { minLength: 1, maxLength: 3 }),
      created: shape,
      usage: shape,
      metadata: shape,
      size: shape,
    },
    { requiredKeys: ["data"] },
  );
  const bytes = fc.oneof(
    fc.oneof(shape, picture).map((json) => Buffer.from(JSON.stringify(json))),
    fc.tuple(picture, fc.double({ min: 0, max: 1, noNaN: true })).map(([json, part]) => {
      const text = Buffer.from(JSON.stringify(json));
      return text.subarray(0, text.length * part);
    }),
    fc.uint8Array({ maxLength: 50 }).map((array) => Buffer.from(array)),
  );
  const headers = fc.dictionary(
    fc.constantFrom("retry-after", "retry-after-ms", "content-type", "content-encoding", "location", "x-odd", "set-cookie"),
    fc.constantFrom("", "gzip", "1e300", "-1", "text/html", "soon", "ÿ", "Thu, 01 Jan 1970 00:00:00 GMT"),
    { maxKeys: 3 },
  );
  const status = fc.oneof(
    { weight: 3, arbitrary: fc.constant(200) },
    fc.integer({ min: 200, max: 599 }),
    fc.constantFrom(400, 401, 402, 403, 404, 408, 429, 500, 503, 529),
  );

  it("is answered lawfully whatever its provider says", async () => {
    await fc.assert(
      fc.asyncProperty(
        status,
        headers,
        bytes,
        fc.constantFrom("demo", "gpt-image-2-pro", "dall-e-2", "open"),
        fc.constantFrom(undefined, "url"),
        (code, head, content, model, format) => {
          answer({ status: code, headers: head, body: content });
          return lawful(
            { model, prompt: "x", n: model === "open" ? 2 : 1, size: "1024x1024", response_format: format },
            [200, 400, 429, 502, 503, 504],
          );
        },
      ),
      { numRuns: runs(100) },
    );
  }).timeout(600_000);
});
