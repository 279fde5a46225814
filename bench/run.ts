// Runs the benchmark: `npm run bench`.
import { rmSync } from "node:fs";
import { cpus, release, totalmem } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { cases, waiting, type Case } from "./cases.ts";
import { checkPeer, startProvider, type Provider } from "./check.ts";
import { measure, type Around } from "./measure.ts";
import { folderOf, startPeer, type Peer } from "./peers.ts";
import { measureJobs } from "./jobs.ts";
import { pinning } from "./processes.ts";
import { profileClock, sharesOf } from "./profile.ts";
import { markdown, profileTable, type Outcome, type Slices } from "./report.ts";
import { prepareTools, put, scratch, type Tools } from "./tools.ts";

const usage = `npm run bench -- [--quick] [--case NAME]... [--repeats N] [--seconds N] [--profile] [--beside FOLDER]
cases: ${[...cases.map(({ name }) => name), "jobs"].join(", ")}`;

interface Pace {
  quick: boolean;
  repeats: number;
  /** Seconds of one slice, and of the load before the first. */
  slice: number;
  warmUp: number;
  profile: boolean;
  /** A built tree of another commit, measured beside this one. */
  beside?: string;
}

/** Run one case: all its peers at once, taking turns, so that whatever else the machine does meets all of them. */
async function runCase(each: Case, tools: Tools, provider: Provider, pace: Pace): Promise<Outcome> {
  const notes: string[] = [];
  const slices: Slices = {};
  let warm = 0;
  const started: { peer: Peer; around: Around }[] = [];
  const upload = each.upload === undefined ? undefined : provider.upload;
  const cores = { proxy: each.unpinned ? "0,1" : "1", load: each.unpinned ? "0,1" : "0" };
  try {
    for (const name of [...each.peers, ...(pace.beside ? (["pictor-before"] as const) : [])]) {
      rmSync(folderOf(name), { recursive: true, force: true });
      try {
        const peer = await startPeer(name, {
          tools,
          provider: provider.port,
          cores: cores.proxy,
          profile: pace.profile,
          beside: pace.beside,
        });
        if (!peer) continue;
        const idle = await checkPeer(peer, each, provider).catch(async (error: unknown) => {
          await peer.process?.stop();
          throw error;
        });
        started.push({ peer, around: { tools, cores: cores.load, seconds: pace.slice, idle, least: provider.least } });
        slices[name] = [];
      } catch (error) {
        notes.push(`${name} is left out: ${(error as Error).message.slice(0, 300)}`);
        if (name === "pictor" && !each.upload) throw error;
      }
    }
    const load = async ({ peer, around }: (typeof started)[number], seconds: number) => {
      return measure(peer, each, { ...around, seconds }, upload).catch(async (error: unknown) => {
        if (peer.name.startsWith("pictor")) throw error;
        // Another's failure under load is a finding about it, and no figure of it counts from then on.
        notes.push(`left out: ${(error as Error).message.slice(0, 300)}`);
        slices[peer.name] = undefined;
        await peer.process?.stop();
        return undefined;
      });
    };
    // Requests that are asked but once need no load beforehand: what is measured is what they hold while they wait.
    if (!each.once) for (const one of started) await load(one, pace.warmUp);
    warm = profileClock();
    for (let repeat = 0; repeat < pace.repeats; repeat += 1) {
      // Each repeat begins with another peer.
      const order = [...started.slice(repeat % started.length), ...started.slice(0, repeat % started.length)];
      for (const one of order) {
        const slice = slices[one.peer.name] && (await load(one, pace.slice));
        if (slice) slices[one.peer.name]?.push(slice);
      }
    }
  } finally {
    for (const { peer } of started) await peer.process?.stop();
  }
  addDirect(slices);
  if (pace.profile && slices.pictor) notes.push(profileTable(sharesOf(folderOf("pictor"), warm)));
  return { case: each, slices, notes };
}

/** What a proxy adds is judged against the way without one in the same repeat. */
function addDirect(slices: Slices): void {
  // A peer whose requests failed has none.
  for (const [name, list = []] of Object.entries(slices)) {
    if (name === "direct" || !slices.direct) continue;
    list.forEach((slice, repeat) => {
      const direct = slices.direct![repeat]!;
      slice.addedP50 = slice.p50! - direct.p50!;
      slice.addedP99 = slice.p99! - direct.p99!;
      slice.addedFirst = slice.first! - direct.first!;
    });
  }
}

type PaceOptions = Partial<Record<"repeats" | "seconds" | "beside", string>>;

function paceOf(quick: boolean, profile: boolean, options: PaceOptions): Pace {
  const { repeats = quick ? "1" : "5", seconds = quick ? "0.2" : "5", beside } = options;
  const [count, slice] = [Number(repeats), Number(seconds)];
  if (!Number.isInteger(count) || count < 1) throw new Error(`--repeats is ${repeats}; it must be a whole number from 1`);
  if (!(slice > 0)) throw new Error(`--seconds is ${seconds}; it must be a number above 0`);
  return { quick, profile, ...(beside && { beside: resolve(beside) }), repeats: count, slice, warmUp: quick ? 0.1 : 2 * slice };
}

function chosenCases(names: readonly string[] | undefined, quick: boolean): Case[] {
  for (const name of names ?? [])
    if (name !== "jobs" && !cases.some((each) => each.name === name)) throw new Error(`there is no case ${name}\n${usage}`);
  return cases
    .filter(({ name }) => names?.includes(name) ?? true)
    .map((each) => (quick ? { ...each, connections: Math.min(each.connections, quickClients(each)) } : each));
}

/** A quick run is over soon only if few large answers are under way when its time is. */
function quickClients({ model, upload }: Case): number {
  if (model === "waiting") return waiting.quick.clients;
  return /20m$/.test(model) || upload !== undefined ? 4 : 64;
}

const { values } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    case: { type: "string", multiple: true },
    repeats: { type: "string" },
    seconds: { type: "string" },
    profile: { type: "boolean", default: false },
    beside: { type: "string" },
    help: { type: "boolean" },
  },
});
if (values.help) {
  console.log(usage);
  process.exit();
}
const { quick, profile } = values;
const pace = paceOf(quick, profile, values);
const chosen = chosenCases(values.case, quick);
const tools = prepareTools(quick);
const provider = await startProvider(tools, quick);
const facts = {
  date: new Date().toISOString().slice(0, 10),
  machine: `${cpus()[0]?.model ?? "unknown"}, ${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GB, Linux ${release()}`,
  node: process.version,
  pinning,
  pace: `${pace.repeats} repeats of ${pace.slice} s after ${pace.warmUp} s of load${quick ? " (quick: too short to judge by)" : ""}`,
  ...(tools.notes.length > 0 ? { notes: tools.notes.join("; ") } : {}),
};
const outcomes: Outcome[] = [];
for (const each of chosen) {
  process.stderr.write(`${each.name}: ${each.title}\n`);
  outcomes.push(await runCase(each, tools, provider, pace));
  const report = markdown(facts, outcomes);
  put("report.md", report);
  put("report.json", JSON.stringify({ facts, outcomes }, undefined, 2));
}
await provider.process.stop();
console.log(markdown(facts, outcomes));
if (values.case?.includes("jobs") ?? true) {
  process.stderr.write("jobs: jobs that wait\n");
  const report = await measureJobs(quick ? 300 : 10_000);
  put("report.md", `${markdown(facts, outcomes)}\n${report}`);
  console.log(report);
}
process.stderr.write(`written to ${join(scratch, "report.md")} and report.json\n`);
