import { expect } from "chai";
import pino from "pino";
import { usualFailure } from "../../src/dialect/failure.ts";
import { usualOf } from "../../src/dialect/usual.ts";
import { compileOperation, type OperationSpec } from "../../src/dialect/operation.ts";
import { wait } from "../../src/dialect/duration.ts";
import type { CallContext } from "../../src/dialect/context.ts";
import { compileResult } from "../../src/dialect/result.ts";
import { GatewayError, messageOf } from "../../src/errors.ts";
import { channelNames } from "../../src/expression/names.ts";
import { loadFiles } from "../helpers/channels.ts";

const origin = "https://shop.example";

function compile(request: OperationSpec["request"], fields: object = {}) {
  const problems: string[] = [];
  const operation = compileOperation({
    spec: { request, result: { images: "${body.data}", url: "${image.url}" } },
    rules: [],
    path: ["generate"],
    names: channelNames(undefined, ["v"]),
    report: (path, message) => problems.push(`${path.join(".")}: ${message}`),
  });
  const context: CallContext = {
    ctx: {
      request: { model: "m", prompt: "p", n: 1, ...fields },
      model: { id: "m", upstream: "up/m", fields: {} },
      change: () => undefined,
      spool: { take: () => Promise.reject(new Error("not here")), room: () => Promise.resolve() },
      signal: new AbortController().signal,
      log: pino({ level: "silent" }),
    },
    baseUrl: `${origin}/v1/`,
    variables: { v: "w" },
    key: undefined,
    authorize: undefined,
    mayCarryKey: (url) => url.origin === origin,
    trusted: (url) => url.origin === origin,
    wait,
  };
  return { problems, render: async () => (await operation.render(context, {})).request };
}

async function failureOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => expect.fail("it succeeded"),
    (error: unknown) => error,
  );
}

describe("a rendered request", () => {
  for (const [path, url] of [
    ["/images", "https://shop.example/v1/images"],
    ["${model.upstream}/run", "https://shop.example/v1/up/m/run"],
    ["https://other.example/x", "https://other.example/x"],
    ["/${request.user}", "https://shop.example/v1/a%2Fb%3Fc%23..%5C%20d"],
    // Without the slash the client would choose the host.
    ["${request.user}", "https://shop.example/v1/a%2Fb%3Fc%23..%5C%20d"],
    ["/${variables.v}/x", "https://shop.example/v1/w/x"],
  ] as const) {
    it(`goes from ${path} to ${url}`, async () =>
      expect((await compile({ post: path }, { user: "a/b?c#..\\ d" }).render()).url).to.equal(url));
  }

  for (const user of ["..", ".", "%2e%2E", "\ud800"]) {
    it(`never leaves its place by ${JSON.stringify(user)}`, async () => {
      const rendered = compile({ post: "/jobs/${request.user}/result" }, { user }).render();
      // A percent sign is encoded once more, and stays where it is.
      if (user.startsWith("%")) expect((await rendered).url).to.equal(`${origin}/v1/jobs/%252e%252E/result`);
      else
        expect(await failureOf(rendered))
          .to.be.instanceOf(GatewayError)
          .and.include({ message: "user has a value that this model's channel cannot send", param: "user" });
    });
  }

  it("blames the size, or no field, where it cannot tell", async () => {
    const blamed = async (json: object, fields: object = {}) =>
      messageOf(await failureOf(compile({ post: "/", json }, fields).render())).split(" has a value")[0];
    expect(await blamed({ w: "${size.width + 'x'}" }, { size: "8x8" })).to.equal("size");
    expect(await blamed({ w: "${model.id + 1}" })).to.equal("a field");
  });

  it("has no body where its JSON is missing, and an empty one where it says so", async () => {
    expect(await compile({ post: "/", json: "${request.?style}" }).render()).to.deep.include({
      body: undefined,
      headers: { accept: "application/json" },
    });
    expect((await compile({ post: "/", json: {} }).render()).body).to.deep.equal(Buffer.from("{}"));
  });

  it("takes any YAML as its JSON, also a list at the top", async () => {
    const { body } = await compile({ post: "/", json: ["${request.prompt}", { n: "${request.n}" }, "${request.?style}"] }).render();
    expect(body).to.deep.equal(Buffer.from('["p",{"n":1}]'));
  });

  it("is wrong at load where its path, its method, its body or a header's name is", () => {
    expect(compile({ post: "images", headers: { "x y": "1", fine: "2" } }).problems).to.deep.equal([
      "generate.request.post: a path begins with /: /images",
      'generate.request.headers.x y: Header name must be a valid HTTP token ["x y"]',
    ]);
    expect(compile({ json: {}, form: {} }).problems).to.include.members([
      "generate.request: one method with its path is needed, such as post: /images, and there is none",
      "generate.request: a call has one body, and this has json and form",
    ]);
    expect(compile({ get: "/a", post: "/b" }).problems).to.deep.equal([
      "generate.request: one method with its path is needed, such as post: /images, and there are get and post",
    ]);
  });
});

describe("the hosts that may see the key", () => {
  it("are the channel's own origin, and those it names where the call is encrypted", async () => {
    const { channels } = await loadFiles({
      "shop.yaml": `extends: openai-images
base_url: http://127.0.0.1:8080/v1
key_hosts: [keys.example, "*.pictures.example"]
models: { dall-e-2: {} }
`,
    });
    const may = (url: string) => channels[0]?.mayCarryKey(new URL(url));
    for (const url of ["http://127.0.0.1:8080/x", "https://keys.example/x", "https://a.b.pictures.example/"])
      expect(may(url), url).to.equal(true);
    for (const url of [
      "http://127.0.0.1:8081/x",
      "http://keys.example/x",
      "https://keys.example:8443/x",
      "https://a.keys.example/",
      "https://pictures.example/",
      "https://evilpictures.example/",
    ])
      expect(may(url), url).to.equal(false);
  });
});

describe("the usual failure", () => {
  const failure = (status: number, body: unknown, headers: Record<string, string> = {}) => usualFailure(usualOf({ status, headers, body }));

  it("finds no message in what has none", () => {
    for (const body of [null, 1, [], {}, { error: null }, { error: [] }, { error: {} }, { message: { a: 1 } }, "", "  <html>"])
      expect(failure(400, body).message).to.equal("the provider refused the request's values");
  });

  it("finds codes that are numbers, and types", () => {
    expect(failure(400, { error: "x", code: 7 }).details.code).to.equal("7");
    expect(failure(400, { error: { type: "bad" } }).details.code).to.equal("bad");
    expect(failure(400, { errors: [], code: "c" }).details.code).to.equal("c");
  });

  for (const [headers, wait] of [
    [{ "retry-after": "7" }, 7],
    [{ "retry-after": "7s" }, 7],
    [{ "retry-after": "0" }, 1],
    [{ "retry-after": "-5" }, 1],
    [{ "retry-after": "soon" }, undefined],
    [{ "retry-after": "Infinity" }, undefined],
    [{ "retry-after-ms": "1500", "retry-after": "9" }, 2],
    [{ "retry-after-ms": "x", "retry-after": "9" }, 9],
    [{}, undefined],
  ] as const) {
    it(`waits ${wait} seconds after ${JSON.stringify(headers)}`, () => expect(failure(429, {}, headers).details.retryAfter).to.equal(wait));
  }

  it("waits until a date", () => {
    const wait = failure(429, {}, { "retry-after": new Date(Date.now() + 30_000).toUTCString() }).details.retryAfter;
    expect(wait).to.be.within(28, 31);
  });
});

describe("a relative URL", () => {
  const url = (value: string) => {
    const names = channelNames([], []);
    const options = { names, report: (_path: unknown, message: string) => expect.fail(message), uses: new Set<string>() };
    const { extract } = compileResult({ images: "${[body]}", url: "${image}", relative: true }, [], options);
    const answer = { status: 200, headers: {}, body: value };
    return extract({ base_url: "https://a.example/api/v1", ...answer }, answer).pictures[0]!.data;
  };

  it("is put behind the channel's whole address, and behind its host where it begins with a slash", () => {
    expect(url("out/1.png?a=b")).to.deep.equal({ kind: "url", url: "https://a.example/api/v1/out/1.png?a=b" });
    expect(url("/out/1.png")).to.deep.equal({ kind: "url", url: "https://a.example/out/1.png" });
  });
});
