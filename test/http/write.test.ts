import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import { connect, type AddressInfo } from "node:net";
import { expect } from "chai";
import { putInto } from "../../src/http/write.ts";

/** More than sockets hold for one who does not read. */
const large = Buffer.alloc(64 * 1024 * 1024);

async function withClient(use: (answer: ServerResponse, client: ReturnType<typeof connect>) => Promise<void>): Promise<void> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const client = connect((server.address() as AddressInfo).port, "127.0.0.1");
  try {
    client.write("GET / HTTP/1.1\r\nhost: here\r\n\r\n");
    const [, answer] = (await once(server, "request")) as [unknown, ServerResponse];
    await use(answer, client);
  } finally {
    client.destroy();
    server.close();
  }
}

describe("writing an answer", () => {
  it("waits for a client that reads slowly, each time anew", () =>
    withClient(async (answer, client) => {
      const put = putInto(answer, new AbortController().signal);
      for (const times of [1, 2]) {
        const room = put(large);
        expect(room).to.be.instanceOf(Promise);
        client.resume();
        await room;
        expect(client.bytesRead).to.be.above((times - 0.5) * large.length);
      }
      expect(put("a little")).to.equal(undefined);
    }));

  it("ends waiting with the signal's reason, before and while it waits", () =>
    withClient(async (answer) => {
      const gone = new AbortController();
      const put = putInto(answer, gone.signal);
      const told = (room?: Promise<void>) => room?.catch((error: unknown) => error);
      const waiting = told(put(large));
      gone.abort(new Error("gone"));
      for (const room of [waiting, told(put(large))]) expect(await room).to.equal(gone.signal.reason);
    }));
});
