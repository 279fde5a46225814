// Request heads as bytes: whatever a socket brings, the gateway answers in its own shape or closes, goes on, and keeps nothing.
import { once } from "node:events";
import { expect } from "chai";
import fc from "fast-check";
import { createApp } from "../../src/http/app.ts";
import { startServer, type Listening } from "../../src/http/server.ts";
import { watchTurns } from "../helpers/turns.ts";
import { dial, startHouse, until, type House } from "../http/setup.ts";
import { runs } from "./runs.ts";

const rarely = <T>(usual: fc.Arbitrary<T>, odd: fc.Arbitrary<T>, weight = 6) =>
  fc.oneof({ weight, arbitrary: usual }, { weight: 1, arbitrary: odd });
const bytes = fc.uint8Array({ maxLength: 24 }).map((found) => Buffer.from(found).toString("latin1"));
const visible = fc.string({ unit: fc.constantFrom("/", "?", "#", "@", ":", "[", "]", "%", ".", "*", "\\", "a", "1"), maxLength: 16 });

const method = rarely(
  fc.constantFrom("GET", "HEAD", "POST", "OPTIONS", "PUT", "DELETE", "CONNECT", "TRACE", "PRI", "M-SEARCH"),
  fc.oneof(bytes, fc.constantFrom("get", "", "GE T")),
);
const paths = fc.constantFrom(
  ...["/", "/livez", "/readyz", "/metrics", "/v1/models", "/v1/models/demo", "/v1/models/%zz", "/images/abc", "/images/%2e%2e", "/docs"],
  ...["/docs/start.js", "/openapi.json", "/v1/images/generations", "/images/edits", "/openai/deployments/demo/images/generations"],
  ...[
    "//#a@b",
    "//[#a@b",
    "//x@y#",
    "*",
    "",
    "http://a/livez",
    "http://[/",
    "http://a",
    "//",
    "/..",
    "/v1/requests/x",
    "/admin/channels/a/clear",
  ],
);
const target = fc.oneof(
  { weight: 3, arbitrary: paths },
  { weight: 2, arbitrary: fc.tuple(paths, visible).map(([path, more]) => path + more) },
  { weight: 2, arbitrary: visible },
  { weight: 1, arbitrary: bytes },
);
const version = rarely(
  fc.constantFrom("HTTP/1.1", "HTTP/1.0"),
  fc.oneof(bytes, fc.constantFrom("HTTP/2.0", "HTTP/0.9", "http/1.1", "HTTP/1.10", "")),
);
const names = ["host", "authorization", "api-key", "content-length", "transfer-encoding", "expect", "connection", "upgrade", "range"];
const more = [
  "content-type",
  "origin",
  "x-forwarded-host",
  "if-none-match",
  "accept-encoding",
  "idempotency-key",
  "access-control-request-method",
];
const header = fc.tuple(
  rarely(fc.constantFrom(...names, ...more), bytes),
  rarely(fc.constantFrom(": ", ":"), fc.constantFrom(" : ", "", ":\t")),
  fc.oneof(
    fc.constantFrom("a", "", "0", "2", "-1", "1e9", "99999999999999999999", "chunked", "100-continue", "a-miracle", "close", "keep-alive"),
    fc.constantFrom(
      "Bearer sk-test",
      "Bearer",
      "Basic OnNrLXRlc3Q=",
      "Basic ====",
      "websocket",
      "h2c",
      "bytes=0-",
      "bytes=9-1",
      "a/b@c",
      "[::1]",
    ),
    bytes,
  ),
);
const end = rarely(fc.constant("\r\n"), fc.constantFrom("\n", "\r", "\r\n ", ""), 12);

/** One request, or nearly. Most have a host and a key, so that they get further than the first look. */
const request = fc
  .tuple(method, target, version, fc.boolean(), fc.array(fc.tuple(header, end), { maxLength: 5 }), end, rarely(fc.constant(""), bytes, 2))
  .map(([verb, path, protocol, isUsual, headers, last, body]) => {
    const usual = isUsual ? "host: a\r\nauthorization: Bearer sk-test\r\n" : "";
    const lines = headers.map(([[name, colon, value], close]) => `${name}${colon}${value}${close}`).join("");
    return `${verb} ${path} ${protocol}\r\n${usual}${lines}${last}${body}`;
  });

const wire = fc
  .tuple(fc.array(request, { minLength: 1, maxLength: 3 }), fc.option(fc.nat({ max: 400 }), { nil: undefined, freq: 5 }))
  .map(([requests, cut]) => Buffer.from(requests.join("").slice(0, cut), "latin1"));

/** Connections at once. */
const atOnce = 300;

describe("fuzz: request heads", () => {
  let house: House;
  let server: Listening;
  let connections: () => number;
  before(async () => {
    house = await startHouse((_, response) => void response.writeHead(400).end());
    const handle = createApp(house.gateway).callback();
    let open = 0;
    server = await startServer(
      (request, response) => {
        open += 1;
        response.once("close", () => (open -= 1));
        void handle(request, response);
      },
      { port: 0, host: "127.0.0.1", checkEvery: 20, headersTimeout: 200, bodyIdle: 200 },
    );
    connections = () => open;
  });
  after(async () => {
    await server.close(0, () => undefined);
    await house.close();
  });

  it("are answered in the gateway's shape or closed, in time, and nothing is left of them", async function () {
    this.timeout(600_000);
    let [tried, answered] = [0, 0];
    const turns = watchTurns();
    await fc.assert(
      fc.asyncProperty(fc.array(wire, { minLength: atOnce, maxLength: atOnce }), async (inputs) => {
        const found = await Promise.all(inputs.map(check));
        tried += found.length;
        answered += found.filter(Boolean).length;
      }),
      { numRuns: Math.ceil(runs(1500) / atOnce), endOnFailure: true },
    );
    turns.stop();
    // A fuzzer that is not heard would find nothing.
    expect(answered / tried).to.be.above(0.8);
    await until(() => connections() === 0, "no request is left");
    expect(turns.longest(), "milliseconds that the loop was blocked").to.be.below(1000);
    const alive = await fetch(`http://127.0.0.1:${server.port}/livez`);
    expect(alive.status).to.equal(200);
    expect(house.log.filter(({ level }) => Number(level) >= 50)).to.deep.equal([]);
  });

  /** Send the bytes, and hear until the connection is closed; it is once something came back. */
  async function check(input: Buffer): Promise<boolean> {
    const socket = await dial(`http://127.0.0.1:${server.port}`);
    const began = performance.now();
    let answer = "";
    socket.setEncoding("latin1").on("data", (chunk: string) => {
      answer += chunk;
      setImmediate(() => socket.end());
    });
    socket.write(input);
    const late = setTimeout(() => socket.destroy(), 5000);
    await once(socket, "close");
    clearTimeout(late);
    expect(performance.now() - began, "milliseconds").to.be.below(5000);
    judge(answer, input.toString("latin1").includes("HEAD "));
    return answer !== "";
  }

  /** Every answer in what came back: none a 500, and each error with its envelope. */
  function judge(answers: string, hasHead: boolean): void {
    for (const answer of answers.split(/(?=HTTP\/1\.1 \d{3} )/)) {
      const [head = "", body = ""] = answer.split("\r\n\r\n");
      const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(head)?.[1] ?? 0);
      expect(status, answer).not.to.equal(500);
      if (status >= 400 && !(hasHead && body === "")) expect(body, answer).to.match(/^\{"(error|status)":/);
    }
  }
});
