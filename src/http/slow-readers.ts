// Ends answers that their clients do not read.
import type { IncomingMessage, Server, ServerResponse } from "node:http";

/** Bytes a second that a client must take of an answer that waits for it: a slower one holds a slot and memory. */
export const slowest = 1024;

/**
 * End connections whose clients leave an answer waiting for longer than the limit, in milliseconds, or take less of it than the slowest line
 * would. What an answer holds, such as memory and a channel's place, nobody else has.
 */
export function watchAnswers(server: Server, every: number): { idle: number } {
  const limits = { idle: Infinity };
  const running = new Map<ServerResponse, { taken: number; since: number }>();
  server.on("request", (_: IncomingMessage, response: ServerResponse) => {
    running.set(response, { taken: 0, since: performance.now() });
    response.once("close", () => running.delete(response));
  });
  const look = () => {
    const now = performance.now();
    for (const [response, seen] of running) {
      // An answer behind another one of its connection has no socket yet, and waits with that one.
      const { socket } = response;
      const waiting = socket?.writableLength ?? 0;
      const taken = (socket?.bytesWritten ?? 0) - waiting;
      const isRead = waiting === 0 || taken - seen.taken >= (slowest * limits.idle) / 1000;
      if (isRead) Object.assign(seen, { taken, since: now });
      else if (now - seen.since > limits.idle) socket?.destroy();
    }
  };
  const timer = setInterval(look, every).unref();
  server.once("close", () => clearInterval(timer));
  return limits;
}
