import { once } from "node:events";
import { type RequestListener, type Server, type ServerResponse } from "node:http";
import { connect, type Socket } from "node:net";
import { text } from "node:stream/consumers";
import { setTimeout as delay } from "node:timers/promises";
import { expect } from "chai";
import { createLife } from "../../src/http/life.ts";
import { startServer, type Listening, type ServerLimits } from "../../src/http/server.ts";
import { dial, errorOf, metric, png, reply, startHouse, until, wire } from "./setup.ts";

/** Run with a server that looks often at what is late; every connection that `call` makes is ended with it. */
async function withServer(
  handle: RequestListener,
  limits: ServerLimits,
  run: (call: (bytes: string) => Socket, server: Listening) => Promise<void>,
): Promise<void> {
  const server = await startServer(handle, { port: 0, host: "127.0.0.1", checkEvery: 10, ...limits });
  const sockets: Socket[] = [];
  try {
    await run((bytes) => {
      const socket = connect(server.port, "127.0.0.1");
      sockets.push(socket.on("error", () => undefined));
      socket.write(bytes);
      return socket;
    }, server);
  } finally {
    for (const socket of sockets) socket.destroy();
    await server.close(0, () => undefined);
  }
}

/** Answers once the body is here. */
const echo: RequestListener = (request, response) => {
  void text(request).then(
    (body) => response.end(body),
    () => undefined,
  );
};

const get = "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
const post = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 6\r\n\r\n";

describe("http: connections that are late", () => {
  it("goes on serving after connections that could not be accepted", () =>
    withServer(
      (request, response) => {
        // So Node says that no file can be opened for a connection.
        const { server } = request.socket as Socket & { server: Server };
        for (const code of ["EMFILE", "ENFILE"]) server.emit("error", Object.assign(new Error(`accept ${code}`), { code }));
        response.end("served");
      },
      {},
      async (call) => {
        for (const socket of [call(get), call(get)]) expect(await text(socket)).to.contain("served");
      },
    ));

  it("are ended while the head does not come to its end, and others are served", () =>
    withServer(echo, { headersTimeout: 60 }, async (call, { port }) => {
      const slow = call("GET / HTTP/1.1\r\n");
      const drip = setInterval(() => slow.writable && slow.write("x: y\r\n"), 15);
      const answer = text(slow);
      expect((await fetch(`http://127.0.0.1:${port}`, { method: "POST", body: "a" })).status).to.equal(200);
      expect(await answer).to.match(/^HTTP\/1\.1 408 [^]*"the request did not arrive in time"/);
      clearInterval(drip);
    }));

  it("are ended while nothing at all is sent", () =>
    withServer(echo, { headersTimeout: 60 }, async (call) => {
      await once(call("").resume(), "close");
    }));

  it("are ended while a body stands still, with an answer where none has begun", () =>
    withServer(echo, { bodyIdle: 40 }, async (call) => {
      expect(await text(call(`${post}abc`))).to.match(/^HTTP\/1\.1 408 /);
    }));

  it("are cut while a body stands still behind an answer that has begun", () =>
    withServer(
      (_, response) => response.write("{"),
      { bodyIdle: 40 },
      async (call) => {
        const answer = await text(call(`${post}abc`));
        expect(answer).to.match(/^HTTP\/1\.1 200 /);
        expect(answer).not.to.include("408");
      },
    ));

  it("may send a body a byte at a time, until its whole time is over", () =>
    withServer(echo, { bodyIdle: 60, bodyTimeout: 2000 }, async (call, server) => {
      const dripping = call(post);
      const answer = text(dripping);
      for (const byte of "abcdef") {
        await delay(15);
        dripping.write(byte);
      }
      dripping.end();
      expect(await answer).to.match(/^HTTP\/1\.1 200 [^]*abcdef$/);
      server.limit({ bodyTimeout: 60, headersTimeout: 60 });
      const endless = call(post.replace("6", "600"));
      const drip = setInterval(() => endless.writable && endless.write("x"), 15);
      expect(await text(endless)).to.match(/^HTTP\/1\.1 408 /);
      clearInterval(drip);
    }));

  it("are not ended where we are the slow ones", () => {
    const waiting: (() => unknown)[] = [];
    const reads: RequestListener = (request, response) => {
      waiting.push(() => echo(request, response));
    };
    return withServer(reads, { bodyIdle: 30 }, async (call) => {
      const body = "x".repeat(3_000_000);
      const answer = text(call(`POST / HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: ${body.length}\r\n\r\n${body}`));
      await delay(120);
      waiting.forEach((read) => read());
      expect(await answer).to.match(/^HTTP\/1\.1 200 /);
    });
  });

  it("may be so many and no more, where that is set", () =>
    withServer(echo, { connections: 2 }, async (call) => {
      const [first, second] = [call("GET / HTTP/1.1\r\n"), call("GET / HTTP/1.1\r\n")];
      await Promise.all([once(first, "connect"), once(second, "connect")]);
      const third = call("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
      let got = "";
      third.on("data", (chunk: Buffer) => (got += chunk.toString()));
      await new Promise((resolve) => third.once("close", resolve));
      expect(got).to.equal("");
      expect(await text(first.end("host: a\r\nconnection: close\r\n\r\n"))).to.match(/^HTTP\/1\.1 200 /);
    }));
});

describe("http: answers that are not read", () => {
  const get = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";
  /** Writes without end, in pieces, and tells when its answer is over. */
  const endless = (over: () => void): RequestListener => {
    const chunk = Buffer.alloc(65_536);
    return (_, response) => {
      const write = () => {
        while (!response.destroyed && response.write(chunk));
      };
      response.on("drain", write).once("close", over);
      write();
    };
  };

  it("are cut, and their clients with them", async () => {
    let over = 0;
    await withServer(
      endless(() => (over += 1)),
      { answerIdle: 60 },
      async (call) => {
        for (let count = 0; count < 20; count += 1) call(get).pause();
        await until(() => over === 20);
      },
    );
  });

  it("are cut where they are read by the byte, which would hold them for hours", async () => {
    let over = false;
    await withServer(
      endless(() => (over = true)),
      { answerIdle: 60 },
      async (call) => {
        const socket = call(get).pause();
        const sip = setInterval(() => void socket.read(1), 5);
        await until(() => over);
        clearInterval(sip);
      },
    );
  });

  it("are not cut while they are read slowly, nor while nothing is there to be read", async () => {
    let over = false;
    await withServer(
      endless(() => (over = true)),
      { answerIdle: 500 },
      async (call) => {
        const socket = call(get);
        let got = 0;
        socket.on("data", (chunk: Buffer) => {
          got += chunk.length;
          socket.pause();
          setTimeout(() => socket.resume(), 2);
        });
        await until(() => got > 30_000_000);
        expect(over).to.equal(false);
      },
    );
    await withServer(
      (_, response) => {
        response.write("a");
        setTimeout(() => response.end("b"), 400);
      },
      { answerIdle: 100 },
      async (call) => {
        expect(await text(call(get.replace("host: a", "host: a\r\nconnection: close")))).to.include("b");
      },
    );
  });
});

describe("http: the end of the process", () => {
  it("is known to balancers before it comes", async () => {
    const life = createLife();
    const house = await startHouse(undefined, { life });
    try {
      expect((await fetch(`${house.url}/readyz`)).status).to.equal(200);
      life.end();
      const ready = await fetch(`${house.url}/readyz`);
      expect(ready.status).to.equal(503);
      expect(await ready.json()).to.deep.include({ status: "shutting down" });
      expect((await house.generate({ model: "demo", prompt: "a cat" })).status).to.equal(200);
    } finally {
      await house.close();
    }
  });

  it("cuts requests under way with an error, the provider's calls with them, and those that still come", async () => {
    const life = createLife();
    let gone = 0;
    const house = await startHouse((_, response) => void response.once("close", () => (gone += 1)), { life });
    try {
      const cut = house.generate({ model: "demo", prompt: "a cat" });
      await until(() => house.provider.calls.length === 1);
      life.cut();
      const answer = await cut;
      // The client has not gone, and nothing failed.
      expect(answer.headers.get("x-pictor-attempts")).to.equal("acme shutting_down");
      expect(await metric(house.url, 'pictor_attempts_total{channel="acme",model="demo",outcome="shutting_down"}')).to.equal(1);
      const { message } = await errorOf(answer, 503, "shutting_down");
      expect(message).to.equal("the gateway is shutting down; the picture may have been made and paid for");
      expect(answer.headers.get("x-should-retry")).to.equal("false");
      await until(() => gone === 1);
      const late = await house.generate({ model: "demo", prompt: "a cat" });
      const { message: advice } = await errorOf(late, 503, "shutting_down");
      expect(advice).to.equal("the gateway is shutting down; send the request again");
      expect(late.headers.get("retry-after")).to.equal("1");
      // It is the operator's own doing, and no failure.
      expect(house.log.filter(({ level }) => Number(level) >= 50)).to.deep.equal([]);
    } finally {
      await house.close();
    }
  });

  it("breaks off an answer that has begun: only that tells that it is not whole", async () => {
    const life = createLife();
    const house = await startHouse(
      (call, response) => {
        // A part of a picture, and then nothing more.
        if (call.path === "/half.png")
          response.writeHead(200, { "content-length": 1_000_000 }).write(Buffer.concat([png, Buffer.alloc(300_000)]));
        else reply(response, { data: [{ url: `http://${call.headers.host}/half.png` }] });
      },
      { life },
    );
    try {
      const socket = await dial(house.url);
      socket.write(wire("/v1/images/generations", house.key, '{"model":"demo","prompt":"a cat","response_format":"b64_json"}'));
      let got = "";
      socket.on("data", (chunk: Buffer) => (got += chunk.toString()));
      await until(() => got.includes('"b64_json":"'));
      life.cut();
      await once(socket, "close");
      expect(got.slice(-200)).to.not.match(/\}\s*$/);
    } finally {
      await house.close();
    }
  });

  it("waits for what is under way as long as it may, and no longer", async () => {
    const answers: ServerResponse[] = [];
    const server = await startServer((_, response) => void answers.push(response), { port: 0, host: "127.0.0.1" });
    const calls = [0, 1].map(() => fetch(`http://127.0.0.1:${server.port}`));
    await until(() => answers.length === 2);
    let cut = false;
    const closed = server.close(60, () => {
      cut = true;
      answers[1]!.writeHead(503).end();
    });
    answers[0]!.end("whole");
    expect(await (await calls[0]!).text()).to.equal("whole");
    expect(cut).to.equal(false);
    const late = await calls[1]!;
    expect([cut, late.status]).to.deep.equal([true, 503]);
    await late.text();
    await closed;
    const refused = await fetch(`http://127.0.0.1:${server.port}`).catch((error: unknown) => error);
    expect(refused).to.be.instanceOf(TypeError);
  });
});
