import type { Process } from "../process/serve-process.ts";
import type { Tally } from "./clients.ts";
import { growthOf, leastJudged, quantile, settling, type Sample } from "./memory.ts";
import type { Deaths, Edits } from "./operator.ts";

/** What was seen of the gateway from outside. */
export interface Seen {
  /** What it said at its start. */
  greeting: string;
  samples: Sample[];
  /** Attempts and requests that it believes to be under way when all are answered. */
  left: number;
  exit: number | string;
}

export interface Outcome {
  tally: Tally;
  edits: Edits;
  deaths: Deaths;
  seen: Seen;
}

const megabytes = (bytes: number) => `${Math.round(bytes / 2 ** 20)} MB`;

/** What happened, in some lines. */
export function summary({ tally, edits, deaths, seen }: Outcome): string {
  const { small, slow } = tally.right;
  const at = (share: number) => Math.round(quantile(tally.times, share));
  const last = seen.samples.at(-1);
  const growths = growthOf(seen.samples).map(
    ({ what, before, after, limit }) =>
      `${what === "heap" ? "heap    " : "resident"}  ${megabytes(before)} after the first minute, ${megabytes(after)} at the end; at most ${megabytes(limit)}`,
  );
  return [
    `answered  ${small} small and ${slow} slow of ${tally.asked}, each with the picture that was asked for`,
    `cut       ${tally.cut} that the dying channel had taken on, and nobody was asked again`,
    `wrong     ${tally.wrong}`,
    `channel   died and came back ${deaths.times.length} times`,
    `files     ${edits.reloads} reloads, ${edits.broken} broken files refused`,
    `small     half in ${at(0.5)} ms, 99 of 100 in ${at(0.99)} ms`,
    ...(growths.length > 0
      ? growths
      : [
          `memory    ${megabytes(last?.resident ?? 0)} at the end; not judged, which takes ${leastJudged} s with a first minute of ${settling} s`,
        ]),
  ].join("\n");
}

/** What went otherwise than it should, as sentences. */
export function problemsOf({ tally, edits, deaths, seen }: Outcome, gateway: Pick<Process, "said" | "logged">): string[] {
  const problems = [...tally.examples, ...edits.problems, ...deaths.problems];
  const { small, slow } = tally.right;
  const missing = tally.asked - small - slow - tally.cut - tally.wrong;
  if (missing !== 0) problems.push(`${missing} requests were never answered`);
  if (small + slow === 0) problems.push("nothing was answered");
  if (deaths.times.length === 0) problems.push("it was too short for the channel to die");
  if (edits.broken === 0) problems.push("it was too short for a broken file");
  for (const { what, after, limit } of growthOf(seen.samples))
    if (after > limit) problems.push(`${what} memory is not flat: ${megabytes(after)}, at most ${megabytes(limit)}`);
  if (seen.left !== 0) problems.push(`${seen.left} requests or attempts are still under way when all are answered`);
  if (seen.exit !== 0) problems.push(`the gateway ended with ${seen.exit}`);
  // An unhandled rejection ends a process; what its end would say stands there.
  if (gateway.said() !== seen.greeting) problems.push(`the gateway said: ${gateway.said().slice(seen.greeting.length, 3000)}`);
  return [...problems, ...troublesIn(gateway.logged())];
}

/** Errors in the log that nobody caused: those of requests are judged by their answers, and those of files by the operator. */
function troublesIn(log: string): string[] {
  return log
    .split("\n")
    .filter((line) => line !== "")
    .filter((line) => {
      const { level, msg } = JSON.parse(line) as { level: number; msg: string };
      return level >= 50 && !/^(request failed|the answer broke off|not reloaded.*)$/.test(msg);
    })
    .slice(0, 5)
    .map((line) => `the gateway logged: ${line.slice(0, 500)}`);
}
