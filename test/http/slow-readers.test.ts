// The slowest reading that an answer waits for.
import { EventEmitter } from "node:events";
import { createServer } from "node:http";
import { setTimeout as delay } from "node:timers/promises";
import { expect } from "chai";
import { watchAnswers } from "../../src/http/slow-readers.ts";
import { until } from "./setup.ts";

describe("http: a client that reads an answer", () => {
  // What a real socket takes is the kernel's doing, by the megabyte: these take as many bytes a second as they are told.
  it("at 1 KB a second keeps it, and loses it where it reads less", async () => {
    const server = createServer();
    watchAnswers(server, 2).idle = 100;
    const reader = (bytesPerSecond: number) => {
      const began = performance.now();
      const socket = {
        isCut: false,
        writableLength: 1,
        get bytesWritten() {
          return 1 + ((performance.now() - began) / 1000) * bytesPerSecond;
        },
        destroy: () => (socket.isCut = true),
      };
      server.emit("request", {}, Object.assign(new EventEmitter(), { socket }));
      return socket;
    };
    const [slow, fast] = [reader(900), reader(1200)];
    await until(() => slow.isCut);
    await delay(300);
    expect(fast.isCut).to.equal(false);
    server.emit("close");
  });
});
