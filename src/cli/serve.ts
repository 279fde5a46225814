// Starts the gateway in this process, and ends it.
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import pino from "pino";
import type { Environment } from "../channels/settings.ts";
import { createReloadable, type Reload } from "../gateway/reload.ts";
import { createRedisState } from "../gateway/redis-state.ts";
import { createRouting } from "../gateway/routing.ts";
import { createMemoryState, type Siblings } from "../gateway/shared-state.ts";
import { createApp } from "../http/app.ts";
import { createLife } from "../http/life.ts";
import { createMetrics, type Metrics } from "../http/metrics.ts";
import { startServer } from "../http/server.ts";
import { createPictureFetcher } from "../net/fetch-picture.ts";
import { createSpool } from "../picture/spool.ts";
import { openStore } from "../picture/store.ts";
import { loadPlugins } from "../plugin/load.ts";
import { readSettings } from "./environment.ts";
import { greet } from "./greet.ts";
import { handoverOf, inForceFrom, type Handover } from "./handover.ts";
import { buildInForce, changedChannels, type InForce } from "./in-force.ts";
import { createLoader } from "./load.ts";
import { isOwnAddress } from "./own-address.ts";
import { unknownVariables } from "./unknown-variables.ts";
import { watchPaths } from "./watch.ts";

export interface Serving {
  url: string;
  /** Read the operator's files anew, put in force what is right, and lift every cool-down. */
  reload: () => Promise<Reload>;
  /** Lift the cool-downs of a channel. */
  clear: (channel: string) => void;
  /** Log what was thrown outside of every request's promise, and end the request that it belongs to, where that is known. */
  blame: (error: unknown, origin: string) => void;
  /**
   * Say that it is not ready, stop accepting, let requests under way finish, cut them when their time is over, and leave nothing
   * behind. `patient` leaves balancers the time that the operator set to notice.
   */
  close: (how?: { patient?: boolean }) => Promise<void>;
}

/** How a process that serves stands to those that serve beside it, before it, and after it. */
export interface Peers {
  /** How it learns the metrics of all. */
  metricsOfAll?: (own: Metrics["registry"]) => () => Promise<string>;
  /** What was in force in the process whose place it takes. */
  handover?: Handover;
  /** Is told what is in force, each time that it changes. */
  keep?: (handover: Handover) => void;
  /** Shares notes with those that serve beside it, where no Redis does. */
  siblings?: Siblings;
  /** Is told of a channel whose cool-downs the operator lifted here. */
  cleared?: (channel: string) => void;
}

/** Start the gateway. `say` gets what a person should read at the start. Throws `ConfigError` for files that are too wrong to start with. */
export async function serve(env: Environment, say: (line: string) => void, peers: Peers = {}): Promise<Serving> {
  // Bytes outside the heap, as pictures are, count for when V8 collects it, against a limit made of the heap alone. After a quiet time
  // that limit is a third more than the heap, and stays so while the heap is flat: the same 30 MB were collected ten times a second,
  // for two thirds of the CPU. This is three heaps; V8 has up to four in a process that was never quiet. Flags are read at each collection.
  setFlagsFromString("--heap-growing-percent=200");
  const settings = readSettings(env);
  const plugins = await loadPlugins(settings.pluginFolders);
  // An error and its cause often say the same; put together they would say it several times.
  const log = pino({ level: settings.logLevel, serializers: { err: pino.stdSerializers.errWithCause } });
  const metrics = createMetrics({ ofProcess: true });
  // Plugins that ship leave nothing behind that could throw.
  const life = createLife({ isTraced: settings.pluginFolders.length > 1 || Number.parseInt(process.versions.node) >= 24 });
  const closing: (() => Promise<void>)[] = [];
  const close = async () => {
    for (const end of closing.splice(0).reverse()) await end();
  };
  try {
    const loader = await createLoader(settings, plugins, env);
    closing.push(loader.close);
    const parts = { settings, plugins, env, loader };
    const first = peers.handover ? await inForceFrom(parts, peers.handover) : await buildInForce(parts, settings.port);
    const store = await openStore({ folder: settings.data, life: settings.pictureLife, most: settings.dataMax });
    closing.push(() => store.close());
    const spool = createSpool({ folder: join(settings.data, "tmp") });
    closing.push(() => spool.close());
    const inForce = createReloadable(
      first,
      (before) => buildInForce(parts, server.port, before),
      (reload) => {
        metrics.reloads.inc({ outcome: reload.ok ? "ok" : "failed" });
        const { file, table, broken } = inForce.current();
        server.limit(file.server);
        const counts = { channels: table.channels.filter(({ off }) => !off).length, models: table.models.size };
        if (reload.ok) log.info(counts, "reloaded");
        else log.error({ ...counts, broken, problems: reload.problems }, "not reloaded as a whole; what is wrong stays as it was");
        peers.keep?.(handoverOf(inForce.current()));
      },
      ({ problems }) => problems,
    );
    const reload = async (lifted: (before: InForce, after: InForce) => readonly string[]) => {
      const before = inForce.current();
      const ended = await inForce.reload();
      for (const name of lifted(before, inForce.current())) routing.health.clear(name);
      return ended;
    };
    const everyChannel = (_: InForce, { good }: InForce) => [...good.keys()];
    const changed = (before: InForce, after: InForce) => changedChannels(before.files, after.files, settings) ?? [...after.good.keys()];
    const state = settings.redis === undefined ? createMemoryState({ siblings: peers.siblings }) : createRedisState(settings.redis, log);
    closing.push(() => state.close());
    const routing = createRouting({ state });
    const app = createApp({
      table: () => inForce.current().table,
      keys: { find: (key) => inForce.current().keys.find(key) },
      life,
      config: () => ({ reload: inForce.last(), broken: inForce.current().broken }),
      cleared: peers.cleared,
      adminKey: settings.adminKey,
      routing,
      store,
      spool,
      fetchPicture: createPictureFetcher(),
      log,
      metrics,
      metricsOfAll: peers.metricsOfAll?.(metrics.registry),
      publicUrl: settings.publicUrl,
      trustProxy: settings.trustProxy,
      corsOrigins: settings.corsOrigins,
      inputLimits: settings.inputLimits,
    });
    const handle = app.callback();
    const server = await startServer((request, response) => void handle(request, response), { ...settings, ...first.file.server });
    closing.push(() => server.close(settings.shutdownSeconds * 1000, life.cut, life.idle));
    // Only now is the port known where any would do.
    const own = first.table.channels.find((channel) => isOwnAddress(channel, { ...settings, port: server.port }));
    if (own) throw new Error(`channel ${own.name}: its base_url is this gateway's own address`);
    const watcher = watchPaths([settings.channels, settings.config.file], first.files, () => void reload(changed));
    closing.push(watcher.close);
    const url = addressOf(settings.host, server.port);
    if (first.problems.length > 0)
      log.error({ broken: first.broken, problems: inForce.last()?.problems }, "some files are wrong, and not in force");
    const texts = [...new Set([...first.good.values()].flatMap((good) => [...good.texts.values()]))];
    for (const line of unknownVariables(env, [...texts, ...(first.fileText ? [first.fileText] : [])])) say(line);
    greet(say, url, first, { isWordy: ["debug", "trace"].includes(settings.logLevel) });
    peers.keep?.(handoverOf(first));
    return {
      url,
      reload: () => reload(everyChannel),
      clear: (channel) => routing.health.clear(channel),
      blame: (error, origin) =>
        log.fatal({ request: life.blame(error), origin, err: error }, "an error outside of every request's promise"),
      close: async ({ patient = false } = {}) => {
        life.end();
        if (patient) await delay(settings.shutdownPause * 1000);
        await close();
      },
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Where a browser on this machine finds the server. */
function addressOf(host: string, port: number): string {
  const name = { "0.0.0.0": "127.0.0.1", "::": "::1" }[host] ?? host;
  return `http://${name.includes(":") ? `[${name}]` : name}:${port}`;
}
