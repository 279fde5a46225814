// Serves a load with a cluster whose parts go away and come back, and holds it to what the documentation promises. Usage: test/cluster/run.sh.
import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";
import { ask } from "../outlive/client.ts";
import { unfinished, type Ended } from "../outlive/judge.ts";
import { loadOf } from "../outlive/load.ts";
import { startProvider, type Provider } from "../outlive/provider.ts";
import { withCluster, type Cluster } from "./cluster.ts";
import { readAgain, type Stored } from "./downloads.ts";
import { watchMemory } from "./memory.ts";
import { problemsOf, tableOf } from "./report.ts";
import { strike } from "./troubles.ts";

const usage = "test/cluster/run.sh [--seconds 60] [--rate 10]";

function optionsFrom(args: string[]) {
  const { values } = parseArgs({ args, options: { seconds: { type: "string", default: "60" }, rate: { type: "string", default: "10" } } });
  const [seconds, rate] = [Number(values.seconds), Number(values.rate)];
  if (!(seconds >= 10 && rate >= 1)) throw new Error(`--seconds is at least 10, and --rate at least 1\n${usage}`);
  return { seconds, rate };
}

/** Ask for so many pictures a second while it goes on, and wait for each answer. Pictures that came as URLs are added to `stored`. */
async function load(cluster: Cluster, provider: Provider, rate: number, { goesOn, stored }: { goesOn: () => boolean; stored: Stored[] }) {
  const asked: Promise<Ended>[] = [];
  const key = cluster.gateways[0]!.key;
  const begun = performance.now();
  for (let second = 0; goesOn(); second += 1) {
    const { wishes } = loadOf(second, { least: rate, most: rate, span: 1000 });
    // Longer orders are under way when a part goes away.
    for (const wish of wishes) wish.takes *= 4;
    provider.expect(wishes, () => undefined);
    for (const wish of wishes)
      asked.push(
        delay(wish.begins).then(async () => {
          const outcome = await ask(wish, { url: () => cluster.url, key, longest: 60_000 });
          const { url = "", picture } = outcome;
          if (picture && url.startsWith(cluster.url)) stored.push({ url, bytes: picture });
          return { wish, outcome };
        }),
      );
    await delay(begun + (second + 1) * 1000 - performance.now());
  }
  return Promise.all(asked);
}

/** Lines of each gateway's log that are shown where something is wrong. */
const lastLines = Number(process.env.CLUSTER_LOG ?? 0);

/** Rejects where the run is to end at once, so that all that it has started is ended too. */
const interrupted = new Promise<never>((_, reject) => {
  for (const name of ["SIGINT", "SIGTERM"] as const) process.once(name, () => reject(new Error(`it was ended by ${name}`)));
});

async function main(): Promise<number> {
  const { seconds, rate } = optionsFrom(process.argv.slice(2));
  const provider = await startProvider();
  let problems: string[] = ["it was ended before its time"];
  try {
    await withCluster(provider.url, async (cluster) => {
      const begun = performance.now();
      const until = begun + seconds * 1000;
      let isOver = false;
      const goesOn = () => !isOver;
      const stored: Stored[] = [];
      const pause = Math.min(10_000, seconds * 40);
      const plan = { until: until - pause, keepGatewaysFrom: begun + seconds * 333, pause };
      const troubles = strike(cluster, plan).then(async (struck) => {
        await delay(Math.max(pause, until - performance.now()));
        return struck;
      });
      const whole = Promise.all([
        troubles.finally(() => (isOver = true)),
        load(cluster, provider, rate, { goesOn, stored }),
        readAgain(stored, goesOn),
        watchMemory(cluster.gateways, goesOn),
      ]);
      const [struck, ended, reads, memory] = await Promise.race([whole, interrupted]);
      const left = await unfinished(cluster.gateways[0]!);
      const seen = { seconds: (performance.now() - begun) / 1000, struck, ended, reads, memory, left, shares: await cluster.shares() };
      console.log(tableOf(seen));
      problems = problemsOf(seen);
      if (problems.length > 0 && lastLines > 0)
        for (const gateway of cluster.gateways) for (const line of gateway.logged().slice(-lastLines)) console.log(line);
    });
  } finally {
    provider.close();
  }
  const shown = 20;
  for (const problem of problems.slice(0, shown)) console.log(`FAILED    ${problem}`);
  if (problems.length > shown) console.log(`FAILED    and ${problems.length - shown} more`);
  if (problems.length === 0) console.log("ok");
  return problems.length === 0 ? 0 : 1;
}

process.exit(await main());
