// A provider on loopback that counts what is ordered for each wish, as an answer, as a stream, or as a task.
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { setTimeout as delay } from "node:timers/promises";
import { pictureOf, type Wish } from "./load.ts";

export type Event = "ordered" | "accepted" | "polled" | "made";

export interface Provider {
  url: string;
  /** Know these wishes from now on; `seen` is told of each step of their orders. */
  expect(wishes: readonly Wish[], seen: (event: Event) => void): void;
  forget(wishes: readonly Wish[]): void;
  close(): void;
}

interface Known {
  wish: Wish;
  seen: (event: Event) => void;
  /** When its task is done, by `performance.now()`. */
  due?: number;
  isRefused: boolean;
}

export async function startProvider(): Promise<Provider> {
  const known = new Map<string, Known>();
  const server = createServer((request, response) => void serve(request, response).catch(() => response.destroy()));
  server.keepAliveTimeout = 75_000;

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await text(request);
    const [, number] = /(?:walrus|picture)-(\d+-\d+)-end/.exec(body + String(request.url)) ?? [];
    const one = known.get(`walrus-${number}-end`);
    if (!one) response.writeHead(404).end("{}");
    else if (request.url?.startsWith("/pictures/")) response.writeHead(200, { "content-type": "image/png" }).end(pictureOf(one.wish.id));
    else if (request.method === "GET") poll(one, response);
    else if (!one.isRefused && one.wish.isRefused) {
      one.isRefused = true;
      json(response, { error: { message: "not now" } }, 503);
    } else await order(one, response, { isTask: request.url?.endsWith("/tasks") === true, streams: /"stream":true/.test(body) });
  }

  async function order(one: Known, response: ServerResponse, { isTask, streams }: { isTask: boolean; streams: boolean }): Promise<void> {
    const { wish, seen } = one;
    wish.seen.orders += 1;
    seen("ordered");
    const b64_json = pictureOf(wish.id).toString("base64");
    if (isTask) {
      one.due ??= performance.now() + wish.takes;
      await delay(wish.takes % 7);
      json(response, { id: wish.id.replace("walrus", "picture") });
      seen("accepted");
      return;
    }
    const event = (type: string, more: object) =>
      response.write(`event: ${type}\ndata: ${JSON.stringify({ type, b64_json, ...more })}\n\n`);
    if (streams) {
      response.writeHead(200, { "content-type": "text/event-stream" });
      event("image_generation.partial_image", { partial_image_index: 0 });
    }
    await delay(wish.takes);
    seen("made");
    if (streams) {
      event("image_generation.completed", {});
      response.end();
    } else json(response, { created: 1_713_833_628, data: [{ b64_json }] });
    // The gateway may have gone meanwhile.
    wish.seen.finished ||= !response.destroyed;
  }

  function poll({ wish, seen, due = Infinity }: Known, response: ServerResponse): void {
    wish.seen.polls += 1;
    seen("polled");
    if (performance.now() < due) {
      json(response, { state: "working" });
      return;
    }
    wish.seen.finished = true;
    seen("made");
    const picture =
      wish.gets === "url"
        ? { url: `${url}/pictures/${wish.id.replace("walrus", "picture")}` }
        : { b64_json: pictureOf(wish.id).toString("base64") };
    json(response, { state: "done", images: [picture] });
  }

  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url,
    expect: (wishes, seen) => wishes.forEach((wish) => known.set(wish.id, { wish, seen, isRefused: false })),
    forget: (wishes) => wishes.forEach(({ id }) => known.delete(id)),
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

function json(response: ServerResponse, body: object, status = 200): void {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
}

/** The channels of the provider: each model has two, of which the first may refuse. */
export function channelFiles(url: string): Record<string, string> {
  const account = (priority: number) => `base_url: ${url}
trusted_hosts: ["127.0.0.1:*"]
priority: ${priority}
cool_down: { after: 1000 }
`;
  const sync = (priority: number) => `extends: openai-images
${account(priority)}models: { sync: { schema: demo } }
plugins: [response-format, image-inputs]
`;
  const task = (priority: number) => `${account(priority)}models: { task: { schema: demo } }
plugins: [response-format, image-inputs]
generate:
  request: { post: /tasks, json: { prompt: "\${request.prompt}" } }
  poll: { get: "/tasks/\${submitted.id}", every: 40ms, state: "\${body.state}", pending: [working], done: [done] }
  result: { images: "\${body.images}", base64: "\${image.?b64_json}", url: "\${image.?url}" }
edit:
  like: generate
  request: { post: /tasks, multipart: { prompt: "\${request.prompt}", image: "\${request.images}" } }
`;
  return { "sync-one.yaml": sync(1), "sync-two.yaml": sync(2), "task-one.yaml": task(1), "task-two.yaml": task(2) };
}
