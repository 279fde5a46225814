// Starts a real Redis on loopback, which can be killed and brought back.
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { Redis } from "ioredis";
import { freePort } from "../helpers/port.ts";
import { untilReady } from "../helpers/ready.ts";

export interface RedisServer {
  port: number;
  /** Start it, empty, and wait until it answers. */
  start(): Promise<void>;
  /** End it at once, as a crash does. */
  kill(): Promise<void>;
  signal(name: NodeJS.Signals): void;
}

export async function startRedis(): Promise<RedisServer> {
  const port = await freePort();
  let server: ChildProcess | undefined;
  const start = async () => {
    server = spawn("redis-server", ["--port", String(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"], {
      stdio: "ignore",
    });
    await untilReady(() => ping(port));
  };
  await start();
  return {
    port,
    start,
    kill: async () => {
      if (!server || server.exitCode !== null || server.signalCode !== null) return;
      const ended = once(server, "exit");
      server.kill("SIGKILL");
      await ended;
    },
    signal: (name) => void server?.kill(name),
  };
}

async function ping(port: number): Promise<void> {
  const client = new Redis(port, { host: "127.0.0.1", lazyConnect: true, retryStrategy: () => null });
  client.on("error", () => undefined);
  try {
    await client.connect();
    await client.ping();
  } finally {
    client.disconnect();
  }
}
