import { expect } from "chai";
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { definePlugin } from "../../src/plugin/define.ts";
import { runChannelTests } from "../../src/testing/run.ts";
import { makeFolder } from "../channels/mistakes.ts";
import { plugins } from "../helpers/channels.ts";

const channel = (test: string) => `base_url: https://x.invalid
keys: ["\${env.SHOP_KEY}"]
models: { demo: {} }
generate:
  request: { post: /x, json: { prompt: "\${request.prompt}", width: "\${size.width}" } }
  result: { images: "\${body.data}", url: "\${image.url}" }
tests:
  - name: t
    request: { model: demo, prompt: a }
${test.replaceAll(/^/gm, "    ")}
`;
const call = "expect: { post: /x, json: { prompt: a, width: 1024 } }";
const reply = 'reply: { json: { data: [{ url: "https://a.example/1" }] } }';

const shipped = ["models/common.json", "models/demo.json", "presets/openai-images.yaml"];
const demo = Object.fromEntries(
  await Promise.all(shipped.map(async (name) => [name, await readFile(join("channels", name), "utf8")] as const)),
);

/** What the runner says of one test. */
async function failuresOf(test: string, { text = channel(test), limit }: { text?: string; limit?: number } = {}): Promise<string[]> {
  const folder = await makeFolder({ "shop.yaml": text, ...demo });
  try {
    const outcomes = await runChannelTests(folder, plugins, ["shop"], limit);
    return outcomes.flatMap(({ failures }) => failures);
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** A channel that uploads to another host before it draws, and is answered with a picture on a third. */
const hosts = (upload: string, draw: string) => `base_url: https://x.invalid
models: { demo: {} }
generate:
  before: { upload: { post: "https://store.example/files" } }
  request: { post: /x, json: { prompt: "\${request.prompt}", file: "\${before.upload.id}" } }
  result: { images: "\${body.data}", url: "\${image.url}" }
tests:
  - name: t
    request: { model: demo, prompt: a, response_format: b64_json }
    exchange:
      - { expect: { post: "${upload}" }, reply: { json: { id: f1 } } }
      - { expect: { post: "${draw}", json: { prompt: a, file: f1 } }, reply: { json: { data: [{ url: "https://cdn.example/1.png?a=b" }] } } }
      - { expect: { get: "https://cdn.example/1.png?a=b" }, reply: { base64: "\${png(8, 8)}" } }
    answer: { status: 200, json: { data: [{ b64_json: "\${png(8, 8)}" }] } }
`;

const rows: [string, string, (string | RegExp)[]][] = [
  ["passes", `exchange: [{ ${call}, ${reply} }]\nanswer: { status: 200, json: { data: [{ url: "https://a.*/1" }], usage: null } }`, []],
  [
    "a call that was not made",
    `exchange: [{ ${call}, ${reply} }, { ${call}, ${reply} }]\nanswer: { status: 200 }`,
    ["a call was expected and not made: POST /x"],
  ],
  ["a call too many", "answer: { status: 502 }", ["unexpected call POST /x: no further call was expected"]],
  [
    "another address",
    `exchange: [{ expect: { get: /y }, ${reply} }]\nanswer: { status: 502 }`,
    ["unexpected call POST /x: expected GET /y", "a call was expected and not made: GET /y"],
  ],
  [
    "another body and header",
    `exchange: [{ expect: { post: /x, headers: { authorization: no, accept: null }, json: { prompt: b, width: 1024, n: 1 } }, ${reply} }]\nanswer: { status: 502 }`,
    [
      'unexpected call POST /x: header authorization is "Bearer env:SHOP_KEY", expected "no"; header accept is "application/json", expected null; json.prompt is "a", expected "b"; json.n is undefined, expected 1',
      "a call was expected and not made: POST /x",
    ],
  ],
  [
    "another status",
    `exchange: [{ ${call}, ${reply} }]\nanswer: { status: 400 }`,
    [/^the answer's status is 200, expected 400: {"created":/],
  ],
  [
    "another answer",
    `exchange: [{ ${call}, ${reply} }]\nanswer: { status: 200, headers: { x-pictor-channel: b* }, json: { data: [{ url: "*/2" }, 1], usage: { a: 1 }, created: "x" } }`,
    [
      'header x-pictor-channel is "shop", expected "b*"',
      'answer.data is [{"url":"https://a.example/1"}], expected [{"url":"*/2"},1]',
      'answer.usage is absent, expected {"a":1}',
      /^answer.created is \d+, expected "x"$/,
    ],
  ],
  [
    "stars in a call",
    `exchange: [{ expect: { post: /x, headers: { authorization: "Bearer *" }, json: { prompt: "*", width: 1024 } }, ${reply} }]\nanswer: { status: 200 }`,
    [],
  ],
  [
    "a text in the wrong order",
    `exchange: [{ ${call}, ${reply} }]\nanswer: { status: 200, json: { data: [{ url: "https://*example*a.*1" }] } }`,
    [/^answer.data\[0\].url is /],
  ],
];

/** A task that is polled until the client hangs up. */
const task = (cancel: string, poll: string, answer = "") => `base_url: https://x.invalid
models: { demo: {} }
generate:
  request: { post: /x, json: { prompt: "\${request.prompt}", width: "\${size.width}" } }
  poll: { get: /x/1, state: "\${body.state}", done: [done] }
${cancel}
  result: { images: "\${body.data}", url: "\${image.url}" }
tests:
  - name: t
    request: { model: demo, prompt: a }
    exchange:
      - { expect: { post: /x }, reply: { json: { id: 1 } } }
      - { expect: { get: /x/1 }, reply: ${poll} }
      - { expect: { delete: /x/1 }, reply: {} }
${answer}
`;
const cancel = "  cancel: { delete: /x/1 }";

describe("the runner of the channels' tests", () => {
  it("gives a channel its base URL under the name that a preset has for it too", async () => {
    const text = channel(`exchange: [{ ${call}, ${reply} }]\nanswer: { status: 200 }`);
    const folder = await makeFolder({
      ...demo,
      "shop.yaml": text.replace("base_url: https://x.invalid", "extends: base"),
      "presets/base.yaml": "base_url: ${env.SHOP_BASE_URL}\n",
    });
    const outcomes = await runChannelTests(folder, plugins, ["shop"]).finally(() => rm(folder, { recursive: true }));
    expect(outcomes.map(({ failures }) => failures)).to.deep.equal([[]]);
  });

  it("shows where a plugin broke", async () => {
    const broken = definePlugin({
      name: "broken",
      summary: "Breaks.",
      schema: { type: "object" },
      examples: [],
      create: () => () => Promise.reject(new TypeError("it broke")),
    });
    const text = `extends: openai-images\nbase_url: https://x.invalid\nmodels: { demo: {} }\nplugins: [broken]\ntests:\n  - { name: t, request: { model: demo, prompt: a }, answer: { status: 200 } }\n`;
    const folder = await makeFolder({ "shop.yaml": text, ...demo });
    try {
      const [outcome] = await runChannelTests(folder, new Map([...plugins, ["broken", broken]]), ["shop"]);
      expect(outcome!.failures[1]).to.match(/^the gateway logged TypeError: it broke at .*run\.test/);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it("hangs up, and waits for the call that cancels", async () => {
    expect(await failuresOf("", { text: task(cancel, "{ hang_up: true }") })).to.deep.equal([]);
  });

  it("says that nothing was cancelled", async () => {
    expect(await failuresOf("", { text: task("", "{ hang_up: true }"), limit: 300 })).to.deep.equal([
      "the test did not end in 0.3 s",
      "a call was expected and not made: DELETE /x/1",
    ]);
  });

  it("ends a test that does not end by itself, and says what it waits for", async () => {
    const slow = `base_url: https://x.invalid
models: { demo: {} }
generate:
  request: { post: /x, json: { prompt: "\${request.prompt}", width: "\${size.width}" } }
  poll: { get: "/\${body.id}", state: "\${body.state}", done: [done] }
  result: { images: "\${body.data}", url: "\${image.url}" }
errors: [{ when: status == 500, class: overloaded }]
tests:
  - name: t
    request: { model: demo, prompt: a }
    exchange: [{ expect: { post: /x }, reply: { json: { id: "\${base_url}" } } }, { expect: { get: /x/2 }, reply: {} }]
    answer: { status: 200 }
`;
    expect((await failuresOf("", { text: slow, limit: 1 }))[0]).to.equal("the test did not end in 0.001 s");
  });

  it("plays every host, which an exchange names with its whole URL", async () => {
    expect(await failuresOf("", { text: hosts("https://store.example/files", "/x") })).to.deep.equal([]);
  });

  it("says what to expect of a call to another host, and of one below base_url", async () => {
    expect((await failuresOf("", { text: hosts("/files", "/x") }))[0]).to.equal(
      'unexpected call POST https://store.example/files: expected POST /files (tests are offline, and https://store.example is not where base_url leads; expect the whole URL: { post: "https://store.example/files" })',
    );
    expect((await failuresOf("", { text: hosts("https://store.example/files", "https://x.invalid/x") }))[0]).to.equal(
      "unexpected call POST /x: expected POST https://x.invalid/x (a call below base_url is expected by its path)",
    );
  });

  for (const [name, test, failures] of rows) {
    it(`sees: ${name}`, async () => {
      const seen = await failuresOf(test);
      expect(seen).to.have.length(failures.length);
      for (const [index, failure] of failures.entries())
        if (typeof failure === "string") expect(seen[index]).to.equal(failure);
        else expect(seen[index]).to.match(failure);
    });
  }
});
