// Shows what happened to a cluster and its load, and says what should not have.
import type { Row } from "../../src/ledger/database.ts";
import type { Ended } from "../outlive/judge.ts";
import type { Wish } from "../outlive/load.ts";
import { growthOf, type Sample } from "../soak/memory.ts";
import type { Reads } from "./downloads.ts";
import { fateOf, readProblems } from "./judge.ts";
import type { Struck } from "./troubles.ts";

export interface Seen {
  seconds: number;
  struck: Struck[];
  ended: Ended[];
  reads: Reads;
  /** Of the last process of each gateway. */
  memory: Sample[][];
  /** Rows of the ledger that are not over. */
  left: Row[];
  /** Requests that nginx gave to each gateway. */
  shares: number[];
}

const kinds: [name: string, is: (wish: Wish) => boolean][] = [
  ["all", () => true],
  ["no name", ({ name }) => name === "none"],
  ["SDK retries", ({ name }) => name === "count"],
  ["keyed", ({ name }) => name === "key"],
  ["jobs", ({ isJob }) => isJob],
  ["streams", ({ streams }) => streams],
  ["edits", ({ edit }) => edit !== undefined],
  ["URLs", ({ asks }) => asks === "url"],
];

const words: Record<Struck["part"], string> = {
  instance: "instance killed",
  redis: "Redis killed",
  postgresql: "PostgreSQL killed",
  store: "S3 killed",
  nginx: "nginx reloaded",
  restart: "rolling restart",
};

const megabytes = (bytes = 0) => `${Math.round(bytes / 2 ** 20)} MB`;
const tenths = (milliseconds: number) => (milliseconds / 1000).toFixed(1);

/** What happened, as a table. */
export function tableOf({ seconds, struck, ended, reads, memory, shares }: Seen): string {
  const fates = ended.map((one) => ({ ...one, fate: fateOf(one, struck) }));
  const rows = kinds.map(([name, is]) => {
    const own = fates.filter(({ wish }) => is(wish));
    const of = (fate: string) => own.filter((one) => one.fate === fate).length;
    const again = own.filter(({ outcome }) => outcome.attempts > 0).length;
    const twice = own.filter(({ wish }) => wish.seen.orders > 1).length;
    return [name, own.length, of("picture"), of("uncertain"), of("unstored"), again, twice];
  });
  const head = ["requests", "asked", "picture", "uncertain", "not stored", "sent again", "ordered again"];
  const parts = (Object.keys(words) as Struck["part"][]).flatMap((part) => {
    const own = struck.filter((one) => one.part === part);
    const most = (time: (one: Struck) => number) => tenths(Math.max(0, ...own.map(time)));
    return own.length === 0
      ? []
      : `${words[part].padEnd(18)}${String(own.length).padStart(3)} times, away ${most(({ began, back }) => back - began)} s, all whole ${most(({ back, ended }) => ended - back)} s later`;
  });
  return [
    `cluster: ${Math.round(seconds)} s, ${ended.length} requests; nginx gave ${shares.join(", ")} to its three gateways`,
    ...[head, ...rows].map(([name, ...cells]) => String(name).padEnd(12) + cells.map((cell) => String(cell).padStart(14)).join("")),
    `downloads   ${reads.right} right, ${reads.failed.length} failed while a part was away`,
    ...parts,
    ...memory.map(memoryLine),
  ].join("\n");
}

function memoryLine(samples: Sample[], index: number): string {
  const [growth] = growthOf(samples);
  const said = growth
    ? `${megabytes(growth.before)} after its first minute, ${megabytes(growth.after)} at the end; at most ${megabytes(growth.limit)}`
    : `${megabytes(samples.at(-1)?.resident)} at the end; not judged, its process lived ${Math.round(samples.at(-1)?.seconds ?? 0)} s`;
  return `instance ${index + 1}  ${said}`;
}

/** What went otherwise than it should, as sentences. */
export function problemsOf({ struck, ended, reads, memory, left, shares }: Seen): string[] {
  const problems = ended.flatMap((one) => {
    const fate = fateOf(one, struck);
    return typeof fate === "string" ? [] : [fate.problem];
  });
  problems.push(...readProblems(reads, struck), ...left.map((row) => `not over: ${JSON.stringify(row)}`));
  if (reads.right === 0) problems.push("no stored picture was read");
  shares.forEach((share, index) => share === 0 && problems.push(`nginx gave nothing to instance ${index + 1}`));
  for (const [index, samples] of memory.entries())
    for (const { what, after, limit } of growthOf(samples))
      if (after > limit)
        problems.push(`${what} memory of instance ${index + 1} is not flat: ${megabytes(after)}, at most ${megabytes(limit)}`);
  return problems;
}
