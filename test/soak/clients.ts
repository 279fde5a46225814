import { once } from "node:events";
import { Agent, request, type IncomingMessage, type RequestOptions } from "node:http";
import { buffer } from "node:stream/consumers";
import { setTimeout as delay } from "node:timers/promises";
import { pictureOf, slowOrder, smallOrder, type Order } from "./orders.ts";

export interface Load {
  /** Milliseconds of `performance.now()` until which requests begin. */
  until: number;
  /** Small requests a second. */
  rate: number;
  /** Slow requests under way all the time, and the seconds that one takes on the mean. */
  slow: number;
  slowSeconds: number;
}

/** What became of the requests. */
export interface Tally {
  asked: number;
  right: { small: number; slow: number };
  /** Requests that a channel had taken on when it died. */
  cut: number;
  wrong: number;
  /** The first of those that went wrong. */
  examples: string[];
  /** Milliseconds of the small ones. */
  times: number[];
}

interface Around {
  url: string;
  key: string;
  pictures: string;
  /** Orders under way, for the providers. */
  orders: Map<string, Order>;
  /** When a provider's connections were closed, in milliseconds of `performance.now()`. */
  deaths: readonly number[];
  stop: AbortSignal;
}

/** Ask for pictures as `load` says, check every answer, and wait for the last. */
export async function runLoad(load: Load, around: Around): Promise<Tally> {
  const tally: Tally = { asked: 0, right: { small: 0, slow: 0 }, cut: 0, wrong: 0, examples: [], times: [] };
  const agent = new Agent({ keepAlive: true });
  const end = () => agent.destroy();
  around.stop.addEventListener("abort", end);
  const goesOn = () => performance.now() < load.until && !around.stop.aborted;
  const patience = 60_000 + 3000 * load.slowSeconds;

  async function ask(order: Order): Promise<void> {
    const { orders, deaths, stop } = around;
    tally.asked += 1;
    orders.set(order.id, order);
    const began = performance.now();
    const problem = await problemOf(order, around, (url, options, body) => call(url, { ...options, agent, timeout: patience }, body));
    orders.delete(order.id);
    const ended = performance.now();
    const died = deaths.some((time) => began <= time && time <= ended);
    if (stop.aborted) return;
    if (order.takenBy.length > 1) wrong(`${order.id} was ordered from ${order.takenBy.join(" and ")}`);
    else if (problem === undefined) {
      tally.right[order.model] += 1;
      if (order.model === "small") tally.times.push(ended - began);
    }
    // It may have been made and must be paid for: the client is told, and nobody else is asked.
    else if (problem.isFailure && died && order.answered === 0 && order.takenBy[0] !== "steady") tally.cut += 1;
    else wrong(`${order.id}: ${problem.text} (taken on by ${order.takenBy.join(", ") || "nobody"})`);
  }

  const wrong = (text: string) => {
    tally.wrong += 1;
    if (tally.examples.length < 20) tally.examples.push(text);
  };

  async function small(): Promise<void> {
    const begun = performance.now();
    const under = new Set<Promise<void>>();
    for (let number = 0; goesOn();) {
      const due = ((performance.now() - begun) / 1000) * load.rate;
      for (; number < due; number += 1) {
        const asked: Promise<void> = ask(smallOrder(number)).finally(() => under.delete(asked));
        under.add(asked);
      }
      await delay(10);
    }
    await Promise.all(under);
  }

  let slowOnes = 0;
  async function slow(index: number): Promise<void> {
    await delay((index / load.slow) * Math.min(5000, load.slowSeconds * 500));
    while (goesOn()) await ask(slowOrder((slowOnes += 1), load.slowSeconds));
  }

  await Promise.all([small(), ...Array.from({ length: load.slow }, (_, index) => slow(index))]);
  around.stop.removeEventListener("abort", end);
  end();
  return tally;
}

interface Problem {
  text: string;
  /** Whether it is a failure that was told, by a status from 500 on or a broken connection, and not a wrong answer. */
  isFailure: boolean;
}

type Call = (url: string, options: RequestOptions, body?: string) => Promise<{ status: number; body: Buffer }>;

/** What is wrong with the answer to an order; undefined where it is the one that was asked for. */
async function problemOf(order: Order, { url, key, pictures }: Around, call: Call): Promise<Problem | undefined> {
  const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" };
  const body = JSON.stringify({ model: order.model, prompt: order.id, response_format: order.asks });
  const wrong = (text: string) => ({ text, isFailure: false });
  try {
    const answer = await call(`${url}/v1/images/generations`, { method: "POST", headers }, body);
    const told = answer.body.toString("latin1");
    if (answer.status !== 200) return { text: `status ${answer.status}: ${told.slice(0, 200)}`, isFailure: answer.status >= 500 };
    const { data } = JSON.parse(told) as { data: { url?: string; b64_json?: string; revised_prompt?: string }[] };
    const [picture = {}] = data;
    if (data.length !== 1 || picture.revised_prompt !== order.id) return wrong(`another's answer: ${told.slice(0, 200)}`);
    if (order.asks === "b64_json")
      return Buffer.from(String(picture.b64_json), "base64").equals(pictureOf(order.id)) ? undefined : wrong("another's picture");
    if (order.gets === "url") return picture.url === `${pictures}/${order.id}.png` ? undefined : wrong(`another's address: ${picture.url}`);
    const kept = await call(String(picture.url), {});
    return kept.status === 200 && kept.body.equals(pictureOf(order.id)) ? undefined : wrong(`the kept picture: status ${kept.status}`);
  } catch (error) {
    return { text: String(error), isFailure: !(error instanceof SyntaxError) };
  }
}

async function call(url: string, options: RequestOptions, body?: string): Promise<{ status: number; body: Buffer }> {
  const outgoing = request(url, options);
  outgoing.once("timeout", () => outgoing.destroy(new Error(`no answer in ${(options.timeout ?? 0) / 1000} s`)));
  outgoing.end(body);
  const [response] = (await once(outgoing, "response")) as [IncomingMessage];
  return { status: response.statusCode ?? 0, body: await buffer(response) };
}
