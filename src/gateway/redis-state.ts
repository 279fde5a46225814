// Shares counts and reports between instances through Redis, and lets each go on by itself while the server does not answer.
import { randomUUID } from "node:crypto";
import type { Logger } from "pino";
import { RateLimiterRedis } from "rate-limiter-flexible";
import { messageOf } from "../errors.ts";
import { connectRedis, type RedisConnection } from "./redis-connection.ts";
import { createRedisReports, reportTopic } from "./redis-reports.ts";
import { createRedisSlots } from "./redis-slots.ts";
import { createLimiters, createMemoryState, createReceivers, takeFrom, type SharedState, type Siblings } from "./shared-state.ts";

/** Time after which the slots of an instance that died are free, in milliseconds: a living one renews them before. */
export const leaseTime = 30_000;

const noteTopic = "pictor:notes";

/**
 * A state that several instances share in Redis. Each counts for itself too: while the server does not answer, every instance goes on by
 * itself at once, and logs it once; when the server is back, counts and cool-downs that still hold are sent again.
 */
export function createRedisState(
  url: string,
  log: Logger,
  { lease = leaseTime, siblings }: { lease?: number; siblings?: Siblings } = {},
): SharedState {
  const instance = randomUUID();
  const own = createMemoryState({ siblings });
  const receivers = createReceivers();

  /** A message of another program, or of another version of this one, must not end the process. */
  function guard(receive: () => void): void {
    try {
      receive();
    } catch (error) {
      log.warn({ reason: messageOf(error) }, "what another instance told is not understood");
    }
  }

  function receiveNote(message: string): void {
    const { instance: from, topic, note } = JSON.parse(message) as { instance: string; topic: string; note: unknown };
    if (from !== instance) receivers.receive(topic, note);
  }

  const connection = connectRedis(url, log, {
    found: async () => {
      await reports.sendAll();
      await slots.sendAll();
      await reports.readAll();
    },
    topics: [reportTopic, noteTopic],
    receive: (topic, message) => guard(() => (topic === noteTopic ? receiveNote(message) : reports.receive(message))),
  });
  const { client, ask } = connection;
  const reports = createRedisReports(connection, { instance, guard });
  const slots = createRedisSlots(connection, own, { instance, lease });

  return {
    enter: slots.enter,
    ...sharedPictures(connection, own),
    claim: reports.claim,
    report: reports.report,
    onReport: reports.onReport,
    share: async (topic, note) => {
      const told = own.share(topic, note);
      await ask(() => client.publish(noteTopic, JSON.stringify({ instance, topic, note })));
      await told;
    },
    onShared: (topic, receive) => {
      own.onShared(topic, receive);
      receivers.add(topic, receive);
    },
    standing: () => (connection.isAlone() ? "alone" : "shared"),
    close: () => {
      slots.close();
      connection.close();
      return Promise.resolve();
    },
  };
}

/** The pictures of a minute, counted by the server, or by this instance alone where it does not answer. */
function sharedPictures({ client, ask }: RedisConnection, own: SharedState): Pick<SharedState, "take" | "giveBack"> {
  const limiterOf = createLimiters(
    (points) => new RateLimiterRedis({ storeClient: client, points, duration: 60, keyPrefix: "pictor:minute" }),
  );
  const reward = (scope: string, pictures: number, perMinute: number) =>
    ask(() => limiterOf(perMinute).reward(scope, Math.min(pictures, perMinute)));
  return {
    take: async (scope, pictures, perMinute) => {
      let isRefused = false;
      // Pictures that the server grants late, after this instance has refused the request, are given back.
      const undo = (wait: number) => void (wait === 0 && isRefused && reward(scope, pictures, perMinute));
      const wait = (await ask(() => takeFrom(limiterOf(perMinute), scope, pictures), undo)) ?? (await own.take(scope, pictures, perMinute));
      isRefused = wait > 0;
      return wait;
    },
    giveBack: async (scope, pictures, perMinute) => {
      if (!(await reward(scope, pictures, perMinute))) await own.giveBack(scope, pictures, perMinute);
    },
  };
}
