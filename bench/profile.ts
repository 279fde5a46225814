// Reads what `node --cpu-prof` writes.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** What `node --cpu-prof` writes; times in microseconds of the machine's steady clock. */
interface Profile {
  nodes: { id: number; callFrame: { functionName: string; url: string } }[];
  startTime: number;
  samples: number[];
  timeDeltas: number[];
}

/** Options of Node for a process that is to be profiled. */
export function profiling(folder: string): string[] {
  return ["--cpu-prof", "--cpu-prof-dir", folder, "--cpu-prof-interval", "500"];
}

/** The clock of profiles. */
export function profileClock(): number {
  return Number(process.hrtime.bigint() / 1000n);
}

/** Where a process's time went since `from`: shares by package, part of Node and file of ours, the largest first. */
export function sharesOf(folder: string, from: number): [where: string, share: number][] {
  const shares = new Map<string, number>();
  let total = 0;
  for (const name of readdirSync(folder).filter((file) => file.endsWith(".cpuprofile"))) {
    const { nodes, startTime, samples, timeDeltas } = JSON.parse(readFileSync(join(folder, name), "utf8")) as Profile;
    const places = new Map(nodes.map(({ id, callFrame }) => [id, placeOf(callFrame)]));
    let at = startTime;
    for (const [index, id] of samples.entries()) {
      const delta = timeDeltas[index]!;
      const where = places.get(id)!;
      at += delta;
      if (at < from || where === "(idle)") continue;
      total += delta;
      shares.set(where, (shares.get(where) ?? 0) + delta);
    }
  }
  return [...shares].map(([where, time]): [string, number] => [where, time / total]).sort((a, b) => b[1] - a[1]);
}

function placeOf({ functionName, url }: Profile["nodes"][number]["callFrame"]): string {
  if (url === "") return functionName.startsWith("(") ? functionName : "(native)";
  if (url.startsWith("node:")) return /^node:(?:internal\/)?[^/]+/.exec(url)![0];
  const name = /.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url)?.[1];
  return name ?? url.replace(/^.*\/dist\//, "").replace(/\.js$/, "");
}
