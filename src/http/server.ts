import { once } from "node:events";
import { createServer, type RequestListener, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { answerMalformed } from "./malformed.ts";

/** The gateway's listening socket. */
export interface Listening {
  port: number;
  /** Stop accepting and let requests under way finish. Connections without one, which nothing else would end, are closed. */
  close(): Promise<void>;
}

/** Listen for requests; port 0 is any that is free. Rejects with what an operator can read. */
export async function startServer(handle: RequestListener, { port, host }: { port: number; host: string }): Promise<Listening> {
  const server = createServer(handle);
  // Proxies keep connections for a minute; one that is closed just as it is used again is an error to them.
  server.keepAliveTimeout = 75_000;
  answerMalformed(server);
  const close = drainable(server);
  await new Promise<void>((resolve, reject) => {
    server.once("error", ({ code, message }: NodeJS.ErrnoException) =>
      reject(
        new Error(code === "EADDRINUSE" ? `port ${port} is taken; choose another with PORT` : `HOST ${host}, PORT ${port}: ${message}`),
      ),
    );
    server.listen(port, host, resolve);
  });
  return { port: (server.address() as AddressInfo).port, close };
}

function drainable(server: Server): () => Promise<void> {
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
  return async () => {
    closing = true;
    const closed = once(server, "close");
    server.close();
    running.forEach(last);
    while (running.size > 0) await Promise.all([...running].map((response) => once(response, "close")));
    server.closeAllConnections();
    await closed;
  };
}
