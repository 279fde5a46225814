// What befalls the parts of a cluster, one after the other.
import { setTimeout as delay } from "node:timers/promises";
import type { Trouble } from "../outlive/judge.ts";
import { isWhole, type Cluster } from "./cluster.ts";

type Part = "instance" | "redis" | "postgresql" | "store" | "nginx" | "restart";

/** A trouble that is over: when it began, when its part was back, and when every gateway had all that it needs again. */
export interface Struck extends Trouble {
  part: Part;
  back: number;
}

interface Kind {
  part: Part;
  disaster: Trouble["disaster"];
  run: (cluster: Cluster, round: number) => Promise<void>;
}

/** Milliseconds for which a part is away. */
const away = 2500;

const nobody = () => false;
const harmless = { loses: "nothing", forgets: nobody } as const;

const killed = (part: "redis" | "postgres" | "store") => async (cluster: Cluster) => {
  const service = cluster[part];
  await service.kill();
  await delay(away);
  await service.start();
};

/** In the order in which they come, with what may be lost by each as the documentation says. */
const kinds: Kind[] = [
  {
    part: "instance",
    // Of an order that was being sent nobody knows whether it was carried out.
    disaster: { loses: "orders", forgets: nobody },
    run: async ({ gateways }, round) => {
      const gateway = gateways[round % gateways.length]!;
      await gateway.kill();
      await delay(away);
      await gateway.start();
    },
  },
  { part: "redis", disaster: harmless, run: killed("redis") },
  // Requests of SDKs are served without it meanwhile, by what each process remembers.
  { part: "postgresql", disaster: { loses: "nothing", forgets: (name) => name === "count" }, run: killed("postgres") },
  { part: "store", disaster: harmless, run: killed("store") },
  {
    part: "nginx",
    disaster: harmless,
    run: ({ nginx }) => {
      nginx.signal("SIGHUP");
      return Promise.resolve();
    },
  },
  {
    part: "restart",
    disaster: harmless,
    run: async (cluster) => {
      for (const gateway of cluster.gateways) {
        await gateway.end();
        await gateway.start();
        await isWhole(cluster);
      }
    },
  },
];

interface Plan {
  /** When no trouble begins any more, and from when on no gateway is ended, so that its memory can be watched; by `performance.now()`. */
  until: number;
  keepGatewaysFrom: number;
  /** Milliseconds between two troubles. */
  pause: number;
}

/** Let everything happen at least once, and again until the time is over. Rejects where the cluster is not whole again in time. */
export async function strike(cluster: Cluster, { until, keepGatewaysFrom, pause }: Plan): Promise<Struck[]> {
  const struck: Struck[] = [];
  for (let round = 0; round === 0 || performance.now() < until; round += 1) {
    const keepsGateways = round > 0 && performance.now() > keepGatewaysFrom;
    for (const { part, disaster, run } of kinds) {
      if (keepsGateways && (part === "instance" || part === "restart")) continue;
      if (round > 0 && performance.now() > until) break;
      await delay(pause);
      const began = performance.now();
      await run(cluster, round);
      const back = performance.now();
      await isWhole(cluster);
      struck.push({ part, disaster, began, back, ended: performance.now() });
    }
  }
  return struck;
}
