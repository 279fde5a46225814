// Kills real gateways at any moment, again and again, and holds them to it: nothing is ordered twice, and nothing that can be had is lost.
import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";
import { startPostgres } from "../postgres/server.ts";
import { inFolder } from "../process/serve-process.ts";
import { ask } from "./client.ts";
import { disasterNames, disasterOf, type Disaster, type DisasterName } from "./disaster.ts";
import { startGateway, withClock, type Gateway } from "./gateway.ts";
import { leaks, problemOf, unfinished, type Ended, type Trouble } from "./judge.ts";
import { loadOf } from "./load.ts";
import { startProvider, type Event, type Provider } from "./provider.ts";

const usage = `npm run outlive -- [--runs 100] [--workers 1] [--database sqlite|postgres] [--disaster ${disasterNames.join("|")}] [--seed N] [--seconds S] [--lanes 2] [--data FOLDER]`;

function optionsFrom(args: string[]) {
  const text = (value: string) => ({ type: "string", default: value }) as const;
  const { values } = parseArgs({
    args,
    options: {
      ...{
        runs: text("100"),
        workers: text("1"),
        database: text("sqlite"),
        disaster: text("kill"),
        seconds: text("86400"),
        lanes: text("2"),
      },
      seed: text(String(Date.now() % 1_000_000)),
      data: { type: "string" },
    },
  });
  const number = (name: "runs" | "workers" | "seconds" | "lanes" | "seed") => {
    const value = Number(values[name]);
    if (!Number.isInteger(value) || value < 0) throw new Error(`--${name} is ${values[name]}; it must be a whole number\n${usage}`);
    return value;
  };
  if (!(disasterNames as readonly string[]).includes(values.disaster)) throw new Error(`there is no disaster ${values.disaster}\n${usage}`);
  const disaster = values.disaster as DisasterName;
  const ownFolder = values.data;
  // A database, or a disk, that fails for one fails for all.
  const lanes = disaster === "database" || ownFolder !== undefined ? 1 : number("lanes");
  const counts = { runs: number("runs"), workers: number("workers"), seconds: number("seconds"), seed: number("seed") };
  return { ...counts, lanes, disaster, isShared: values.database === "postgres", ownFolder };
}

/** What became of all runs. */
interface Tally {
  runs: number;
  pictures: number;
  lost: number;
  /** Requests that their clients could not name: how many there were, were sent more than once, and were ordered more than once. */
  nameless: { all: number; repeated: number; orderedAgain: number };
  failed: number[];
}

/** One load, with a disaster in its middle. Resolves with what is wrong. */
async function runOnce(seed: number, { gateway, provider, disaster, tally }: Lane): Promise<string[]> {
  const { wishes, random } = loadOf(seed, { least: 10, most: 30, span: 600 });
  const moment = momentFrom(random);
  provider.expect(wishes, (event) => moment.note(event));
  const asked = wishes.map(async (wish): Promise<Ended> => {
    await delay(wish.begins);
    return { wish, outcome: await ask(wish, { url: () => gateway.url, key: gateway.key, longest: 60_000 }) };
  });
  const trouble = strike(gateway, { disaster, moment, random });
  const ended = await Promise.all(asked);
  const struck = await trouble;
  const problems = ended.flatMap((one) => problemOf(one, [struck]) ?? []);
  problems.push(...(await unfinished(gateway)).map((row) => `not over: ${JSON.stringify(row)}`), ...(await leaks(gateway)));
  provider.forget(wishes);
  count(ended, tally);
  return problems;
}

/** The moment of a disaster: after a time, or after so many events of a kind. */
function momentFrom(random: () => number): { come: Promise<void>; note: (event: Event) => void } {
  let arrive!: () => void;
  const come = new Promise<void>((resolve) => (arrive = resolve));
  const kind = (["ordered", "accepted", "polled", "made"] as const)[Math.floor(random() * 4)];
  let left = 1 + Math.floor(random() * 8);
  const pause = random() ** 2 * 30;
  // A load without such events ends all the same.
  setTimeout(arrive, random() < 0.5 ? random() * 1200 : 1500);
  return {
    come,
    note: (event) => {
      if (event === kind && (left -= 1) === 0) setTimeout(arrive, pause);
    },
  };
}

async function strike(
  gateway: Gateway,
  { disaster, moment, random }: { disaster: Disaster; moment: { come: Promise<void> }; random: () => number },
): Promise<Trouble> {
  await moment.come;
  const began = performance.now();
  await disaster.run(gateway, random);
  return { began, ended: performance.now(), disaster };
}

function count(ended: readonly Ended[], tally: Tally): void {
  tally.runs += 1;
  for (const { wish, outcome } of ended) {
    if (outcome.picture) tally.pictures += 1;
    else tally.lost += 1;
    if (wish.name !== "none") continue;
    tally.nameless.all += 1;
    if (outcome.attempts > 0) tally.nameless.repeated += 1;
    if (wish.seen.orders > 1) tally.nameless.orderedAgain += 1;
  }
}

/** Lines of a gateway's log that are shown where a run failed. */
const lastLines = Number(process.env.OUTLIVE_LOG ?? 0);

interface Lane {
  gateway: Gateway;
  provider: Provider;
  disaster: Disaster;
  tally: Tally;
}

async function main(): Promise<number> {
  const options = optionsFrom(process.argv.slice(2));
  const { runs, workers, lanes, seed, seconds, ownFolder } = options;
  const began = performance.now();
  const tally: Tally = { runs: 0, pictures: 0, lost: 0, nameless: { all: 0, repeated: 0, orderedAgain: 0 }, failed: [] };
  const provider = await startProvider();
  const server = options.isShared ? await startPostgres() : undefined;
  let next = seed;
  try {
    const disaster = disasterOf(options.disaster, server);
    const lane = () =>
      inFolder(async (startProcess, folder) => {
        const gateway = await startGateway({
          ...{ folder, startProcess, provider: provider.url, workers },
          postgres: await server?.database(),
          env: { ...(options.disaster === "clock" && withClock), ...(ownFolder !== undefined && { PICTOR_DATA: ownFolder }) },
        });
        while (next < seed + runs && performance.now() - began < seconds * 1000) {
          const own = next++;
          const problems = await runOnce(own, { gateway, provider, disaster, tally });
          if (problems.length === 0) continue;
          tally.failed.push(own);
          console.log(`FAILED    seed ${own}\n          ${problems.join("\n          ")}`);
        }
        if (tally.failed.length > 0) for (const line of gateway.logged().slice(-lastLines)) console.log(line);
        await gateway.kill();
      });
    await Promise.all(Array.from({ length: lanes }, lane));
  } finally {
    provider.close();
    await server?.close();
  }
  const { nameless } = tally;
  console.log(`outlive: ${tally.runs} runs (${options.disaster}, ${options.isShared ? "postgres" : "sqlite"}, workers: ${workers}) in ${Math.round((performance.now() - began) / 1000)} s
pictures  ${tally.pictures} came, ${tally.lost} are lost as they may be
nameless  ${nameless.all} requests without a key or a count, ${nameless.repeated} sent again, ${nameless.orderedAgain} ordered again`);
  for (const failed of tally.failed) console.log(`FAILED    --seed ${failed} --runs 1`);
  if (tally.failed.length === 0) console.log("ok");
  return tally.failed.length === 0 ? 0 : 1;
}

process.exit(await main());
