import { randomUUID } from "node:crypto";
import { Redis } from "ioredis";
import type { Logger } from "pino";
import { RateLimiterRedis } from "rate-limiter-flexible";
import { messageOf } from "../errors.ts";
import type { Told } from "./health.ts";
import { createLimiters, createMemoryState, createReceivers, takeFrom, type SharedState } from "./shared-state.ts";

/** Milliseconds that an answer may take; who waits for it is a client. */
const patience = 250;

/** Milliseconds for which a server that failed is not asked again. */
const quietTime = 1000;

/** Milliseconds after which the place of an instance that died is free. */
const leaseTime = 30_000;

const enterScript = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[1]) then return 0 end
redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1`;

const claimScript = `
if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) or redis.call('GET', KEYS[1]) == ARGV[1] then return 1 end
return 0`;

const holdScript = `
local time = redis.call('TIME')
redis.call('ZADD', KEYS[1], time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[1], ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[1])`;

/**
 * What several instances count and know together, in Redis. Each counts for itself too: while the server does not answer, every instance
 * goes on by itself at once, and says so once; when it is back, what is still so is told again.
 */
export function createRedisState(url: string, log: Logger, { lease = leaseTime }: { lease?: number } = {}): SharedState {
  const instance = randomUUID();
  const own = createMemoryState();
  const client = new Redis(url, {
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    commandTimeout: patience,
    connectTimeout: 2000,
    retryStrategy: (times) => Math.min(times * 100, 2000),
  });
  const ears = client.duplicate();
  const limiterOf = createLimiters(
    (points) => new RateLimiterRedis({ storeClient: client, points, duration: 60, keyPrefix: "pictor:minute" }),
  );
  const held = new Map<string, string>();
  const told = new Map<string, { until: number; told: Exclude<Told, string> }>();
  const receivers = createReceivers();
  let hear: (subject: string, told: Told) => void = () => undefined;
  let quietUntil = 0;
  let isAlone = true;
  let saidSo = false;

  function lost(error: unknown): void {
    quietUntil = performance.now() + quietTime;
    isAlone = true;
    if (saidSo) return;
    saidSo = true;
    log.warn({ reason: messageOf(error) }, "the shared state cannot be reached; this instance goes on by itself");
  }

  /** The server's answer; nothing where it gives none. */
  async function ask<T>(question: () => Promise<T>): Promise<T | undefined> {
    if (client.status !== "ready" || performance.now() < quietUntil) return undefined;
    try {
      const answer = await question();
      found();
      return answer;
    } catch (error) {
      lost(error);
      return undefined;
    }
  }

  function found(): void {
    if (!isAlone) return;
    isAlone = false;
    log.info("the shared state is there");
    saidSo = false;
    void tellAll().catch(lost);
  }

  /** What this instance knows is told to the others, and what they know is learnt. */
  async function tellAll(): Promise<void> {
    for (const [subject, { until, told: rest }] of told) {
      const rests = until - Date.now();
      if (rests > 0) await publish(subject, { ...rest, rests });
      else told.delete(subject);
    }
    await holdPlaces();
    for await (const keys of client.scanStream({ match: `${restKey("")}*` }) as AsyncIterable<string[]>) {
      for (const key of keys) {
        const [text, rests] = await Promise.all([client.get(key), client.pttl(key)]);
        if (text !== null && rests > 0) heed(() => hear(key.slice(restKey("").length), asTold({ ...(JSON.parse(text) as object), rests })));
      }
    }
  }

  /** Hear what another told. What is of another program, or of another version of this one, must not end the process. */
  function heed(told: () => void): void {
    try {
      told();
    } catch (error) {
      log.warn({ reason: messageOf(error) }, "what another instance told is not understood");
    }
  }

  async function publish(subject: string, what: Told): Promise<void> {
    const message = JSON.stringify({ instance, subject, told: what });
    // Whoever tried it has come back.
    if (what !== "tried") await client.del(trialKey(subject));
    if (what === "well") await client.del(restKey(subject));
    else if (what !== "tried") await client.set(restKey(subject), JSON.stringify(what), "PX", Math.ceil(what.rests));
    await client.publish(topic, message);
  }

  async function holdPlaces(): Promise<void> {
    await Promise.all([...held].map(([member, key]) => client.eval(holdScript, 1, key, lease, member)));
  }

  client.on("error", lost);
  client.on("ready", () => void ask(() => client.ping()));
  ears.on("error", () => undefined);
  ears.on("ready", () => void ears.subscribe(topic, notesTopic).catch(() => undefined));
  ears.on("message", (heardOn, message: string) =>
    heed(() => {
      if (heardOn === notesTopic) {
        const { instance: from, topic: about, note } = JSON.parse(message) as { instance: string; topic: string; note: unknown };
        if (from !== instance) receivers.receive(about, note);
        return;
      }
      const { instance: from, subject, told: what } = JSON.parse(message) as { instance: string; subject: string; told: unknown };
      if (from !== instance) hear(subject, asTold(what));
    }),
  );
  // A place is kept for as long as its request runs, and found again by a server that lost it.
  const renewal = setInterval(() => void ask(holdPlaces), lease / 3);

  return {
    enter: async (subject, limit) => {
      const place = await own.enter(subject, limit);
      if (!place) return undefined;
      const key = `pictor:places:${subject}`;
      const member = randomUUID();
      if ((await ask(() => client.eval(enterScript, 1, key, limit, lease, member))) === 0) {
        place();
        return undefined;
      }
      held.set(member, key);
      return () => {
        place();
        held.delete(member);
        void ask(() => client.zrem(key, member));
      };
    },
    take: async (subject, pictures, perMinute) =>
      (await ask(() => takeFrom(limiterOf(perMinute), subject, pictures))) ?? own.take(subject, pictures, perMinute),
    giveBack: async (subject, pictures, perMinute) => {
      if (!(await ask(() => limiterOf(perMinute).reward(subject, Math.min(pictures, perMinute)))))
        await own.giveBack(subject, pictures, perMinute);
    },
    claim: async (subject, milliseconds) => (await ask(() => client.eval(claimScript, 1, trialKey(subject), instance, milliseconds))) !== 0,
    tell: (subject, what) => {
      if (what === "well") told.delete(subject);
      else if (what !== "tried") told.set(subject, { until: Date.now() + what.rests, told: what });
      void ask(() => publish(subject, what));
    },
    listen: (listener) => {
      hear = listener;
    },
    share: (about, note) => void ask(() => client.publish(notesTopic, JSON.stringify({ instance, topic: about, note }))),
    onShared: receivers.add,
    standing: () => (isAlone ? "alone" : "shared"),
    close: () => {
      clearInterval(renewal);
      client.disconnect();
      ears.disconnect();
      return Promise.resolve();
    },
  };
}

const topic = "pictor:health";
const notesTopic = "pictor:notes";
const trialKey = (subject: string) => `pictor:trial:${subject}`;
const restKey = (subject: string) => `pictor:rest:${subject}`;

/** Throws where it is nothing that instances tell each other. */
function asTold(what: unknown): Told {
  if (what === "tried" || what === "well") return what;
  const { rests, failures, named } = what as Exclude<Told, string>;
  if (typeof rests !== "number" || typeof failures !== "number") throw new Error("it tells of no rest");
  return { rests, failures, named };
}
