// Says what is wrong with how a run ended.
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { Row } from "../../src/ledger/database.ts";
import type { Outcome } from "./client.ts";
import type { Disaster } from "./disaster.ts";
import type { Gateway } from "./gateway.ts";
import { describeWish, pictureOf, pictureText, type Wish } from "./load.ts";

export interface Ended {
  wish: Wish;
  outcome: Outcome;
}

/** When a disaster began and was over, by `performance.now()`. */
export interface Trouble {
  began: number;
  ended: number;
  disaster: Pick<Disaster, "loses" | "forgets">;
}

/** The troubles that there were while a request was under way. */
export function troublesOf<T extends Trouble>({ began, ended }: Pick<Outcome, "began" | "ended">, troubles: readonly T[]): T[] {
  return troubles.filter((trouble) => began <= trouble.ended && trouble.began <= ended);
}

/** What is wrong with the answer to one wish; undefined where nothing is. */
export function problemOf({ wish, outcome }: Ended, troubles: readonly Trouble[]): string | undefined {
  const { isJob, seen } = wish;
  const disasters = troublesOf(outcome, troubles).map(({ disaster }) => disaster);
  const loses = (what: Disaster["loses"]) => disasters.some((one) => one.loses === what);
  const isForgotten = disasters.some(({ forgets }) => forgets(wish.name));
  const name = isForgotten ? "none" : wish.name;
  const { picture, told, attempts, began, ended } = outcome;
  const wrong = (text: string) => `${describeWish(wish)}, sent ${attempts + 1} times in ${Math.round(ended - began)} ms: ${text}`;
  // A request without a name is a new order each time that its client sends it.
  if (seen.orders > 1 && (name !== "none" || attempts === 0)) return wrong(`ordered ${seen.orders} times`);
  if (picture) return picture.equals(pictureOf(wish.id)) ? undefined : wrong(`another picture: ${picture.toString("latin1").slice(0, 60)}`);
  // The provider was polled, so its task was in the ledger.
  const isKept = !loses("pictures") && seen.polls > 0 && (name !== "none" || isJob) && !(wish.streams && name !== "key");
  return (isForgotten || loses("orders") || loses("pictures")) && !isKept ? undefined : wrong(`no picture, but: ${told}`);
}

/** Rows that are not over once every client has its answer; those that nobody waits for have a while. */
export async function unfinished({ openDatabase }: Gateway, patience = 20_000): Promise<Row[]> {
  const database = await openDatabase();
  const sql = "select id, status, phase, owner, job, input, created_at, ended_at from requests where status in ('queued', 'in_progress')";
  for (const until = performance.now() + patience; ;) {
    const rows = await database.run([{ sql }]);
    if (rows.length === 0 || performance.now() > until) {
      await database.close();
      return rows;
    }
    await delay(100);
  }
}

/** Files of the ledger, or rows of it, in which a prompt or a picture stands. */
export async function leaks({ data, openDatabase }: Gateway): Promise<string[]> {
  const texts = new Map<string, string>();
  for (const name of (await readdir(data)).filter((file) => file.startsWith("ledger")))
    texts.set(name, await readFile(join(data, name), "latin1").catch(() => ""));
  const database = await openDatabase();
  texts.set("requests", JSON.stringify(await database.run([{ sql: "select * from requests" }])));
  await database.close();
  return [...texts].flatMap(([name, text]) => {
    const at = Math.max(text.indexOf("walrus"), text.indexOf(pictureText));
    return at < 0 ? [] : [`${name} has a prompt or a picture in it: ${JSON.stringify(text.slice(Math.max(0, at - 300), at + 100))}`];
  });
}
