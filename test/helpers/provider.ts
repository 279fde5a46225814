import { createServer, type Server as HttpServer, type RequestListener } from "node:http";
import { createServer as createTcpServer, type AddressInfo, type Server, type Socket } from "node:net";

/** A server on loopback for one test. */
export interface Provider {
  url: string;
  port: number;
  /** How many requests, or connections, it has had. */
  calls: () => number;
  close: () => Promise<void>;
}

/** A provider that answers as `listener` does. */
export async function httpProvider(listener: RequestListener): Promise<Provider> {
  let calls = 0;
  const server = createServer((request, response) => {
    calls += 1;
    listener(request, response);
  });
  return listening(
    server,
    () => calls,
    () => server.closeAllConnections(),
  );
}

/** A provider that does what it likes with the bytes of a connection, once the first have come. */
export async function rawProvider(talk: (socket: Socket) => void): Promise<Provider> {
  let calls = 0;
  const sockets = new Set<Socket>();
  const server = createTcpServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    socket.once("data", () => {
      calls += 1;
      talk(socket);
    });
  });
  return listening(
    server,
    () => calls,
    () => sockets.forEach((socket) => socket.destroy()),
  );
}

async function listening(server: Server | HttpServer, calls: () => number, disconnect: () => void): Promise<Provider> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    calls,
    close: () => {
      disconnect();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

/** A client's request for a picture. */
export async function draw(
  { url, key }: { url: string; key: string },
  body: unknown,
  signal?: AbortSignal,
): Promise<{ status: number; headers: Headers; text: string; json: Answer }> {
  const response = await fetch(`${url}/v1/images/generations`, {
    method: "POST",
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
    body: typeof body === "string" ? body : JSON.stringify(body),
    signal,
  });
  const text = await response.text();
  const isStream = response.headers.get("content-type") === "text/event-stream";
  return { status: response.status, headers: response.headers, text, json: (isStream ? {} : JSON.parse(text)) as Answer };
}

interface Answer {
  data: { url?: string; b64_json?: string }[];
  usage?: Record<string, unknown>;
  metadata?: Record<string, unknown>;
  /** Only where the status says so. */
  error: { message: string; type: string; param: string | null; code: string };
}
