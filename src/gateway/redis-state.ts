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

/** Milliseconds without an answer after which the connection counts as dead. */
const deadTime = 5000;

// Each instance tells how many places it has itself, so that what was told late or twice is put right by what is told next. Of its own
// numbers the newest holds, in whatever order they arrive, and none of them keeps it from a place. With a limit it asks for one more.
const placesScript = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local others, newest = 0, 0
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  local count, till, told = string.match(all[i + 1], '(%d+):(%d+):(%d+)')
  if all[i] == ARGV[2] then newest = tonumber(told)
  elseif tonumber(till) <= now then redis.call('HDEL', KEYS[1], all[i])
  else others = others + count end
end
if tonumber(ARGV[3]) < newest then return 1 end
if ARGV[5] and others + ARGV[4] > tonumber(ARGV[5]) then return 0 end
redis.call('HSET', KEYS[1], ARGV[2], ARGV[4] .. ':' .. (now + ARGV[1]) .. ':' .. ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return 1`;

const claimScript = `
if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) or redis.call('GET', KEYS[1]) == ARGV[1] then return 1 end
return 0`;

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
    socketTimeout: deadTime,
    connectTimeout: 2000,
    retryStrategy: (times) => Math.min(times * 100, 2000),
  });
  const ears = client.duplicate();
  const limiterOf = createLimiters(
    (points) => new RateLimiterRedis({ storeClient: client, points, duration: 60, keyPrefix: "pictor:minute" }),
  );
  /** This instance's own places by subject; none is remembered until the server knows it. */
  const held = new Map<string, number>();
  let told = 0;
  let late = 0;
  const rests = new Map<string, { until: number; told: Exclude<Told, string> }>();
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

  /**
   * The server's answer; nothing where it gives none in time. A command that was sent is carried out all the same, and `afterwards` gets
   * its late answer, to undo it. Until then no other is sent: it would only stand behind.
   */
  async function ask<T>(question: () => Promise<T>, afterwards: (answer: T) => void = () => undefined): Promise<T | undefined> {
    if (client.status !== "ready" || late > 0 || performance.now() < quietUntil) return undefined;
    let timer: NodeJS.Timeout | undefined;
    const outOfTime = new Promise<"late">((resolve) => (timer = setTimeout(resolve, patience, "late")));
    const asked = question().then((answer) => ({ answer }));
    try {
      const first = await Promise.race([asked, outOfTime]);
      if (first !== "late") {
        found();
        return first.answer;
      }
    } catch (error) {
      lost(error);
      return undefined;
    } finally {
      clearTimeout(timer);
    }
    late += 1;
    lost(new Error("the server does not answer in time"));
    void asked
      .finally(() => (late -= 1))
      .then(({ answer }) => {
        quietUntil = 0;
        found();
        afterwards(answer);
      })
      .catch(lost);
    return undefined;
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
    for (const [subject, { until, told: rest }] of rests) {
      const left = until - Date.now();
      if (left > 0) await publish(subject, { ...rest, rests: left });
      else rests.delete(subject);
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

  /** Tell the server of this instance's places, with a limit only if all instances have no more; resolves with whether that is so. */
  async function tellPlaces(subject: string, limit?: number): Promise<boolean> {
    const count = held.get(subject) ?? 0;
    const most = limit === undefined ? [] : [limit];
    const answer = await client.eval(placesScript, 1, `pictor:held:${subject}`, lease, instance, (told += 1), count, ...most);
    if (count === 0 && held.get(subject) === 0) held.delete(subject);
    return answer !== 0;
  }

  async function holdPlaces(): Promise<void> {
    await Promise.all([...held.keys()].map((subject) => tellPlaces(subject)));
  }

  client.on("error", lost);
  client.on("ready", () => {
    quietUntil = 0;
    void ask(() => client.ping());
  });
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
      const add = (places: number) => held.set(subject, (held.get(subject) ?? 0) + places);
      add(1);
      const leave = () => {
        place();
        add(-1);
        void ask(() => tellPlaces(subject));
      };
      if ((await ask(() => tellPlaces(subject, limit))) !== false) return leave;
      // What was asked meanwhile has counted this place.
      leave();
      return undefined;
    },
    take: async (subject, pictures, perMinute) => {
      const limiter = limiterOf(perMinute);
      let refused = false;
      const afterwards = (wait: number) => {
        if (wait === 0 && refused) void ask(() => limiter.reward(subject, Math.min(pictures, perMinute)));
      };
      const wait = (await ask(() => takeFrom(limiter, subject, pictures), afterwards)) ?? (await own.take(subject, pictures, perMinute));
      refused = wait > 0;
      return wait;
    },
    giveBack: async (subject, pictures, perMinute) => {
      if (!(await ask(() => limiterOf(perMinute).reward(subject, Math.min(pictures, perMinute)))))
        await own.giveBack(subject, pictures, perMinute);
    },
    claim: async (subject, milliseconds) => {
      const claimed = () => client.eval(claimScript, 1, trialKey(subject), instance, milliseconds);
      // One that is granted late keeps all others from trying, for a trial that is long over.
      return (await ask(claimed, (answer) => void (answer === 1 && ask(() => client.del(trialKey(subject)))))) !== 0;
    },
    tell: (subject, what) => {
      if (what === "well") rests.delete(subject);
      else if (what !== "tried") rests.set(subject, { until: Date.now() + what.rests, told: what });
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
