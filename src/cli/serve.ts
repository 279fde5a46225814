import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import pino from "pino";
import type { Environment } from "../channels/settings.ts";
import { createReloadable, type Reload } from "../gateway/reload.ts";
import { createRedisState } from "../gateway/redis-state.ts";
import { createRouting } from "../gateway/routing.ts";
import { createMemoryState } from "../gateway/shared-state.ts";
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
import { buildInForce, refuseOwnAddress } from "./in-force.ts";
import { createLoader } from "./load.ts";
import { watchPaths } from "./watch.ts";

export interface Serving {
  url: string;
  /** Read the operator's files anew, and put them in force if all is well. */
  reload: () => Promise<Reload>;
  /**
   * Say that it is not ready, stop accepting, let requests under way finish, cut them when their time is over, and leave nothing
   * behind. `patient` leaves balancers the time that the operator set to notice.
   */
  close: (how?: { patient?: boolean }) => Promise<void>;
}

/**
 * Start the gateway. `say` gets what a person should read at the start. Where several processes serve, `metricsOfAll` is how one of
 * them learns the metrics of all. Throws `ConfigError` for files that are wrong.
 */
export async function serve(
  env: Environment,
  say: (line: string) => void,
  metricsOfAll?: (own: Metrics["registry"]) => () => Promise<string>,
): Promise<Serving> {
  // Bytes outside the heap, as pictures are, count for when V8 collects it, against a limit made of the heap alone. After a quiet time
  // that limit is a third more than the heap, and stays so while the heap is flat: the same 30 MB were collected ten times a second,
  // for two thirds of the CPU. This is three heaps; V8 has up to four in a process that was never quiet. Flags are read at each collection.
  setFlagsFromString("--heap-growing-percent=200");
  const settings = readSettings(env);
  const plugins = await loadPlugins(settings.pluginFolders);
  const log = pino({ level: settings.logLevel });
  const metrics = createMetrics({ ofProcess: true });
  const life = createLife();
  const closing: (() => Promise<void>)[] = [];
  const close = async () => {
    for (const end of closing.splice(0).reverse()) await end();
  };
  try {
    const loader = await createLoader(settings, plugins, env);
    closing.push(loader.close);
    const parts = { settings, plugins, env, load: loader.load };
    const first = await buildInForce(parts, settings.port);
    const store = await openStore({ folder: settings.data, life: settings.pictureLife });
    closing.push(() => store.close());
    const spool = createSpool({ folder: join(settings.data, "tmp") });
    closing.push(() => spool.close());
    const inForce = createReloadable(
      first,
      (before) => buildInForce(parts, server.port, before),
      (reload) => {
        metrics.reloads.inc({ outcome: reload.ok ? "ok" : "failed" });
        if (reload.ok) {
          const { file, table } = inForce.current();
          server.limit(file.server);
          log.info({ channels: table.channels.filter(({ off }) => !off).length, models: table.models.size }, "reloaded");
        } else log.error({ problems: reload.problems }, "not reloaded; what was in force stays");
      },
    );
    const state = settings.redis === undefined ? createMemoryState() : createRedisState(settings.redis, log);
    closing.push(() => state.close());
    const app = createApp({
      table: () => inForce.current().table,
      keys: { find: (key) => inForce.current().keys.find(key) },
      life,
      config: () => ({ reload: inForce.last(), broken: [] }),
      adminKey: settings.adminKey,
      routing: createRouting({ state }),
      store,
      spool,
      fetchPicture: createPictureFetcher(),
      log,
      metrics,
      metricsOfAll: metricsOfAll?.(metrics.registry),
      publicUrl: settings.publicUrl,
      trustProxy: settings.trustProxy,
      corsOrigins: settings.corsOrigins,
      inputLimits: settings.inputLimits,
    });
    const handle = app.callback();
    const server = await startServer((request, response) => void handle(request, response), { ...settings, ...first.file.server });
    closing.push(() => server.close(settings.shutdownSeconds * 1000, life.cut, life.idle));
    // Only now is the port known where any would do.
    refuseOwnAddress(first.table.channels, { ...settings, port: server.port });
    const watcher = watchPaths([settings.channels, settings.config.file], first.files, () => void inForce.reload());
    closing.push(watcher.close);
    const url = addressOf(settings.host, server.port);
    greet(say, url, first);
    return {
      url,
      reload: inForce.reload,
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
