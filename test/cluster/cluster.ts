// Three gateways behind nginx that share a PostgreSQL, a Redis and a store in S3, each of which can go away and come back.
import { execFile } from "node:child_process";
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import { startNginx, type Proxy } from "../deploy/proxy.ts";
import { freePort } from "../helpers/port.ts";
import { startGateway, type Gateway } from "../outlive/gateway.ts";
import { startPostgres } from "../postgres/server.ts";
import { inFolder } from "../process/serve-process.ts";
import { startRedis } from "../redis/server.ts";
import { makeBucket } from "../s3/bucket.ts";

/** A service that is killed and brought back with what it had. */
interface Service {
  kill(): Promise<void>;
  start(): Promise<void>;
}

export interface Cluster {
  /** Where nginx is, and with it all gateways. */
  url: string;
  gateways: Gateway[];
  nginx: Proxy;
  redis: Service;
  postgres: Service;
  store: Service;
  /** Requests that nginx gave to each gateway, in their order. */
  shares(): Promise<number[]>;
}

export const operatorKey = "sk-cluster-operator";
const count = 3;

/** Run with a cluster before this provider, and end all of it but the store, which run.sh has started. */
export async function withCluster(provider: string, run: (cluster: Cluster) => Promise<void>): Promise<void> {
  await makeBucket();
  const redis = await startRedis();
  try {
    const postgres = await startPostgres();
    try {
      await inFolder(async (startProcess, folder) => {
        const port = await freePort();
        const url = `http://127.0.0.1:${port}`;
        const { PICTOR_STORE = "", AWS_ACCESS_KEY_ID = "", AWS_SECRET_ACCESS_KEY = "" } = process.env;
        const env = {
          ...{ PICTOR_STORE, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, REDIS_URL: `redis://127.0.0.1:${redis.port}` },
          ...{ PICTOR_PUBLIC_URL: url, PICTOR_ADMIN_KEY: operatorKey, PICTOR_SHUTDOWN_SECONDS: "20" },
        };
        const database = await postgres.database();
        const gateways: Gateway[] = [];
        for (let index = 0; index < count; index += 1) {
          const data = join(folder, `data-${index}`);
          await mkdir(data);
          const own = { folder, startProcess, provider, workers: 1, postgres: database };
          gateways.push(await startGateway({ ...own, env: { ...env, PICTOR_DATA: data } }));
        }
        const servers = gateways.map((gateway) => new URL(gateway.url).host);
        const nginx = await startNginx(process.env.NGINX ?? "nginx", folder, { port, servers });
        const shares = async () => {
          const lines = (await readFile(join(folder, "access.log"), "utf8")).split("\n");
          return servers.map((server) => lines.filter((line) => line.startsWith(`${server} `)).length);
        };
        try {
          await run({ url, gateways, nginx, redis, postgres, store: cephGateway(process.env.CEPH ?? ""), shares });
        } finally {
          await nginx.stop();
          await Promise.all(gateways.map((gateway) => gateway.kill()));
        }
      });
    } finally {
      await postgres.close();
    }
  } finally {
    await redis.kill();
  }
}

/** Ceph's S3 gateway, which runs with its files in this folder. */
function cephGateway(folder: string): Service {
  const { endpoint } = Object.fromEntries(new URL(process.env.PICTOR_STORE ?? "").searchParams) as { endpoint: string };
  const answers = () =>
    fetch(endpoint).then(
      () => true,
      () => false,
    );
  return {
    kill: async () => {
      process.kill(Number(await readFile(join(folder, "run", "client.rgw.pid"), "utf8")), "SIGKILL");
      while (await answers()) await delay(20);
    },
    start: async () => {
      await promisify(execFile)("radosgw", ["-c", join(folder, "ceph.conf"), "-n", "client.rgw"]);
      for (const until = performance.now() + 60_000; !(await answers());) {
        if (performance.now() > until) throw new Error("Ceph's S3 gateway does not come back");
        await delay(50);
      }
    },
  };
}

/** Wait until every gateway says that it has all that it needs, and that nothing of it is away. */
export async function isWhole({ gateways }: Pick<Cluster, "gateways">): Promise<void> {
  for (const until = performance.now() + 60_000; ;) {
    const states = await Promise.all(gateways.map(stateOf));
    const wrong = states.findIndex((state) => state !== whole);
    if (wrong < 0) return;
    if (performance.now() > until) throw new Error(`instance ${wrong + 1} is not whole again after 60 s: ${states[wrong]}`);
    await delay(100);
  }
}

const whole = "ready, store, ledger, shared";

async function stateOf({ url }: Gateway): Promise<string> {
  try {
    const answer = await fetch(`${url}/readyz`, { headers: { authorization: `Bearer ${operatorKey}` } });
    const { status, store, ledger, shared_state } = (await answer.json()) as Ready;
    return `${status}, ${store.writable ? "store" : "no store"}, ${ledger?.available ? "ledger" : "no ledger"}, ${shared_state}`;
  } catch (error) {
    return String(error);
  }
}

interface Ready {
  status: string;
  store: { writable: boolean };
  ledger?: { available: boolean };
  shared_state?: string;
}
