// Starts a real PostgreSQL on loopback, which can be killed and brought back.
import { execFile, spawn, type ChildProcess } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import pg from "pg";

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
    await isReady(url("postgres"));
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

async function isReady(connectionString: string): Promise<void> {
  for (const until = Date.now() + 20_000; ;) {
    const client = new pg.Client({ connectionString });
    client.on("error", () => undefined);
    try {
      await client.connect();
      await client.end();
      return;
    } catch (error) {
      if (Date.now() > until) throw error;
      await delay(50);
    }
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
