import { expect } from "chai";
import { usualFailure } from "../../src/dialect/failure.ts";
import { compileOperation, type OperationSpec } from "../../src/dialect/operation.ts";
import { GatewayError } from "../../src/errors.ts";
import { channelNames } from "../../src/expression/names.ts";
import type { AuthKind, Key } from "../../src/net/auth.ts";

function compile(request: OperationSpec["request"], settings: { auth?: AuthKind; key?: Key; baseUrl?: string; fields?: object } = {}) {
  const problems: string[] = [];
  const { auth = "bearer", key, baseUrl = "https://shop.example/v1/", fields = {} } = settings;
  const operation = compileOperation(
    { request, result: { images: "${body.data}" } },
    [],
    ["generate"],
    channelNames(undefined, ["v"]),
    (path, message) => problems.push(`${path.join(".")}: ${message}`),
  );
  const ctx = {
    request: { model: "m", prompt: "p", n: 1, ...fields },
    model: { id: "m", upstream: "up/m" },
    change: () => undefined,
    signal: new AbortController().signal,
  };
  return { problems, render: () => operation.render({ ctx, baseUrl, variables: { v: "w" }, auth, key }).request };
}

describe("a rendered request", () => {
  for (const [path, url] of [
    ["/images", "https://shop.example/v1/images"],
    ["${model.upstream}/run", "https://shop.example/v1/up/m/run"],
    ["https://other.example/x", "https://other.example/x"],
    ["/${request.user}", "https://shop.example/v1/a%2Fb%3Fc%23..%5C%20d"],
    // Without the slash the client would choose the host.
    ["${request.user}", "https://shop.example/v1/a%2Fb%3Fc%23..%5C%20d"],
    ["/${request.?style}", "https://shop.example/v1/"],
  ] as const) {
    it(`goes from ${path} to ${url}`, () =>
      expect(compile({ post: path }, { fields: { user: "a/b?c#..\\ d" } }).render().url).to.equal(url));
  }

  for (const user of ["..", ".", "%2e%2E", "\ud800"]) {
    it(`never leaves its place by ${JSON.stringify(user)}`, () => {
      const { render } = compile({ post: "/jobs/${request.user}/result" }, { fields: { user } });
      // A percent sign is encoded once more, and stays where it is.
      if (user.startsWith("%")) expect(render().url).to.equal("https://shop.example/v1/jobs/%252e%252E/result");
      else expect(render).to.throw(GatewayError, "user has a value that this model's channel cannot send").with.property("param", "user");
    });
  }

  it("blames the size, or no field, where it cannot tell", () => {
    expect(compile({ post: "/", json: { w: "${size.width + 'x'}" } }, { fields: { size: "8x8" } }).render).to.throw(
      GatewayError,
      "size has",
    );
    expect(compile({ post: "/", json: { w: "${model.id + 1}" } }).render).to.throw(GatewayError, "a field has");
  });

  it("has no body where its JSON is missing, and an empty one where it says so", () => {
    expect(compile({ post: "/", json: "${request.?style}" }).render()).to.deep.include({
      body: undefined,
      headers: { accept: "application/json" },
    });
    expect(String(compile({ post: "/", json: {} }).render().body)).to.equal("{}");
  });

  it("shows the key as the channel says", () => {
    const shown = (auth: AuthKind, key: Key = "k") => compile({ get: "/x" }, { auth, key }).render();
    expect(shown("bearer").headers.authorization).to.equal("Bearer k");
    expect(shown("basic", { user: "u", password: "p" }).headers.authorization).to.equal(`Basic ${Buffer.from("u:p").toString("base64")}`);
    expect(shown({ header: "X-Key" }).headers["x-key"]).to.equal("k");
    expect(shown({ header: "authorization", scheme: "Key" }).headers.authorization).to.equal("Key k");
    expect(shown({ query: "key" }).url).to.equal("https://shop.example/v1/x?key=k");
    expect(shown("none")).to.deep.include({ url: "https://shop.example/v1/x", headers: { accept: "application/json" } });
  });

  it("shows the key to the channel's own origin only", () => {
    expect(compile({ get: "https://other.example/x" }, { key: "k" }).render().headers).to.deep.equal({ accept: "application/json" });
    expect(compile({ get: "https://shop.example/x" }, { key: "k" }).render().headers.authorization).to.equal("Bearer k");
  });

  it("is wrong at load where its path or a header's name is", () => {
    expect(compile({ post: "images", headers: { "x y": "1", fine: "2" } }).problems).to.deep.equal([
      "generate.request.post: a path begins with /: /images",
      'generate.request.headers.x y: Header name must be a valid HTTP token ["x y"]',
    ]);
  });
});

describe("the usual failure", () => {
  const failure = (status: number, body: unknown, headers: Record<string, string> = {}) => usualFailure({ status, headers, body });

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
