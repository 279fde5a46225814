import { createServer, type Server } from "node:http";
import { connect, type AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { expect } from "chai";
import { answerMalformed } from "../../src/http/malformed.ts";

describe("what never became a request", () => {
  let server: Server;
  before((done) => {
    server = createServer({ headersTimeout: 200, requestTimeout: 200, connectionsCheckingInterval: 50 }, (_, response) => response.end());
    answerMalformed(server);
    server.listen(0, "127.0.0.1", done);
  });
  after((done) => {
    server.closeAllConnections();
    server.close(done);
  });

  async function answerTo(bytes: string): Promise<{ status: string; body: unknown }> {
    const socket = connect((server.address() as AddressInfo).port, "127.0.0.1");
    socket.write(bytes);
    const [head = "", body = ""] = (await text(socket)).split("\r\n\r\n");
    return { status: head.split("\r\n")[0] ?? "", body: JSON.parse(body) };
  }

  for (const [what, bytes, status, message] of [
    ["nonsense", "hello\r\n\r\n", "HTTP/1.1 400 Bad Request", "the request is not valid HTTP"],
    [
      "headers without end",
      `GET / HTTP/1.1\r\nhost: a\r\nx: ${"y".repeat(20_000)}\r\n\r\n`,
      "HTTP/1.1 431 Request Header Fields Too Large",
      "the request's headers are larger than 16 KB",
    ],
    ["half a head and then silence", "GET / HTTP/1.1\r\nhost: a\r\n", "HTTP/1.1 408 Request Timeout", "the request did not arrive in time"],
  ] as const) {
    it(`is answered as every error: ${what}`, async () => {
      expect(await answerTo(bytes)).to.deep.equal({
        status,
        body: { error: { message, type: "invalid_request_error", param: null, code: null } },
      });
    });
  }

  it("is not answered where the client is gone", async () => {
    const socket = connect((server.address() as AddressInfo).port, "127.0.0.1");
    await new Promise((resolve) => socket.once("connect", resolve));
    socket.write("GET / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\n", () => socket.resetAndDestroy());
    expect(await answerTo("hello\r\n\r\n")).to.have.property("status", "HTTP/1.1 400 Bad Request");
  });
});
