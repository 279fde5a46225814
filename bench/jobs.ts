// Measures jobs that wait: how fast they are accepted, what each holds in memory, and whether a kill loses one.
import { once } from "node:events";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { Agent, createServer, request } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { setTimeout as delay } from "node:timers/promises";
import { openSqlite } from "../src/ledger/sqlite.ts";
import { freePort } from "../test/helpers/port.ts";
import { listening, pinned, run } from "./processes.ts";
import { channels, scratch } from "./tools.ts";

const main = fileURLToPath(new URL("../src/main.js", import.meta.url));
const folder = join(scratch, "jobs");
const held = join(folder, "held.json");

/** Jobs that are under way: their provider never answers. */
const underWay = 200;

/** Told to, the gateway collects its garbage and writes down the bytes that are left. */
const witness = `data:text/javascript,${encodeURIComponent(`import { writeFileSync, renameSync } from "node:fs";
process.on("SIGUSR2", () => {
  for (let times = 0; times < 3; times += 1) globalThis.gc();
  const { heapUsed, external } = process.memoryUsage();
  writeFileSync(${JSON.stringify(`${held}.new`)}, JSON.stringify(heapUsed + external));
  renameSync(${JSON.stringify(`${held}.new`)}, ${JSON.stringify(held)});
});`)}`;

/** Accept so many jobs that wait, and report on them as a section of the report. Throws where one is lost. */
export async function measureJobs(count: number): Promise<string> {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  writeFileSync(
    join(folder, "gateway.yaml"),
    `jobs: { at_once: ${underWay} }\nkeys: [{ name: bench, key: "\${env.BENCH_KEY}", jobs: 100000 }]\n`,
  );
  const provider = createServer((asked) => void asked.resume()).listen(0, "127.0.0.1");
  await once(provider, "listening");
  const port = await freePort();
  const log = join(folder, "log");
  const gateway = run(pinned("1", [process.execPath, "--expose-gc", "--import", witness, main, "serve", "--workers", "0"]), log, {
    ...{ NODE_ENV: "production", PORT: String(port), LOG_LEVEL: "warn" },
    ...{ PICTOR_CONFIG: join(folder, "gateway.yaml"), PICTOR_CHANNELS: channels, PICTOR_DATA: join(folder, "data") },
    ...{
      BENCH_API_KEY: "sk-provider",
      BENCH_KEY: "sk-bench",
      BENCH_BASE_URL: `http://127.0.0.1:${(provider.address() as AddressInfo).port}/v1`,
    },
  });
  try {
    await listening(gateway, port, log);
    const first = 2 * underWay;
    await send(port, first);
    const heldNow = async () => {
      rmSync(held, { force: true });
      gateway.signal("SIGUSR2");
      for (;;) {
        await delay(20);
        try {
          return Number(readFileSync(held, "utf8"));
        } catch {
          // It is still at it.
        }
      }
    };
    const [before, cpuBefore, began] = [await heldNow(), gateway.cpu(), performance.now()];
    await send(port, count);
    const seconds = (performance.now() - began) / 1000;
    const cpu = (gateway.cpu() - cpuBefore) / count;
    const bytes = ((await heldNow()) - before) / count;
    gateway.signal("SIGKILL");
    await gateway.stop();
    const kept = await rows();
    if (kept !== first + count) throw new Error(`${first + count} jobs were accepted, and ${kept} are in the ledger after the kill`);
    return `## jobs: ${count} jobs that wait behind ${underWay} under way\n
| accepted a second | CPU ms a job | bytes held a job | in the ledger after SIGKILL |
| --- | --- | --- | --- |
| ${(count / seconds).toFixed(0)} | ${cpu.toFixed(2)} | ${bytes.toFixed(0)} (goal: at most 5,000) | all ${kept} |
`;
  } finally {
    await gateway.stop();
    provider.closeAllConnections();
    provider.close();
  }
}

/** Ask for so many jobs, 64 at a time. Rejects for one that is not accepted. */
async function send(port: number, count: number): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: 64 });
  let left = count;
  const lane = async () => {
    while (left > 0) {
      left -= 1;
      const body = JSON.stringify({ model: "small", prompt: `a picture that waits, number ${left}` });
      const headers = { authorization: "Bearer sk-bench", "content-type": "application/json", prefer: "respond-async" };
      const asked = request({ port, host: "127.0.0.1", method: "POST", path: "/v1/images/generations", headers, agent }).end(body);
      const [answer] = (await once(asked, "response")) as [import("node:http").IncomingMessage];
      answer.resume();
      await once(answer, "end");
      if (answer.statusCode !== 202) throw new Error(`a job was answered with ${answer.statusCode}`);
    }
  };
  await Promise.all(Array.from({ length: 64 }, lane));
  agent.destroy();
}

async function rows(): Promise<number> {
  const database = await openSqlite(join(folder, "data", "ledger.db"));
  const [row] = await database.run([
    { sql: "select count(*) as jobs from requests where job is not null and status in ('queued', 'in_progress')" },
  ]);
  await database.close();
  return Number(row?.jobs);
}
