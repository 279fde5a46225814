// Shares the health of scopes between instances through Redis, and grants the trial of each scope to one instance.
import type { ReportedCoolDown } from "./cool-downs.ts";
import type { Report } from "./health.ts";
import type { RedisConnection } from "./redis-connection.ts";
import type { SharedState } from "./shared-state.ts";

const claimScript = `
if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) or redis.call('GET', KEYS[1]) == ARGV[1] then return 1 end
return 0`;

/** The topic of the reports. It, the keys and the form of the messages stay as they are: instances of an older version know no others. */
export const reportTopic = "pictor:health";
const trialKey = (scope: string) => `pictor:trial:${scope}`;
const coolDownKey = (scope: string) => `pictor:rest:${scope}`;

type Message = "tried" | "well" | { rests: number; failures: number; named: boolean };

export interface RedisReports extends Pick<SharedState, "claim" | "report" | "onReport"> {
  /** Receive a message on the topic. Throws where it is no report. */
  receive(message: string): void;
  /** Send the cool-downs that this instance has reported and that are not over; rejects where the server fails. */
  sendAll(): Promise<void>;
  /** Learn the cool-downs that others have sent; rejects where the server fails. */
  readAll(): Promise<void>;
}

/** `guard` runs what may throw because of another instance's message. */
export function createRedisReports(
  { client, ask }: RedisConnection,
  { instance, guard }: { instance: string; guard: (receive: () => void) => void },
): RedisReports {
  const coolDowns = new Map<string, { until: number; reported: ReportedCoolDown }>();
  let receiver: (scope: string, report: Report) => void = () => undefined;

  async function send(scope: string, report: Report): Promise<void> {
    const told = messageOf(report);
    // Only a trial that goes on keeps its claim.
    if (told !== "tried") await client.del(trialKey(scope));
    if (told === "well") await client.del(coolDownKey(scope));
    else if (told !== "tried") await client.set(coolDownKey(scope), JSON.stringify(told), "PX", Math.ceil(told.rests));
    await client.publish(reportTopic, JSON.stringify({ instance, subject: scope, told }));
  }

  async function sendAll(): Promise<void> {
    for (const [scope, { until, reported }] of coolDowns) {
      const coolDown = until - Date.now();
      if (coolDown > 0) await send(scope, { ...reported, coolDown });
      else coolDowns.delete(scope);
    }
  }

  async function readAll(): Promise<void> {
    for await (const keys of client.scanStream({ match: `${coolDownKey("")}*` }) as AsyncIterable<string[]>) {
      for (const key of keys) {
        const [text, rests] = await Promise.all([client.get(key), client.pttl(key)]);
        const scope = key.slice(coolDownKey("").length);
        if (text !== null && rests > 0) guard(() => receiver(scope, reportOf({ ...(JSON.parse(text) as object), rests })));
      }
    }
  }

  return {
    sendAll,
    readAll,
    receive: (message) => {
      const { instance: from, subject, told } = JSON.parse(message) as { instance: string; subject: string; told: unknown };
      if (from !== instance) receiver(subject, reportOf(told));
    },
    claim: async (scope, milliseconds) => {
      const claim = () => client.eval(claimScript, 1, trialKey(scope), instance, milliseconds);
      // A claim that is granted late would keep all others from a trial, for one that is long over.
      const undo = (answer: unknown) => void (answer === 1 && ask(() => client.del(trialKey(scope))));
      return (await ask(claim, undo)) !== 0;
    },
    report: (scope, report) => {
      if (report === "well") coolDowns.delete(scope);
      else if (report !== "tried") coolDowns.set(scope, { until: Date.now() + report.coolDown, reported: report });
      void ask(() => send(scope, report));
    },
    onReport: (receive) => {
      receiver = receive;
    },
  };
}

function messageOf(report: Report): Message {
  if (typeof report === "string") return report;
  const { coolDown, failures, named } = report;
  return { rests: coolDown, failures, named };
}

/** Throws where it is no report. */
function reportOf(message: unknown): Report {
  if (message === "tried" || message === "well") return message;
  const { rests, failures, named } = message as Exclude<Message, string>;
  if (typeof rests !== "number" || typeof failures !== "number") throw new Error("it reports no cool-down");
  return { coolDown: rests, failures, named };
}
