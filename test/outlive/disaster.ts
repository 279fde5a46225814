// What befalls a gateway in the middle of its work.
import { statfs, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { PostgresServer } from "../postgres/server.ts";
import type { Gateway } from "./gateway.ts";
import type { Name } from "./load.ts";

export interface Disaster {
  /** Do it, and resolve when all is as it should be again. */
  run(gateway: Gateway, random: () => number): Promise<void>;
  /** What may be lost by it: `orders` that are no task that a provider accepted, or all pictures, since there is no room for them. */
  loses: "nothing" | "orders" | "pictures";
  /** True where what makes a request one that is ordered once may be forgotten. */
  forgets: (name: Name) => boolean;
}

/** Gateways of which workers were killed: the first process waits ever longer before it starts others. */
const hurt = new WeakSet<Gateway>();

const kill: Disaster = {
  loses: "orders",
  forgets: () => false,
  run: async (gateway, random) => {
    const [isOfWorkers, isOfOne, which] = [random() < 0.5, random() < 0.7, random()];
    const pids = await gateway.workers();
    if (isOfWorkers && gateway.isSupervised && !hurt.delete(gateway)) {
      hurt.add(gateway);
      // One of those that serve, or all; others take their places.
      gateway.signal("SIGKILL", isOfOne ? pids.slice(Math.floor(which * pids.length)).slice(0, 1) : pids);
      return;
    }
    await gateway.kill();
    await delay(random() * 300);
    await gateway.start();
  },
};

/** Told to end, as a deploy does, with a second for what is under way. */
const term: Disaster = {
  loses: "orders",
  forgets: () => false,
  run: async (gateway) => {
    await gateway.end();
    await gateway.start();
  },
};

/** Most free bytes of a disk that is filled here. */
const mostFree = 2 ** 30;

/** The disk has no room for a while. */
const disk: Disaster = {
  loses: "pictures",
  forgets: (name) => name === "count",
  run: async ({ data }, random) => {
    const filler = join(data, "filler");
    const { bavail, bsize } = await statfs(data);
    const free = bavail * bsize;
    if (free > mostFree)
      throw new Error(`${data} has ${Math.round(free / 2 ** 20)} MiB free; --data must name a folder of a disk that is soon full`);
    await writeFile(filler, Buffer.alloc(free)).catch(() => undefined);
    await delay(200 + random() * 800);
    await rm(filler);
  },
};

/** The clocks of the processes that serve jump an hour ahead, and back. */
const clock: Disaster = {
  loses: "nothing",
  // Ten minutes after its end a retry is no retry any more.
  forgets: (name) => name === "count",
  run: async (gateway, random) => {
    gateway.signal("SIGUSR2", await gateway.workers());
    await delay(200 + random() * 1500);
    gateway.signal("SIGUSR2", await gateway.workers());
  },
};

const database = (server: PostgresServer): Disaster => ({
  // Requests that are known by an SDK's count are served without the ledger meanwhile, and end with their connection.
  loses: "nothing",
  forgets: (name) => name === "count",
  run: async (_gateway, random) => {
    await server.kill();
    await delay(random() * 800);
    await server.start();
  },
});

export const disasterNames = ["kill", "term", "disk", "clock", "database"] as const;
export type DisasterName = (typeof disasterNames)[number];

export function disasterOf(name: DisasterName, server: PostgresServer | undefined): Disaster {
  if (name !== "database") return { kill, term, disk, clock }[name];
  if (!server) throw new Error("--disaster database needs --database postgres");
  return database(server);
}
