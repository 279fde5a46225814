import { setTimeout as delay } from "node:timers/promises";
import { expect } from "chai";
import { png, reply, startHouse, until, type House } from "./setup.ts";

describe("http: the access log", () => {
  let house: House;
  before(async () => {
    house = await startHouse(({ body }, response) => {
      if (body.includes("explode")) reply(response, { error: { message: "a-secret-prompt: explode", code: "boom" } }, 500);
      else reply(response, { data: [{ b64_json: png.toString("base64") }] });
    });
  });
  beforeEach(() => house.reset());
  after(() => house.close());

  const lines = async (count: number) => {
    await until(() => house.log.filter(({ msg }) => msg === "request").length >= count);
    await delay(20);
    return house.log.filter(({ msg }) => msg === "request");
  };

  it("has one line for a request, with what matters", async () => {
    const response = await house.generate({ model: "demo", prompt: "a-secret-prompt", response_format: "b64_json", user: "someone" });
    const body = await response.text();
    const [line, ...more] = await lines(1);
    expect(more).to.deep.equal([]);
    expect(house.log).to.have.length(1);
    expect(line).to.deep.include({
      level: 30,
      request: response.headers.get("x-request-id"),
      method: "POST",
      path: "/v1/images/generations",
      status: 200,
      client: "key-1",
      model: "demo",
      channel: "acme",
      attempts: "acme ok",
    });
    expect(line!.ms).to.be.a("number").that.is.below(5000);
    expect(line!.bytes).to.be.within(body.length, body.length + 1000);
  });

  it("has one line for an error of the client's, and for a path that is not there", async () => {
    await (await house.generate({ model: "demo", prompt: "" })).text();
    await (await fetch(`${house.url}/nothing?key=sk-test`)).text();
    const found = await lines(2);
    expect(found.map(({ status, path, model, client }) => ({ status, path, model, client }))).to.deep.equal([
      { status: 400, path: "/v1/images/generations", model: "demo", client: "key-1" },
      { status: 401, path: "/nothing", model: undefined, client: undefined },
    ]);
    expect(house.log).to.have.length(2);
  });

  it("counts no bytes twice on a connection that is used again", async () => {
    for (let call = 0; call < 3; call += 1) await (await fetch(`${house.url}/livez`)).text();
    const found = await lines(3);
    expect(new Set(found.map(({ bytes }) => bytes)).size).to.equal(1);
  });

  it("tells why a provider failed, beside the line", async () => {
    const response = await house.generate({ model: "demo", prompt: "explode" });
    expect(response.status).to.equal(502);
    await response.text();
    expect(await lines(1)).to.have.length(1);
    const others = house.log.filter(({ msg }) => msg !== "request");
    expect(others.length).to.be.greaterThan(0);
    for (const { request } of others) expect(request).to.equal(response.headers.get("x-request-id"));
    expect(others.some(({ class: kind, channel }) => kind === "failed" && channel === "acme")).to.equal(true);
  });

  it("never holds a prompt, a key, base64 or a stored picture's whole id", async () => {
    const response = await house.generate({
      model: "demo",
      prompt: "a-secret-prompt",
      response_format: "url",
      style: { s: "a-secret-style" },
    });
    const { data } = (await response.json()) as { data: { url: string }[] };
    expect((await fetch(data[0]!.url)).status).to.equal(200);
    expect((await fetch(data[0]!.url.replace("/images/", "/images%2F"))).status).to.equal(401);
    await (await house.generate({ model: "demo", prompt: "a-secret-prompt", n: 99 })).text();
    await (await house.generate({ model: "demo", prompt: "a-secret-prompt" }, { headers: { authorization: "Bearer sk-wrong" } })).text();
    await lines(5);
    const text = JSON.stringify(house.log);
    for (const secret of [
      "a-secret-prompt",
      "a-secret-style",
      house.key,
      "sk-wrong",
      "acme-secret",
      png.toString("base64").slice(0, 40),
      data[0]!.url.slice(-32),
    ])
      expect(text, secret).not.to.include(secret);
    expect(text).to.include(data[0]!.url.slice(-32, -24));
  });

  it("does not end the process where a request cannot be told of", async () => {
    const broken = await startHouse();
    broken.gateway.metrics.seconds.observe = () => {
      throw new Error("no such label");
    };
    try {
      expect((await fetch(`${broken.url}/livez`)).status).to.equal(200);
      await until(() => broken.log.some(({ msg }) => msg === "the request could not be told of"));
      expect((await fetch(`${broken.url}/livez`)).status).to.equal(200);
    } finally {
      await broken.close();
    }
  });

  it("has the stack of what nobody expected, and the client gets a plain 500", async () => {
    const broken = await startHouse(undefined, {
      store: { ...house.gateway.store, find: () => Promise.reject(new Error("the disk is on fire")) },
    });
    try {
      const response = await fetch(`${broken.url}/images/${"x".repeat(32)}`);
      expect(response.status).to.equal(500);
      expect(await response.json()).to.deep.equal({
        error: { message: "internal error", type: "api_error", param: null, code: "internal_error" },
      });
      const failed = broken.log.find(({ msg }) => msg === "request failed");
      expect(JSON.stringify(failed)).to.include("the disk is on fire");
      expect(failed!.request).to.equal(response.headers.get("x-request-id"));
    } finally {
      await broken.close();
    }
  });
});
