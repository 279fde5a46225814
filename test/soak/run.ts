import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";
import { channelsWith, inFolder, urlOf } from "../process/serve-process.ts";
import { runLoad } from "./clients.ts";
import { valueOf, type Sample } from "./memory.ts";
import { channelFile, dieAndComeBack, editFiles, operatorKey, type Deaths } from "./operator.ts";
import type { Order } from "./orders.ts";
import { startPictures, startProvider } from "./provider.ts";
import { problemsOf, summary, type Seen } from "./report.ts";

const usage = `npm run soak -- [--seconds 600] [--rate 300] [--slow 2000] [--slow-seconds 20] [--reload-every 5] [--die-every 90] [--workers 1]`;

interface Pace {
  seconds: number;
  rate: number;
  slow: number;
  slowSeconds: number;
  reloadEvery: number;
  dieEvery: number;
  workers: number;
}

function paceFrom(args: string[]): Pace {
  const text = (value: string) => ({ type: "string", default: value }) as const;
  const { values } = parseArgs({
    args,
    options: {
      seconds: text("600"),
      rate: text("300"),
      slow: text("2000"),
      "slow-seconds": text("20"),
      "reload-every": text("5"),
      "die-every": text("90"),
      workers: text("1"),
    },
  });
  const number = (name: keyof typeof values, least: number) => {
    const value = Number(values[name]);
    if (!(value >= least)) throw new Error(`--${name} is ${values[name]}; it must be a number from ${least}\n${usage}`);
    return value;
  };
  return {
    seconds: number("seconds", 1),
    rate: number("rate", 0),
    slow: number("slow", 0),
    slowSeconds: number("slow-seconds", 0.1),
    reloadEvery: number("reload-every", 0.1),
    dieEvery: number("die-every", 1),
    workers: number("workers", 1),
  };
}

/** Start a gateway with two channels, let everything happen to it, and tell what came of it. Resolves with what went wrong. */
async function soak(pace: Pace, stop: AbortController): Promise<string[]> {
  const orders = new Map<string, Order>();
  const pictures = await startPictures();
  const [steady, shaky] = [await startProvider("steady", orders, pictures.url), await startProvider("shaky", orders, pictures.url)];
  const restSeconds = Math.max(1, Math.round(pace.dieEvery / 10));
  const files = { "steady.yaml": channelFile(steady.url, 1, restSeconds), "shaky.yaml": channelFile(shaky.url, 1, restSeconds) };
  const settings = {
    PICTOR_API_KEYS: key,
    PICTOR_ADMIN_KEY: operatorKey,
    SOAK_KEY_A: "soak-key-a",
    SOAK_KEY_B: "soak-key-b",
    LOG_LEVEL: "warn",
    PICTOR_PICTURE_LIFE: "60",
  };
  const verdict = { isWhole: false, problems: [] as string[] };
  try {
    await inFolder(async (start, folder) => {
      const gateway = start({ ...(await channelsWith(folder, files)), ...settings, PICTOR_WORKERS: String(pace.workers) });
      void gateway.ended.then((how) => {
        if (!stop.signal.aborted) verdict.problems.push(`the gateway ended with ${how}: ${gateway.said().slice(-3000)}`);
        stop.abort();
      });
      const url = await urlOf(gateway);
      const begun = performance.now();
      const until = begun + pace.seconds * 1000;
      const goesOn = () => performance.now() < until && !stop.signal.aborted;
      const deaths: Deaths = { times: [], problems: [] };
      const seen: Seen = { greeting: gateway.said(), samples: [], left: 0, exit: 0 };
      const done = await Promise.all([
        runLoad({ ...pace, until }, { url, key, pictures: pictures.url, orders, deaths: deaths.times, stop: stop.signal }),
        editFiles({ folder, url, provider: shaky, restSeconds, every: pace.reloadEvery, goesOn }),
        dieAndComeBack(shaky, pace.dieEvery, deaths, goesOn),
        watchMemory(url, begun, seen.samples, goesOn),
      ]).catch((error: unknown) => {
        if (!stop.signal.aborted) verdict.problems.push(String(error));
        return undefined;
      });
      if (!done || stop.signal.aborted) return;
      const [tally, edits] = done;
      seen.left = await leftAt(url);
      gateway.child.kill("SIGTERM");
      seen.exit = await gateway.ended;
      const outcome = { tally, edits, deaths, seen };
      console.log(summary(outcome));
      Object.assign(verdict, { isWhole: true, problems: problemsOf(outcome, gateway) });
    });
  } finally {
    for (const server of [steady, shaky, pictures]) await server.close();
  }
  return verdict.isWhole ? verdict.problems : ["it was ended before its time", ...verdict.problems];
}

const key = "sk-soak";

async function metricsOf(url: string): Promise<(name: string) => number> {
  const page = await (await fetch(`${url}/metrics`)).text();
  return (name) => valueOf(page, name);
}

/** Look at the gateway's memory every second. */
async function watchMemory(url: string, begun: number, samples: Sample[], goesOn: () => boolean): Promise<void> {
  while (goesOn()) {
    const value = await metricsOf(url);
    const [resident, heap] = [value("process_resident_memory_bytes"), value("nodejs_heap_size_used_bytes")];
    samples.push({ seconds: (performance.now() - begun) / 1000, resident, heap });
    await delay(1000);
  }
}

/** Requests and attempts that the gateway counts as under way, beside the question itself; what ends behind an answer has a moment. */
async function leftAt(url: string): Promise<number> {
  let left = 0;
  for (let tries = 0; tries < 50; tries += 1) {
    const value = await metricsOf(url);
    left = value("pictor_requests_in_flight") - 1 + value("pictor_channel_in_flight") + value("pictor_channel_waiting");
    if (left === 0) break;
    await delay(100);
  }
  return left;
}

const stop = new AbortController();
for (const name of ["SIGINT", "SIGTERM"] as const) process.once(name, () => stop.abort());
const pace = paceFrom(process.argv.slice(2));
console.log(
  `soak: ${pace.seconds} s, ${pace.rate} small requests/s, ${pace.slow} slow ones of ${pace.slowSeconds} s under way, processes: ${pace.workers}`,
);
const problems = await soak(pace, stop);
for (const problem of problems) console.log(`FAILED    ${problem}`);
if (problems.length === 0) console.log("ok");
process.exit(problems.length === 0 ? 0 : 1);
