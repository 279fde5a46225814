// Talks to a Redis that may be slow or away, without letting a request wait for it.
import { Redis } from "ioredis";
import type { Logger } from "pino";
import { messageOf } from "../errors.ts";

/** Time that an answer of Redis may take, in milliseconds: a client is waiting for it. */
export const patience = 250;

/** Time for which a Redis that failed is not asked again, in milliseconds: each try would hold a client up. */
export const quietTime = 1000;

/** Time that a connection to Redis may take, in milliseconds: the instance goes on by itself meanwhile. */
export const connectTime = 2000;

/** Time without an answer after which a connection to Redis counts as dead, in milliseconds: a server that stalls does not close it. */
export const deadTime = 5000;

export interface RedisConnection {
  client: Redis;
  /**
   * The server's answer; nothing where it gives none in time. A command that was sent is carried out all the same, and `afterwards` gets
   * its late answer, to undo it. Until then no other is sent: it would only queue behind.
   */
  ask: <T>(question: () => Promise<T>, afterwards?: (answer: T) => void) => Promise<T | undefined>;
  isAlone: () => boolean;
  close: () => void;
}

/**
 * Connect to a server, again whenever the connection is lost. `found` is called each time the server can be reached after it could not,
 * `receive` with every message on these topics.
 */
export function connectRedis(
  url: string,
  log: Logger,
  { found, topics, receive }: { found: () => Promise<void>; topics: readonly string[]; receive: (topic: string, message: string) => void },
): RedisConnection {
  const client = new Redis(url, {
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    socketTimeout: deadTime,
    connectTimeout: connectTime,
    retryStrategy: (times) => Math.min(times * 100, 2000),
  });
  const subscriber = client.duplicate();
  const reach = createReach(log, found);
  let late = 0;

  async function ask<T>(question: () => Promise<T>, afterwards: (answer: T) => void = () => undefined): Promise<T | undefined> {
    if (client.status !== "ready" || late > 0 || reach.isQuiet()) return undefined;
    const asked = question().then((answer) => ({ answer }));
    try {
      const first = await inTime(asked);
      if (first) {
        reach.found();
        return first.answer;
      }
    } catch (error) {
      reach.lost(error);
      return undefined;
    }
    late += 1;
    reach.lost(new Error("the server does not answer in time"));
    void asked
      .finally(() => (late -= 1))
      .then(({ answer }) => {
        reach.askAgain();
        reach.found();
        afterwards(answer);
      })
      .catch(reach.lost);
    return undefined;
  }

  client.on("error", reach.lost);
  client.on("ready", () => {
    reach.askAgain();
    void ask(() => client.ping());
  });
  subscriber.on("error", () => undefined);
  subscriber.on("ready", () => void subscriber.subscribe(...topics).catch(() => undefined));
  subscriber.on("message", receive);
  const close = () => {
    client.disconnect();
    subscriber.disconnect();
  };
  return { client, ask, isAlone: reach.isAlone, close };
}

/** The answer, or nothing where it takes longer than clients have patience. */
async function inTime<T>(answer: Promise<T>): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<undefined>((resolve) => (timer = setTimeout(resolve, patience, undefined)));
  try {
    return await Promise.race([answer, timeout]);
  } finally {
    clearTimeout(timer);
  }
}

/** Knows if the server can be reached, and logs each change once. */
function createReach(log: Logger, onFound: () => Promise<void>) {
  let quietUntil = 0;
  let isAlone = true;
  let isLogged = false;

  function lost(error: unknown): void {
    quietUntil = performance.now() + quietTime;
    isAlone = true;
    if (isLogged) return;
    isLogged = true;
    log.warn({ reason: messageOf(error) }, "the shared state cannot be reached; this instance goes on by itself");
  }

  function found(): void {
    if (!isAlone) return;
    isAlone = false;
    isLogged = false;
    log.info("the shared state is there");
    void onFound().catch(lost);
  }

  return { lost, found, isAlone: () => isAlone, isQuiet: () => performance.now() < quietUntil, askAgain: () => void (quietUntil = 0) };
}
