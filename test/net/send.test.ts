import { getEventListeners } from "node:events";
import { Readable } from "node:stream";
import { expect } from "chai";
import { ProviderFailure } from "../../src/errors.ts";
import { readBody, send } from "../../src/net/send.ts";
import { httpProvider, rawProvider } from "../helpers/provider.ts";
import { until } from "../http/setup.ts";

const signal = () => AbortSignal.timeout(5000);
const failureOf = (promise: Promise<unknown>): Promise<ProviderFailure> =>
  promise.then(
    () => expect.fail("it did not fail"),
    (error: unknown) => error as ProviderFailure,
  );

describe("send", () => {
  it("ends a request without a body, whatever the method", async () => {
    const provider = await httpProvider((request, response) =>
      request.resume().on("end", () => response.setHeader("x", ["a", "b"]).end(request.method)),
    );
    try {
      for (const method of ["GET", "POST", "PUT", "PATCH", "DELETE"] as const) {
        const answer = await send({ method, url: provider.url, headers: {} }, signal());
        expect([answer.status, answer.headers.x, String(await readBody(answer, 100, signal()))]).to.deep.equal([200, "a, b", method]);
      }
      const read = await send({ method: "GET", url: provider.url, headers: {}, body: Buffer.from("{}") }, signal());
      expect(String(await readBody(read, 100, signal()))).to.equal("GET");
    } finally {
      await provider.close();
    }
  });

  it("lets go of the signal once the answer is over, also of one without a body that nobody reads", async () => {
    const provider = await httpProvider((request, response) => void response.end(request.method === "GET" ? "body" : undefined));
    try {
      for (const method of ["GET", "HEAD", "PUT"] as const) {
        const { signal } = new AbortController();
        const answer = await send({ method, url: provider.url, headers: {} }, signal);
        if (method === "GET") await readBody(answer, 100, signal);
        await until(() => getEventListeners(signal, "abort").length === 0, `no listener after ${method}`);
      }
    } finally {
      await provider.close();
    }
  });

  it("lets others have their turn while a large body comes fast", async () => {
    const body = Readable.from(Array.from({ length: 8 }, () => Buffer.alloc(64 * 1024)));
    let turns = 0;
    let over = false;
    const other = () => {
      turns += 1;
      if (!over) setImmediate(other);
    };
    setImmediate(other);
    await readBody({ status: 200, headers: {}, body }, 1024 * 1024, signal());
    over = true;
    expect(turns).to.be.at.least(2);
  });

  it("knows that nothing was sent when the other side speaks no TLS, or a header cannot be said", async () => {
    const provider = await rawProvider((socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"));
    try {
      for (const [url, headers] of [
        [provider.url.replace("http", "https"), {}],
        [provider.url, { "x-key": "a\nb" }],
      ] as const) {
        const failure = await failureOf(send({ method: "POST", url, headers, body: Buffer.from("{}") }, signal()));
        expect([failure.kind, failure.details.notAccepted, failure.message]).to.deep.equal([
          "failed",
          true,
          "the provider could not be reached",
        ]);
      }
    } finally {
      await provider.close();
    }
  });

  it("gives up on a connection that does not come to stand, and knows that nothing was sent", async () => {
    const provider = await rawProvider(() => undefined);
    try {
      const url = provider.url.replace("http", "https");
      const failure = await failureOf(send({ method: "POST", url, headers: {} }, signal(), { connect: 20 }));
      expect([failure.kind, failure.details.notAccepted, failure.message]).to.deep.equal([
        "timeout",
        true,
        "the provider could not be reached in time",
      ]);
    } finally {
      await provider.close();
    }
  });

  it("stops reading at the limit, and lets the connection go", async () => {
    let closed: () => void = () => undefined;
    const gone = new Promise<void>((resolve) => (closed = resolve));
    const provider = await httpProvider((_request, response) => {
      const flood = (): void => {
        if (response.write(Buffer.alloc(64 * 1024))) setImmediate(flood);
        else response.once("drain", flood);
      };
      response.once("close", closed);
      flood();
    });
    try {
      const answer = await send({ method: "GET", url: provider.url, headers: {} }, signal());
      const failure = await failureOf(readBody(answer, 1024 * 1024, signal()));
      expect([failure.kind, failure.message]).to.deep.equal(["bad_response", "the provider's answer is larger than 1048576 bytes"]);
      await gone;
    } finally {
      await provider.close();
    }
  });

  it("ends with the signal's reason, before and while it waits", async () => {
    const provider = await rawProvider(() => undefined);
    const reason = new Error("enough");
    try {
      expect(await failureOf(send({ method: "GET", url: provider.url, headers: {} }, AbortSignal.abort(reason)))).to.equal(reason);
      const stop = new AbortController();
      setTimeout(() => stop.abort(reason), 20);
      expect(await failureOf(send({ method: "GET", url: provider.url, headers: {} }, stop.signal))).to.equal(reason);
    } finally {
      await provider.close();
    }
  });
});
