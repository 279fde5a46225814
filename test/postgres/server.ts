// Starts a real PostgreSQL on loopback, which can be killed and brought back.
import { execFile, spawn, type ChildProcess } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import pg from "pg";
import { freePort } from "../helpers/port.ts";
import { untilReady } from "../helpers/ready.ts";

const run = promisify(execFile);

export interface PostgresServer {
  /** The URL of a database that nobody else uses. */
  database(): Promise<string>;
  /** End it at once, as a crash does. */
  kill(): Promise<void>;
  /** Bring it back with what it had. */
  start(): Promise<void>;
  close(): Promise<void>;
}

/** Start a server in a folder of its own. The folder of its programs is `POSTGRES_BIN`; it refuses to run as root, so root lends it a user. */
export async function startPostgres(): Promise<PostgresServer> {
  const bin = process.env.POSTGRES_BIN ?? "";
  const folder = await mkdtemp(join(tmpdir(), "pictor-postgres-"));
  const data = join(folder, "data");
  const isRoot = process.getuid?.() === 0;
  const as = (program: string, ...values: string[]): [string, string[]] =>
    isRoot ? ["runuser", ["-u", "postgres", "--", join(bin, program), ...values]] : [join(bin, program), values];
  if (isRoot) await run("chown", ["postgres", folder]);
  await run(...as("initdb", "-D", data, "-U", "pictor", "-A", "trust", "--no-sync"));
  const port = await freePort();
  const url = (database: string) => `postgres://pictor@127.0.0.1:${port}/${database}`;
  let server: ChildProcess | undefined;
  let count = 0;

  const start = async () => {
    const settings = [`port=${port}`, "listen_addresses=127.0.0.1", `unix_socket_directories=${folder}`, "fsync=off"];
    const [program, values] = as("postgres", "-D", data, ...settings.flatMap((setting) => ["-c", setting]));
    server = spawn(program, values, { stdio: "ignore" });
    await untilReady(() => connectOnce(url("postgres")));
  };
  const kill = async () => {
    const pid = (await run("head", ["-1", join(data, "postmaster.pid")])).stdout.trim();
    const ended = new Promise((resolve) => server?.once("exit", resolve));
    process.kill(Number(pid), "SIGKILL");
    await ended;
    // Those that served its connections notice a moment later; a new one does not start beside them.
    await delay(300);
  };
  await start();
  return {
    database: async () => {
      const name = `test${(count += 1)}`;
      const client = new pg.Client({ connectionString: url("postgres") });
      client.on("error", () => undefined);
      await client.connect();
      await client.query(`create database ${name}`);
      await client.end();
      return url(name);
    },
    kill,
    start,
    close: async () => {
      await kill().catch(() => undefined);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function connectOnce(connectionString: string): Promise<void> {
  const client = new pg.Client({ connectionString });
  client.on("error", () => undefined);
  await client.connect();
  await client.end();
}
