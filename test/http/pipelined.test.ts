import { connect } from "node:net";
import { expect } from "chai";
import { startServer } from "../../src/http/server.ts";
import { until } from "./setup.ts";

describe("http: pipelined requests", () => {
  it("end with their connection, also those that wait behind another", async () => {
    let [open, seen] = [0, 0];
    const server = await startServer(
      (_, response) => {
        [open, seen] = [open + 1, seen + 1];
        response.once("close", () => (open -= 1));
      },
      { port: 0, host: "127.0.0.1" },
    );
    const socket = connect(server.port, "127.0.0.1").on("error", () => undefined);
    socket.write("GET / HTTP/1.1\r\nhost: a\r\n\r\n".repeat(3));
    await until(() => seen === 3, "all of them are here");
    socket.destroy();
    await until(() => open === 0, "none is left");
    await server.close(0, () => undefined);
    expect(seen).to.equal(3);
  });
});
