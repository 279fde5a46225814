// A provider on loopback that draws, so that the first picture needs no account.
import { randomInt } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Drawing } from "./draw.ts";

interface Order {
  prompt: string;
  width: number;
  height: number;
  count?: number;
  format?: Drawing["format"];
  quality?: number;
  seed?: number;
  watermark?: boolean;
  background?: "transparent" | "opaque" | "auto";
  style?: unknown;
  /** Answer with events: each picture's sketches, then the picture. */
  stream?: boolean;
  sketches?: number;
}

interface Rule {
  right: string;
  accepts: (value: unknown) => boolean;
}

interface Answer {
  status: number;
  body: object;
}

type Make = (drawing: Drawing) => Promise<Buffer>;

/** The library for pixels takes its time to load, and a demo that nobody asks needs none. */
const drawIt: Make = async (drawing) => (await import("./draw.ts")).draw(drawing);

type Queue = <Result>(work: () => Promise<Result>) => Promise<Result>;

/** Body of a call to the demo provider, in bytes: it takes a prompt and the names of pictures. */
export const bodyLimit = 1024 * 1024;

/** Pictures that the demo provider draws at once: one core is left for the gateway. */
export const atOnce = 2;
const required = ["prompt", "width", "height"];
const rules = new Map<string, Rule>([
  ["prompt", { right: "a text", accepts: (value) => typeof value === "string" }],
  ["width", whole(16, 4096)],
  ["height", whole(16, 4096)],
  ["count", whole(1, 10)],
  ["format", oneOf("png", "jpeg", "webp")],
  ["quality", whole(0, 100)],
  ["seed", whole(0, 2 ** 32 - 1)],
  ["watermark", { right: "true or false", accepts: (value) => typeof value === "boolean" }],
  ["background", oneOf("transparent", "opaque", "auto")],
  ["style", { right: "anything", accepts: () => true }],
  ["stream", { right: "true or false", accepts: (value) => typeof value === "boolean" }],
  ["sketches", whole(0, 3)],
]);

/**
 * Start a provider on loopback that draws what it is asked for. It plays somebody else's API, so its shapes are its own and deliberately
 * not those of the gateway. `close` lets running requests finish. Rejects where the port is taken.
 */
export async function startDemoProvider(port = 0): Promise<{ url: string; close(): Promise<void> }> {
  const queue = createQueue(atOnce);
  const running = new Set<Promise<void>>();
  const server = createServer((request, response) => {
    const work = respond(request, response, queue).finally(() => running.delete(work));
    running.add(work);
  });
  // Otherwise processes of a cluster share what listens on any port, with whatever another of them made of it.
  server.listen({ port, host: "127.0.0.1", exclusive: true });
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close() {
      const closed = once(server, "close");
      server.close();
      // A request of a client that hung up has no connection left to wait for, and yet its last picture is still being drawn.
      await Promise.all(running);
      server.closeIdleConnections();
      await closed;
    },
  };
}

async function respond(request: IncomingMessage, response: ServerResponse, queue: Queue): Promise<void> {
  try {
    const answered = await answer(request, response, queue);
    if (!answered) return void response.end();
    const { status, body } = answered;
    response.writeHead(status, { "content-type": "application/json", ...(status === 405 && { allow: "POST" }) });
    response.end(JSON.stringify(body));
  } catch {
    // Only a client that is gone ends up here: its body broke off, or it did not wait for its pictures.
    response.destroy();
  }
}

async function answer(request: IncomingMessage, response: ServerResponse, queue: Queue): Promise<Answer | undefined> {
  if (request.url !== "/draw" && request.url !== "/retouch") return problem(404, "no such path; there are /draw and /retouch");
  if (request.method !== "POST") return problem(405, "the method must be POST");
  if (request.url === "/retouch") return answerForm(request, response, queue);
  const text = await readBody(request);
  if (text === undefined) return problem(413, "the body must be at most 1 MiB");
  const order = parseObject(text);
  if (!order) return problem(400, "the body must be a JSON object");
  return judged(order, response, queue);
}

/** A form with the order as JSON in `order`, and pictures to begin with in `picture` and `mask`, which is white where it may change. */
async function answerForm(request: IncomingMessage, response: ServerResponse, queue: Queue): Promise<Answer | undefined> {
  const { readPictures } = await import("./pictures.ts");
  const { retouch } = await import("./retouch.ts");
  const { texts, pictures } = await readPictures(request);
  const order = parseObject(texts.get("order") ?? "");
  if (!order) return problem(400, "order must be a JSON object");
  const [found = [], [mask] = []] = [pictures.get("picture"), pictures.get("mask")];
  if (found.length === 0) return { status: 422, body: { problem: "picture is missing", field: "picture" } };
  return judged(order, response, queue, (drawing) => retouch(drawing, found, mask));
}

async function judged(
  order: Record<string, unknown>,
  response: ServerResponse,
  queue: Queue,
  make: Make = drawIt,
): Promise<Answer | undefined> {
  const wrong = findWrongField(order);
  if (wrong) return { status: 422, body: wrong };
  return fulfil(order as unknown as Order, response, queue, make);
}

/** Resolves with nothing where the pictures are out already, as events. */
async function fulfil(order: Order, response: ServerResponse, queue: Queue, make: Make): Promise<Answer | undefined> {
  const { stream, sketches = 0 } = order;
  const { prompt, width, height, count = 1, format = "png", quality, watermark, background, seed = randomInt(2 ** 32) } = order;
  if (/\bforbidden\b/i.test(prompt))
    return { status: 422, body: { problem: "the prompt was refused by the demo's moderation", refused: true } };
  const transparent = background === "transparent";
  const pictures = [];
  for (let index = 0; index < count; index += 1) {
    const bytes = await queue(() => {
      if (response.destroyed) throw new Error("the client is gone");
      return make({ prompt, width, height, format, quality, watermark, transparent, seed: seed + index });
    });
    const picture = { base64: bytes.toString("base64"), seed: seed + index };
    if (!stream) pictures.push(picture);
    else {
      for (let step = 0; step < sketches; step += 1) {
        const { sketch } = await import("./sketch.ts");
        const unfinished = await queue(() => sketch(bytes, step));
        tell(response, "sketch", { base64: unfinished.toString("base64"), step, format, width, height });
      }
      tell(response, "picture", { ...picture, format, width, height });
    }
  }
  if (stream) return undefined;
  return { status: 200, body: { pictures, format, width, height } };
}

function tell(response: ServerResponse, event: string, data: object): void {
  if (!response.headersSent) response.writeHead(200, { "content-type": "text/event-stream" });
  response.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
}

/** The body as text, undefined if it is too long. It is read to its end even then, or the client would not get to see the answer. */
async function readBody(request: AsyncIterable<Buffer>): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request) {
    length += chunk.length;
    if (length <= bodyLimit) chunks.push(chunk);
  }
  return length <= bodyLimit ? Buffer.concat(chunks).toString() : undefined;
}

function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

function findWrongField(order: Record<string, unknown>): { problem: string; field: string } | undefined {
  for (const field of required) {
    if (!Object.hasOwn(order, field)) return { problem: `${field} is missing`, field };
  }
  for (const [field, value] of Object.entries(order)) {
    const rule = rules.get(field);
    if (!rule) return { problem: `${field} is not a known field; known: ${[...rules.keys()].join(", ")}`, field };
    if (!rule.accepts(value)) return { problem: `${field} must be ${rule.right}`, field };
  }
  if (order.background === "transparent" && order.format === "jpeg")
    return { problem: "background must be opaque or auto in a jpeg", field: "background" };
  return undefined;
}

function problem(status: number, text: string): Answer {
  return { status, body: { problem: text } };
}

function whole(low: number, high: number): Rule {
  return { right: `${low} to ${high}`, accepts: (value) => Number.isInteger(value) && Number(value) >= low && Number(value) <= high };
}

function oneOf(...values: string[]): Rule {
  return { right: `${values.slice(0, -1).join(", ")} or ${values.at(-1)}`, accepts: (value) => values.includes(value as string) };
}

/** Runs at most `places` works at a time, the others in the order they came. */
function createQueue(places: number): Queue {
  let free = places;
  const waiting: (() => void)[] = [];
  return async (work) => {
    if (free > 0) free -= 1;
    else await new Promise<void>((resolve) => waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next) next();
      else free += 1;
    }
  };
}
