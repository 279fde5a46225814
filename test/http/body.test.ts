import { brotliCompressSync, deflateSync, gzipSync } from "node:zlib";
import { expect } from "chai";
import { dial, errorOf, png, startHouse, until, type House } from "./setup.ts";

describe("http: a request's body", () => {
  let house: House;
  before(async () => {
    house = await startHouse();
  });
  after(() => house.close());

  const send = (body: string | Uint8Array | undefined, headers: Record<string, string> = { "content-type": "application/json" }) =>
    fetch(`${house.url}/v1/images/generations`, { method: "POST", body, headers: { authorization: `Bearer ${house.key}`, ...headers } });
  const good = JSON.stringify({ model: "demo", prompt: "a cät" });
  const sent = () => JSON.parse(house.provider.calls.at(-1)!.body) as Record<string, unknown>;

  for (const type of [
    "application/json",
    "Application/JSON",
    "application/json; charset=utf-8",
    'application/json;charset="UTF-8"',
    "application/vnd.api+json",
  ]) {
    it(`is taken as ${type}`, async () => {
      const response = await send(good, { "content-type": type });
      expect(response.status, await response.text()).to.equal(200);
      expect(sent().prompt).to.equal("a cät");
    });
  }

  it("is taken as JSON where no type is told", async () => {
    const response = await send(Buffer.from(good), {});
    expect(response.status, await response.text()).to.equal(200);
    await errorOf(await send(Buffer.from("a cat"), {}), 400, "invalid_json");
  });

  for (const type of ["text/plain", "application/x-www-form-urlencoded", "image/png", "application/jsonp", "json"]) {
    it(`is refused as ${type}`, async () => {
      const { message } = await errorOf(await send(good, { "content-type": type }), 415, "unsupported_media_type");
      expect(message).to.include("send application/json");
    });
  }

  it("is refused in another charset than utf-8", async () => {
    const { message } = await errorOf(
      await send(good, { "content-type": "application/json; charset=latin1" }),
      415,
      "unsupported_media_type",
    );
    expect(message).to.include("send utf-8");
  });

  for (const [what, body, says] of [
    ["nothing", "", "empty"],
    ["white space", " \n ", "empty"],
    ["text", "a cat", "not valid JSON"],
    ["half an object", '{"model":', "not valid JSON"],
    ["an object with a comma too many", '{"model":"demo",}', "not valid JSON"],
    ["an array", "[]", "must be a JSON object"],
    ["a string", '"demo"', "must be a JSON object"],
    ["null", "null", "must be a JSON object"],
    ["65 levels", `{"a":${"[".repeat(64)}1${"]".repeat(64)}}`, "nested deeper than 64 levels"],
    ["four hundred thousand levels", "[".repeat(400_000), "nested deeper"],
    ["four hundred thousand closed levels", `{"a":${"[".repeat(400_000)}${"]".repeat(400_000)}}`, "nested deeper"],
    ["bytes that are no UTF-8", Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]), "not valid UTF-8"],
  ] as const) {
    it(`is refused when it holds ${what}`, async () => {
      const { message } = await errorOf(await send(body), 400, "invalid_json");
      expect(message).to.include(says);
    });
  }

  it("is refused when there is none", async () => errorOf(await send(undefined), 400, "invalid_json"));

  it("may begin with a byte order mark", async () => {
    const response = await send(`\ufeff${good}`);
    expect(response.status, await response.text()).to.equal(200);
  });

  for (const [encoding, compress] of [
    ["gzip", gzipSync],
    ["deflate", deflateSync],
    ["br", brotliCompressSync],
    ["GZIP", gzipSync],
    ["identity", (text: string) => Buffer.from(text)],
  ] as const) {
    it(`is understood in ${encoding}`, async () => {
      const response = await send(compress(good), { "content-type": "application/json", "content-encoding": encoding });
      expect(response.status, await response.text()).to.equal(200);
      expect(sent().prompt).to.equal("a cät");
    });
  }

  it("is refused when it is not in the encoding that it claims, or in an unknown one", async () => {
    const headers = { "content-type": "application/json" };
    const { message } = await errorOf(await send(good, { ...headers, "content-encoding": "gzip" }), 400, "invalid_json");
    expect(message).to.include("gzip");
    await errorOf(await send(gzipSync(good).subarray(0, 20), { ...headers, "content-encoding": "gzip" }), 400, "invalid_json");
    for (const encoding of ["zstd", "gzip, gzip", "constructor"])
      await errorOf(await send(good, { ...headers, "content-encoding": encoding }), 415, "unsupported_media_type");
  });

  for (const [what, body, encoding] of [
    ["a long body", " ".repeat(1024 * 1024 + 1), "identity"],
    ["a body of many megabytes", " ".repeat(20_000_000), "identity"],
    ["a gzip bomb", gzipSync(Buffer.alloc(200_000_000)), "gzip"],
    ["a gzip bomb with garbage behind", Buffer.concat([gzipSync(Buffer.alloc(5_000_000)), Buffer.alloc(100_000, 7)]), "gzip"],
  ] as const) {
    it(`refuses ${what} with 413, and the connection can be used again`, async () => {
      const { message } = await errorOf(
        await send(body, { "content-type": "application/json", "content-encoding": encoding }),
        413,
        "request_too_large",
      );
      expect(message).to.include("1048576 bytes");
      expect((await fetch(`${house.url}/livez`)).status).to.equal(200);
    });
  }

  it("refuses a long body that does not tell its length, and reads no more of it for long", async () => {
    const socket = await dial(house.url);
    let answer = "";
    socket.on("data", (chunk: Buffer) => (answer += chunk.toString()));
    socket.write(
      `POST /v1/images/generations HTTP/1.1\r\nhost: g\r\nauthorization: Bearer ${house.key}\r\ntransfer-encoding: chunked\r\n\r\n`,
    );
    const chunk = `10000\r\n${" ".repeat(65536)}\r\n`;
    for (let sent = 0; sent < 40; sent += 1) socket.write(chunk);
    await until(() => answer.includes("request_too_large"));
    socket.end("0\r\n\r\nGET /livez HTTP/1.1\r\nhost: g\r\n\r\n");
    await until(() => answer.includes('{"status":"ok"}'));
  });

  it("takes __proto__ and the like as the names that they are", async () => {
    for (const key of ["__proto__", "constructor", "toString", "hasOwnProperty"])
      await errorOf(await send(`{"model":"demo","prompt":"a cat","${key}":{"n":2}}`), 400, "unknown_parameter", key);
    await errorOf(await send('{"__proto__":{"model":"demo","prompt":"a cat"}}'), 400, "missing_required_parameter", "model");
    const style = '{"__proto__":{"n":2},"constructor":{"prototype":{"n":3}}}';
    const response = await send(`{"model":"demo","prompt":"a cat","style":${style}}`);
    expect(response.status, await response.text()).to.equal(200);
    expect(house.provider.calls.at(-1)!.body).to.include(`"style":${style}`);
    expect(({} as { n?: number }).n).to.equal(undefined);
  });

  for (const [what, body, status, code, param] of [
    ["no model", { prompt: "a cat" }, 400, "missing_required_parameter", "model"],
    ["a null model", { model: null, prompt: "a cat" }, 400, "missing_required_parameter", "model"],
    ["a model that is no string", { model: 1, prompt: "a cat" }, 400, "invalid_type", "model"],
    ["an unknown model", { model: "m".repeat(9000), prompt: "a cat" }, 404, "model_not_found", "model"],
    ["no prompt", { model: "demo" }, 400, "missing_required_parameter", "prompt"],
    ["n of 11", { model: "demo", prompt: "a cat", n: 11 }, 400, "integer_above_max_value", "n"],
    ["a size that is none", { model: "demo", prompt: "a cat", size: "large" }, 400, "invalid_value", "size"],
    ["an image that is none", { model: "demo", prompt: "a cat", image: "x" }, 400, "invalid_image_file", "image"],
  ] as const) {
    it(`is refused with ${what}`, async () => {
      const { message } = await errorOf(await house.generate(body), status, code, param);
      expect(message.length).to.be.below(500);
    });
  }

  it("takes base64 for b64_json", async () => {
    const response = await house.generate({ model: "demo", prompt: "a cat", response_format: "base64" });
    const { data } = (await response.json()) as { data: { b64_json: string }[] };
    expect(data[0]!.b64_json).to.equal(png.toString("base64"));
    expect(JSON.parse(house.provider.calls.at(-2)!.body)).to.include({ response_format: "b64_json" });
  });

  it("takes null for what is left out, and n of 0 for 1", async () => {
    const response = await house.generate({
      model: "demo",
      prompt: "a cat",
      n: 0,
      size: null,
      style: null,
      user: null,
      seed: null,
      stream: null,
    });
    expect(response.status, await response.text()).to.equal(200);
    expect(sent()).to.deep.equal({ model: "demo", prompt: "a cat", n: 1, size: "1024x1024" });
  });
});
