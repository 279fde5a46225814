// The provider that plays the exchanges of a channel's tests.
import { once } from "node:events";
import { expect } from "chai";
import { startMock } from "../../src/testing/mock.ts";
import { dial } from "../http/setup.ts";

describe("the mock provider", () => {
  it("outlives a caller that breaks off within its body, and a form that cannot be read", async () => {
    const mock = await startMock();
    try {
      const socket = await dial(mock.url);
      socket.write("POST /cut HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\nabc");
      await new Promise((resolve) => setImmediate(resolve));
      socket.destroy();
      await once(socket, "close");
      const headers = { "content-type": "multipart/form-data; boundary=x" };
      const broken = await fetch(`${mock.url}/form`, { method: "POST", headers, body: "--x\r\n" }).catch((error: unknown) => error);
      expect(broken).to.be.instanceOf(TypeError);
      expect((await fetch(`${mock.url}/next`)).status).to.equal(500);
    } finally {
      await mock.close();
    }
  });
});
