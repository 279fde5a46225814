// Listens, and bounds what a connection may take.
import { once } from "node:events";
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { lastWords } from "./life.ts";
import { answerMalformed } from "./malformed.ts";
import { usualLimits } from "./input-limits.ts";
import { watchAnswers } from "./slow-readers.ts";

/** Limits of a connection, times in milliseconds. */
export interface ServerLimits {
  /** From the connection to the end of a request's head. */
  headersTimeout?: number;
  /** Until the whole request is here. */
  bodyTimeout?: number;
  /** While a body stands still. */
  bodyIdle?: number;
  /** While a client takes less than 1 KB a second of an answer that waits for it. */
  answerIdle?: number;
  /** Connections at once; no limit when absent. */
  connections?: number;
}

/** The gateway's listening socket. */
export interface Listening {
  port: number;
  /** Change the limits, also for requests that are arriving. */
  limit: (limits: ServerLimits) => void;
  /**
   * Stop accepting and let requests under way finish for so many milliseconds; then `cut` is to end them. Connections without one,
   * which nothing else would end, are closed. `idle` resolves once no work goes on behind an answer; it is awaited as long.
   */
  close: (grace: number, cut: () => void, idle?: () => Promise<void>) => Promise<void>;
}

interface ServerOptions extends ServerLimits {
  port: number;
  host: string;
  /** Milliseconds between two looks at what is late. */
  checkEvery?: number;
}

/** Time that a client's idle connection is kept, in milliseconds: proxies keep theirs for a minute, and must be the first to close. */
export const keptOpen = 75_000;

/** Connections that wait to be accepted: Node's 511 overflow in a burst, and some that overflow are reset with their request; the kernel's own limit may be lower. */
export const backlog = 4096;

/** Listen for requests; port 0 is any that is free. Rejects with what an operator can read. */
export async function startServer(
  handle: RequestListener,
  { port, host, checkEvery = 2000, ...limits }: ServerOptions,
): Promise<Listening> {
  // A missing Host and an Expect that nobody knows are refused by the app: Node's own answers say nothing.
  const server = createServer({ connectionsCheckingInterval: checkEvery, requireHostHeader: false }, handle);
  server.on("checkExpectation", (request, response) => server.emit("request", request, response));
  server.keepAliveTimeout = keptOpen;
  endQueued(server);
  answerMalformed(server);
  const bodies = watchBodies(server, checkEvery);
  const answers = watchAnswers(server, checkEvery);
  const limit = ({
    headersTimeout = 15_000,
    bodyTimeout = 600_000,
    bodyIdle = usualLimits.idle,
    answerIdle = 30_000,
    connections,
  }: ServerLimits) => {
    Object.assign(server, { headersTimeout, requestTimeout: bodyTimeout, maxConnections: connections });
    bodies.idle = bodyIdle;
    answers.idle = answerIdle;
  };
  limit(limits);
  const close = drainable(server);
  await new Promise<void>((resolve, reject) => {
    // It stays: a connection that later cannot be accepted, as while no file can be opened, must not end the others.
    server.on("error", ({ code, message }: NodeJS.ErrnoException) =>
      reject(
        new Error(code === "EADDRINUSE" ? `port ${port} is taken; choose another with PORT` : `HOST ${host}, PORT ${port}: ${message}`),
      ),
    );
    server.listen({ port, host, backlog }, resolve);
  });
  return { port: (server.address() as AddressInfo).port, limit, close };
}

/**
 * Close the answers of pipelined requests with their connection. One that waits for its turn has no socket yet, and Node never closes it: its
 * request would go on without its client, and the end of the process would wait for it.
 */
function endQueued(server: Server): void {
  server.on("request", ({ socket }: IncomingMessage, response: ServerResponse) => {
    if (response.socket) return;
    const end = () => {
      response.destroy();
      response.emit("close");
    };
    socket.once("close", end);
    response.once("close", () => socket.off("close", end));
  });
}

/** End requests whose bodies stand still. A body that comes slowly is only ended when its whole time is over. */
function watchBodies(server: Server, every: number): { idle: number } {
  const limits = { idle: Infinity };
  const arriving = new Map<IncomingMessage, { response: ServerResponse; bytes: number; since: number }>();
  server.on("request", (request: IncomingMessage, response: ServerResponse) => {
    arriving.set(request, { response, bytes: request.socket.bytesRead, since: performance.now() });
    request.once("close", () => arriving.delete(request));
  });
  const look = () => {
    for (const [request, seen] of arriving) {
      const { socket } = request;
      // Data in the buffer waits for us, not for the client.
      const isOurs = request.readableLength >= request.readableHighWaterMark;
      if (request.complete) arriving.delete(request);
      else if (socket.bytesRead !== seen.bytes || isOurs) Object.assign(seen, { bytes: socket.bytesRead, since: performance.now() });
      // The reader of a body ends it first, and says which part is missing.
      else if (performance.now() - seen.since > limits.idle + every) {
        arriving.delete(request);
        if (seen.response.headersSent) socket.destroy();
        else server.emit("clientError", Object.assign(new Error("the body stands still"), { code: "ERR_HTTP_REQUEST_TIMEOUT" }), socket);
      }
    }
  };
  const timer = setInterval(look, every).unref();
  server.once("close", () => clearInterval(timer));
  return limits;
}

function drainable(server: Server): Listening["close"] {
  const running = new Set<ServerResponse>();
  let closing = false;
  const last = (response: ServerResponse) => {
    if (closing && !response.headersSent) response.setHeader("connection", "close");
  };
  server.on("request", (_, response) => {
    running.add(response);
    response.once("close", () => running.delete(response));
    last(response);
  });
  return async (grace, cut, idle = () => Promise.resolve()) => {
    closing = true;
    const began = performance.now();
    const closed = once(server, "close");
    server.close();
    running.forEach(last);
    const timers = [setTimeout(cut, grace), setTimeout(() => server.closeAllConnections(), grace + lastWords)];
    while (running.size > 0) await Promise.all([...running].map((response) => once(response, "close")));
    // Waited for no longer than for the rest, whatever it does.
    await new Promise<void>((resolve) => {
      timers.push(setTimeout(resolve, Math.max(0, grace + lastWords - (performance.now() - began))));
      void idle().then(resolve);
    });
    timers.forEach(clearTimeout);
    server.closeAllConnections();
    await closed;
  };
}
