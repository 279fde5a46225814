// Request heads that Node's parser takes and others cannot read, as bytes from a socket.
import { text } from "node:stream/consumers";
import { expect } from "chai";
import { createApp } from "../../src/http/app.ts";
import { startServer, type Listening } from "../../src/http/server.ts";
import { dial, startHouse, until, wire, type House } from "./setup.ts";

describe("http: heads of requests", () => {
  let house: House;
  let server: Listening;
  let url: string;
  before(async () => {
    house = await startHouse();
    const handle = createApp(house.gateway).callback();
    server = await startServer((request, response) => void handle(request, response), { port: 0, host: "127.0.0.1", checkEvery: 10 });
    url = `http://127.0.0.1:${server.port}`;
  });
  beforeEach(() => house.reset());
  after(async () => {
    await server.close(0, () => undefined);
    await house.close();
  });

  /** The first answer to these bytes. The connection ends with it. */
  async function answerTo(bytes: string): Promise<{ status: number; headers: string; body: string }> {
    const socket = await dial(url);
    socket.write(bytes, "latin1");
    const [headers = "", body = ""] = (await text(socket)).split("\r\n\r\n");
    return { status: Number(headers.split(" ")[1]), headers, body };
  }

  const get = (target: string, method = "GET", more = "") =>
    answerTo(`${method} ${target} HTTP/1.1\r\nhost: a\r\nconnection: close\r\nauthorization: Bearer ${house.key}\r\n${more}\r\n`);

  function expectError({ status, headers, body }: Awaited<ReturnType<typeof get>>, wanted: number, message: RegExp): void {
    const { error } = JSON.parse(body) as { error: { message: string } };
    expect({ status, keys: Object.keys(error) }).to.deep.equal({ status: wanted, keys: ["message", "type", "param", "code"] });
    expect(error.message).to.match(message);
    expect(headers).to.match(/x-request-id: req_/i);
  }

  for (const target of ["//#a@b", "//[#a@b", "//x@y#", "/#", "//x@y?#"])
    it(`the target ${target}, which is no path, is a 400 and does not end the process`, async () => {
      expectError(await get(target), 400, /^the request's target has a fragment; leave out what begins with #/);
      await until(() => house.log.length === 1);
      expect(house.log[0]).to.include({ status: 400, msg: "request" });
    });

  for (const target of ["/livez%00", "/v1/images/jobs/a%00b", "/v1/requests?model=%00"])
    it(`the target ${target}, which has a NUL, is a 400`, async () => expectError(await get(target), 400, /%00/));

  for (const target of ["http://[/livez", "http:///livez", "livez", "ftp://a/livez", "http://a b/livez", "*", "/\xa0"])
    it(`the target ${target} is a 400 or never a request`, async () => {
      const { status, body } = await get(target);
      expect(status).to.equal(400);
      expect(JSON.parse(body)).to.have.nested.property("error.message");
    });

  for (const [target, status] of [
    ["//x@y", 404],
    ["//x@y/livez", 404],
    ["/livez?a=%zz#".slice(0, -1), 200],
    ["http://a/livez", 200],
    ["HTTP://a:80/livez?b", 200],
    ["http://a", 200],
  ] as const)
    it(`the target ${target} is read as a path`, async () => expect((await get(target)).status).to.equal(status));

  it("HEAD of HTTP/1.0 with a target that is no path is answered without a body", async () => {
    const { status, body } = await answerTo("HEAD //#a@b HTTP/1.0\r\n\r\n");
    expect({ status, body }).to.deep.equal({ status: 400, body: "" });
  });

  it("the host of an absolute target is the one that counts", async () => {
    const { body } = await get("http://other.example:81/openapi.json");
    expect(JSON.parse(body)).to.have.nested.property("servers[0].url", "http://other.example:81");
  });

  for (const [what, head, status, message] of [
    ["no Host", "GET /livez HTTP/1.1\r\n", 400, /^the header Host is missing/],
    ["two Hosts", "GET /livez HTTP/1.1\r\nhost: a\r\nhost: b\r\n", 400, /^the header Host is given more than once/],
    ["a Host that is none", "GET /livez HTTP/1.1\r\nhost: a/b@c\r\n", 400, /^the request's host is no host name/],
    [
      "an Expect that nobody knows",
      "GET /livez HTTP/1.1\r\nhost: a\r\nexpect: a-miracle\r\n",
      417,
      /^the header Expect may say 100-continue/,
    ],
  ] as const)
    it(`${what} is answered as every error`, async () => expectError(await answerTo(`${head}connection: close\r\n\r\n`), status, message));

  it("CONNECT is answered as every error", async () => {
    const { status, body } = await answerTo("CONNECT a:443 HTTP/1.1\r\nhost: a\r\n\r\n");
    expect(status).to.equal(405);
    expect(JSON.parse(body)).to.have.nested.property("error.message", "the method CONNECT is not allowed: this is no proxy");
  });

  it("nonsense behind a whole request does not take the place of its answer, which may have been paid for", async () => {
    const body = '{"model":"demo","prompt":"a cat"}';
    const socket = await dial(url);
    socket.write(`${wire("/v1/images/generations", house.key, body)}nonsense\r\n\r\n`);
    const got = await text(socket);
    expect(got).to.match(/^HTTP\/1\.1 200 OK[^]*cat\.png[^]*HTTP\/1\.1 400 Bad Request[^]*the request is not valid HTTP/);
  });

  it("the log never has a stored picture's id, however its path is written", async () => {
    const id = "0123456789abcdefghijklmnopqrstuv";
    for (const path of [
      `/images/${id}`,
      `/Images/${id}`,
      `/images/${id}/`,
      `//images//${id}`,
      `/x/images%2F${id}`,
      `http://a/IMAGES/${id}`,
    ])
      await get(path);
    await until(() => house.log.length === 6);
    const told = JSON.stringify(house.log);
    expect(told).to.include("/Images/01234567...").and.not.include(id.slice(8));
  });

  it("the interface's description names the request's host, and no cache may keep it for another's", async () => {
    const { headers } = await get("/openapi.json");
    expect(headers)
      .to.match(/cache-control: no-cache/i)
      .and.match(/vary: host/i);
  });
});
