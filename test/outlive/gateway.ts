// A gateway of its own processes and folder, which is killed and started again.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Database } from "../../src/ledger/database.ts";
import { openPostgres } from "../../src/ledger/postgres.ts";
import { openSqlite } from "../../src/ledger/sqlite.ts";
import { freePort } from "../helpers/port.ts";
import { channelsWith, urlOf, type Process } from "../process/serve-process.ts";
import { channelFiles } from "./provider.ts";

export interface Gateway {
  url: string;
  key: string;
  /** The folder of its ledger and pictures. */
  data: string;
  /** Open its ledger from outside. Not kept open: to read a file of SQLite takes the locks from what has it open in the same process. */
  openDatabase: () => Promise<Database>;
  start(): Promise<void>;
  /** End all its processes at once. */
  kill(): Promise<void>;
  /** Tell it to end, and wait until it has. */
  end(): Promise<void>;
  /** The processes that serve. */
  workers(): Promise<number[]>;
  /** True where a first process starts those that serve anew. */
  isSupervised: boolean;
  signal(name: NodeJS.Signals, pids: readonly number[]): void;
  /** What it logged, a short line each. */
  logged(): string[];
}

export interface GatewaySettings {
  folder: string;
  startProcess: (env: Record<string, string>) => Process;
  provider: string;
  workers: number;
  /** The address of the shared database; a file in the folder when absent. */
  postgres?: string;
  env?: Record<string, string>;
}

/** Lay a gateway out, and start it. */
export async function startGateway({ folder, startProcess, provider, workers, postgres, env }: GatewaySettings): Promise<Gateway> {
  const port = await freePort();
  const data = env?.PICTOR_DATA ?? join(folder, ".pictor");
  const key = "sk-outlive";
  const settings = {
    ...(await channelsWith(folder, channelFiles(provider))),
    ...{ PORT: String(port), PICTOR_API_KEYS: key, PICTOR_WORKERS: String(workers), PICTOR_DATA: data },
    ...{ LOG_LEVEL: "warn", PICTOR_SHUTDOWN_SECONDS: "1" },
    ...(postgres !== undefined && { DATABASE_URL: postgres }),
    ...env,
  };
  let own: Process | undefined;
  let logs = "";
  const start = async () => {
    own = startProcess(settings);
    own.child.stdout?.on("data", (chunk: Buffer) => (logs = (logs + chunk.toString()).slice(-100_000)));
    await urlOf(own);
  };
  await start();
  const workersNow = () => childrenOf(own?.child.pid ?? 0);
  const signal = (name: NodeJS.Signals, pids: readonly number[]) => {
    for (const pid of pids) {
      try {
        process.kill(pid, name);
      } catch {
        // It has ended by itself.
      }
    }
  };
  return {
    url: `http://127.0.0.1:${port}`,
    key,
    data,
    openDatabase: () => (postgres === undefined ? openSqlite(join(data, "ledger.db")) : openPostgres(postgres)),
    start,
    kill: async () => {
      const pids = await workersNow();
      own?.child.kill("SIGKILL");
      signal("SIGKILL", pids);
      await own?.ended;
    },
    end: async () => {
      own?.child.kill("SIGTERM");
      await own?.ended;
    },
    workers: async () => {
      const pids = await workersNow();
      return pids.length > 0 ? pids : [own?.child.pid ?? 0];
    },
    isSupervised: workers > 0,
    signal,
    logged: () => logs.split("\n").flatMap(told),
  };
}

interface LogLine {
  time: number;
  pid: number;
  request?: string;
  msg: string;
  reason?: string;
  err?: Error;
}

function told(line: string): string[] {
  if (!line.startsWith("{")) return [];
  const { time, pid, request = "", msg, reason, err } = JSON.parse(line) as LogLine;
  return [`${new Date(time).toISOString().slice(17)} ${pid} ${request} ${msg} ${reason ?? err?.message ?? ""}`];
}

async function childrenOf(pid: number): Promise<number[]> {
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, "utf8").catch(() => "");
  return text.trim().split(" ").filter(Boolean).map(Number);
}

/** The environment of processes whose clock jumps: see clock.ts. */
export const withClock = { NODE_OPTIONS: `--import=${fileURLToPath(new URL("clock.js", import.meta.url))}` };
