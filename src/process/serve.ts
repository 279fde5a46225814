// Starts the gateway in this process, and ends it.
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import pino, { type Logger } from "pino";
import type { Environment } from "../channels/settings.ts";
import type { Reload } from "../gateway/reload.ts";
import { createRouting } from "../gateway/routing.ts";
import { createMemoryState, type Siblings } from "../gateway/shared-state.ts";
import { createApp } from "../http/app.ts";
import { createDurableService } from "../http/durable-service.ts";
import { createLife } from "../http/life.ts";
import { createMetrics, type Metrics } from "../http/metrics.ts";
import { startServer } from "../http/server.ts";
import { createPictureFetcher } from "../net/fetch-picture.ts";
import { createSpool, type Spool } from "../picture/spool.ts";
import { openFolderStore } from "../picture/folder-store.ts";
import type { PictureStore } from "../picture/store.ts";
import { loadPlugins } from "../plugin/load.ts";
import { passOn } from "../trace.ts";
import { addressOf } from "./address.ts";
import { readSettings, type ProcessSettings } from "./environment.ts";
import { greet } from "./greet.ts";
import { handoverOf, inForceFrom, type Handover } from "./handover.ts";
import { buildInForce, compileAhead, filesOf, watchedPaths, type InForce } from "./in-force.ts";
import { createLoader } from "./load.ts";
import { keepInForce } from "./keep-in-force.ts";
import { openKeys } from "./open-keys.ts";
import { openLedger } from "./open-ledger.ts";
import { refuseOwnAddress } from "./own-address.ts";
import { unknownVariables } from "./unknown-variables.ts";
import { watchPaths } from "./watch.ts";

export interface Serving {
  url: string;
  /** Read the operator's files anew, put in force what is right, and lift every cool-down. */
  reload: () => Promise<Reload>;
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
  /** Reads anew into the environment that it was started with what may have changed in it. */
  refreshEnv?: () => void;
  /** How it learns the metrics of all. */
  metricsOfAll?: (own: Metrics["registry"]) => () => Promise<string>;
  /** The configuration in force in the process whose place it takes. */
  handover?: Handover;
  /** Receives what is in force, each time that it changes. */
  keep?: (handover: Handover) => void;
  /** Shares notes with those that serve beside it. */
  siblings?: Siblings;
}

/** Start the gateway. `say` gets what a person should read at the start. Throws `ConfigError` for files that are too wrong to start with. */
export async function serve(env: Environment, say: (line: string) => void, peers: Peers = {}): Promise<Serving> {
  collectSeldom();
  const settings = readSettings(env);
  const plugins = await loadPlugins(settings.pluginFolders);
  const log = createLog(settings.logLevel);
  const metrics = createMetrics({ ofProcess: true });
  // Plugins that ship leave nothing behind that could throw.
  const life = createLife({ isTraced: settings.pluginFolders.length > 1 || Number.parseInt(process.versions.node) >= 24 });
  const closing = createClosing((error) => log.error({ err: error }, "not closed properly"));
  try {
    const loader = closing.add(await createLoader(settings, plugins, env));
    const parts = { settings, plugins, env, refreshEnv: peers.refreshEnv, loader };
    const first = await (peers.handover ? inForceFrom(parts, peers.handover) : buildInForce(parts, settings.port, await filesOf(settings)));
    const spool = closing.add(createSpool({ folder: join(settings.data, "tmp") }));
    const store = closing.add(await openStore(settings, { spool, log }));
    const { redis, adminKey, publicUrl, trustProxy, corsOrigins, inputLimits, hasConsole } = settings;
    const { siblings } = peers;
    const state = closing.add(redis === undefined ? createMemoryState({ siblings }) : await stateIn(redis, log, siblings));
    const routing = createRouting({ state });
    const inForce = keepInForce(first, { parts, server: () => server, lift: routing.health.clear, log, metrics, keep: peers.keep });
    const table = () => inForce.current().table;
    const fetchPicture = createPictureFetcher();
    const traces = settings.exportsSpans ? closing.add(await collect(settings, log)) : passOn({ leaves: settings.propagates });
    const ledger = closing.add(await openLedger(settings, log));
    const { keys, keyDesk } = closing.add(await openKeys({ ledger, log, env, settings, inForce: inForce.current }));
    const durable = closing.add(
      createDurableService({
        ...{ ledger, store, spool, routing, fetchPicture, traces, metrics, log, table, keys, publicUrl },
        enter: life.enter,
        lives: () => inForce.current().file.lives,
        webhooks: () => inForce.current().file.webhooks,
        atOnce: () => inForce.current().file.jobsAtOnce,
      }),
    );
    const app = createApp({
      table,
      keys,
      keyDesk,
      durable,
      life,
      config: () => ({ reload: inForce.last(), broken: inForce.current().broken }),
      routing,
      ...{ choices: ledger.choices, store },
      ...{ spool, fetchPicture, traces, log, metrics },
      ownKey: () => inForce.current().ownKey,
      ...{ adminKey, publicUrl, trustProxy, corsOrigins, hasConsole },
      inputLimits: {
        ...inputLimits,
        get idle() {
          return inForce.current().file.server.bodyIdle ?? inputLimits.idle;
        },
      },
      metricsOfAll: peers.metricsOfAll?.(metrics.registry),
    });
    const handle = app.callback();
    const server = await startServer((request, response) => void handle(request, response), { ...settings, ...first.file.server });
    closing.add({ close: () => server.close(settings.shutdownSeconds * 1000, life.cut, life.idle) });
    // Only now is the port known where any would do.
    refuseOwnAddress(first.table.channels, { ...settings, port: server.port });
    closing.add(watchPaths(watchedPaths(settings), inForce.seen, () => void inForce.reload("changed")));
    const url = addressOf(settings.host, server.port);
    introduce(say, { env, url, first, settings });
    peers.keep?.(handoverOf(first));
    return {
      url,
      reload: () => inForce.reload("every"),
      blame: (error, origin) =>
        log.fatal({ request: life.blame(error), origin, err: error }, "an error outside of every request's promise"),
      close: async ({ patient = false } = {}) => {
        life.end();
        durable.handOver();
        if (patient) await delay(settings.shutdownPause * 1000);
        await closing.close();
      },
    };
  } catch (error) {
    await closing.close();
    throw error;
  }
}

/** The store of pictures that the settings name. The one in S3 is loaded where it is named. */
async function openStore(
  { store, data, pictureLife: life, dataMax }: ProcessSettings,
  parts: { spool: Spool; log: Logger },
): Promise<PictureStore> {
  if (store === undefined) return openFolderStore({ folder: data, life, most: dataMax });
  const { openS3Store } = await import("../net/s3/store.ts");
  return openS3Store({ address: store, life, ...parts });
}

/** The client of Redis takes a fifth of a second to load, and most have none. */
async function stateIn(redis: string, log: Logger, siblings: Peers["siblings"]) {
  const { createRedisState } = await import("../gateway/redis-state.ts");
  return createRedisState(redis, log, { siblings });
}

/** The packages that export spans take a tenth of a second to load, and are the operator's to install. */
async function collect({ propagates }: ProcessSettings, log: Logger) {
  const { collectSpans } = await import("./collect-spans.ts");
  return collectSpans({ leaves: propagates, log });
}

function createLog(level: string): Logger {
  // An error and its cause often say the same; put together they would say it several times.
  return pino({ level, serializers: { err: pino.stdSerializers.errWithCause } });
}

function collectSeldom(): void {
  // Bytes outside the heap, as pictures are, count for when V8 collects it, against a limit made of the heap alone. After a quiet time
  // that limit is a third more than the heap, and stays so while the heap is flat: the same 30 MB were collected ten times a second,
  // for two thirds of the CPU. This is three heaps; V8 has up to four in a process that was never quiet. Flags are read at each collection.
  setFlagsFromString("--heap-growing-percent=200");
}

/** Closes things in the reverse order of their opening. A failure to close one keeps no other open. */
function createClosing(failed: (error: unknown) => void) {
  const open: { close: () => Promise<unknown> }[] = [];
  return {
    add: <T extends { close: () => Promise<unknown> }>(one: T): T => {
      open.push(one);
      return one;
    },
    close: async () => {
      for (const one of open.splice(0).reverse()) {
        try {
          await one.close();
        } catch (error) {
          failed(error);
        }
      }
    },
  };
}

/** Say what a person should read at the start, and make ready for the first requests. */
function introduce(
  say: (line: string) => void,
  { env, url, first, settings }: { env: Environment; url: string; first: InForce; settings: ProcessSettings },
): void {
  for (const line of unknownVariables(env, textsOf(first))) say(line);
  const { logLevel, hasConsole } = settings;
  greet(say, url, first, { isWordy: ["debug", "trace"].includes(logLevel), hasConsole });
  void compileAhead(first.table);
}

/** The texts of the operator's files. */
function textsOf({ good, fileText }: InForce): Buffer[] {
  const texts = new Set([...good.values()].flatMap((one) => [...one.texts.values()]));
  return [...texts, ...(fileText ? [fileText] : [])];
}
