import { once } from "node:events";
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { setTimeout as delay } from "node:timers/promises";
import { pictureOf, type Order } from "./orders.ts";

/** A provider on loopback that can die and come back. */
export interface Provider {
  url: string;
  /** Orders answered in full so far. */
  readonly answered: number;
  /** Take nothing new on, with a 503, and finish what was begun. */
  refuse(): void;
  /** Be gone: connections are refused. `cut` breaks off what is under way too. */
  die(cut: boolean): Promise<void>;
  comeBack(): Promise<void>;
  close(): Promise<void>;
}

/** `orders` holds those under way by their number, `pictures` is where the pictures are that are answered as addresses. */
export async function startProvider(name: string, orders: ReadonlyMap<string, Order>, pictures: string): Promise<Provider> {
  let answered = 0;
  let isUp = true;
  const servers = new Set<Server>();

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { prompt } = JSON.parse(await text(request)) as { prompt: string };
    const order = isUp ? orders.get(prompt) : undefined;
    if (!order) {
      response.setHeader("connection", "close");
      say(response, isUp ? 400 : 503, JSON.stringify({ error: { message: "this is not taken on" } }));
      return;
    }
    order.takenBy.push(name);
    const picture = order.gets === "url" ? { url: `${pictures}/${order.id}.png` } : { b64_json: pictureOf(order.id).toString("base64") };
    const body = JSON.stringify({ created: 1_713_833_628, data: [{ ...picture, revised_prompt: order.id }] });
    response.once("finish", () => {
      answered += 1;
      order.answered += 1;
    });
    const begun = order.drips ? body.length >> 1 : 0;
    if (begun > 0) response.writeHead(200, head(body)).write(body.slice(0, begun));
    await delay(order.takes);
    if (begun > 0) response.end(body.slice(begun));
    else say(response, 200, body);
  }

  const listen = async (port: number) => {
    const server = await listening(port, (request, response) => void serve(request, response).catch(() => response.destroy()));
    servers.add(server);
    server.once("close", () => servers.delete(server));
    return server;
  };
  let server = await listen(0);
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    get answered() {
      return answered;
    },
    refuse: () => (isUp = false),
    die: async (cut) => {
      isUp = false;
      server.close();
      if (cut) server.closeAllConnections();
      await Promise.resolve();
    },
    comeBack: async () => {
      server = await listen(port);
      isUp = true;
    },
    close: () => closed([...servers]),
  };
}

/** Where pictures are that a provider answered as addresses; it never fails. */
export async function startPictures(): Promise<{ url: string; close(): Promise<void> }> {
  const server = await listening(0, (request, response) => {
    const picture = pictureOf(/([\w-]+)\.png$/.exec(String(request.url))?.[1] ?? "");
    response.writeHead(200, { "content-type": "image/png", "content-length": picture.length }).end(picture);
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, close: () => closed([server]) };
}

async function listening(port: number, handle: RequestListener): Promise<Server> {
  // Thousands may come at once.
  const server = createServer(handle).listen({ port, host: "127.0.0.1", backlog: 4096 });
  // A provider that closes a connection just as it is used again would lose a request, and nothing could prove it.
  server.keepAliveTimeout = 75_000;
  await once(server, "listening");
  return server;
}

async function closed(servers: readonly Server[]): Promise<void> {
  for (const server of servers) {
    server.close();
    server.closeAllConnections();
  }
  await Promise.resolve();
}

const head = (body: string) => ({ "content-type": "application/json", "content-length": Buffer.byteLength(body) });

function say(response: ServerResponse, status: number, body: string): void {
  response.writeHead(status, head(body)).end(body);
}
