// A CONNECT proxy on loopback for tests, to which every name and address is the same server.
import { createServer } from "node:http";
import { connect, type AddressInfo, type Socket } from "node:net";

export interface ProxyServer {
  url: string;
  /** What was to be connected to, in its order. */
  asked: string[];
  /** The credentials that came with it. */
  credentials: (string | undefined)[];
  /** The first bytes through a tunnel that leads nowhere. */
  first: Promise<Buffer>;
  close: () => void;
}

/** `leads` says to which port a target leads; a status refuses it, and nothing leaves it without an answer. */
export async function proxyServer(
  leads: (target: string) => { port: number } | { status: number } | "nowhere" | undefined,
): Promise<ProxyServer> {
  const sockets = new Set<Socket>();
  const here: Pick<ProxyServer, "asked" | "credentials"> = { asked: [], credentials: [] };
  let told: (bytes: Buffer) => void = () => undefined;
  const first = new Promise<Buffer>((resolve) => (told = resolve));
  const server = createServer();
  server.on("connection", (socket) => sockets.add(socket.on("error", () => undefined)));
  server.on("connect", (request, socket) => {
    here.asked.push(request.url ?? "");
    here.credentials.push(request.headers["proxy-authorization"]);
    const way = leads(request.url ?? "");
    if (way === undefined) return;
    if (way === "nowhere") {
      socket.write("HTTP/1.1 200 Connection established\r\n\r\n");
      socket.once("data", (bytes: Buffer) => {
        told(bytes);
        socket.destroy();
      });
    } else if ("status" in way) socket.end(`HTTP/1.1 ${way.status} No\r\ncontent-length: 0\r\n\r\n`);
    else {
      const onwards = connect(way.port, "127.0.0.1", () => {
        socket.write("HTTP/1.1 200 Connection established\r\n\r\n");
        socket.pipe(onwards).pipe(socket);
      });
      sockets.add(onwards.on("error", () => socket.destroy()));
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    ...here,
    first,
    url: `http://user:p%40ss@127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}
