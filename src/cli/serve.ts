import { randomBytes } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import pino from "pino";
import { loadChannels, type Loaded } from "../channels/load.ts";
import { startDemoProvider } from "../demo/server.ts";
import { createTable, type Table } from "../gateway/table.ts";
import { createApp } from "../http/app.ts";
import { createClientKeys } from "../http/client-keys.ts";
import { createMetrics } from "../http/metrics.ts";
import { createPictureFetcher } from "../net/fetch-picture.ts";
import { openStore } from "../picture/store.ts";
import { loadPlugins } from "../plugin/load.ts";
import { readSettings, type ProcessSettings } from "./environment.ts";

export interface Serving {
  url: string;
  /** Stop accepting, let requests under way finish, and leave nothing behind. */
  close(): Promise<void>;
}

/** Start the gateway. `say` gets what a person should read at the start. Throws `ConfigError` for files that are wrong. */
export async function serve(env: Readonly<Record<string, string | undefined>>, say: (line: string) => void): Promise<Serving> {
  const settings = readSettings(env);
  const plugins = await loadPlugins(settings.pluginFolders);
  const load = (more: Record<string, string> = {}) => loadChannels({ folder: settings.channels, plugins, env: { ...env, ...more } });
  const first = await load();
  const wantsDemo = settings.demo || first.routes.length === 0;
  const demo = wantsDemo && first.channels.some(({ name }) => name === "demo") ? await startDemoProvider() : undefined;
  try {
    const loaded = demo ? await load({ DEMO_BASE_URL: demo.url }) : first;
    refuseOwnAddress(loaded, settings);
    const store = await openStore({ folder: settings.data, life: settings.pictureLife });
    const keys = settings.apiKeys.length > 0 ? settings.apiKeys : [await ownKey(settings.data)];
    const table = createTable(loaded);
    const app = createApp({
      table: () => table,
      keys: createClientKeys(keys),
      store,
      fetchPicture: createPictureFetcher(),
      log: pino({ level: settings.logLevel }),
      metrics: createMetrics(),
      publicUrl: settings.publicUrl,
      trustProxy: settings.trustProxy,
      corsOrigins: settings.corsOrigins,
    });
    const server = createServer(app.callback());
    await listen(server, settings);
    const url = `http://${settings.host.includes(":") ? `[${settings.host}]` : settings.host}:${(server.address() as AddressInfo).port}`;
    greet(say, url, table, settings.apiKeys.length > 0 ? undefined : keys[0]);
    return {
      url,
      close: async () => {
        await new Promise<void>((resolve) => {
          server.close(() => resolve());
          server.closeIdleConnections();
        });
        await store.close();
        await demo?.close();
      },
    };
  } catch (error) {
    await demo?.close();
    throw error;
  }
}

function listen(server: Server, { port, host }: ProcessSettings): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) =>
      reject(error.code === "EADDRINUSE" ? new Error(`port ${port} is taken; choose another with PORT`) : error),
    );
    server.listen(port, host, resolve);
  });
}

/** A channel that points at this gateway would send every request round in a circle. */
function refuseOwnAddress({ channels }: Loaded, { host, port, publicUrl }: ProcessSettings): void {
  const everywhere = host === "0.0.0.0" || host === "::";
  const own = everywhere ? Object.values(networkInterfaces()).flatMap((addresses) => addresses?.map(({ address }) => address) ?? []) : [];
  const hosts = new Set(["localhost", host, "127.0.0.1", "::1", ...own]);
  for (const { name, baseUrl, off } of channels) {
    if (off) continue;
    const url = new URL(baseUrl);
    const isOwn = hosts.has(url.hostname.replace(/^\[|\]$/g, "")) && Number(url.port || (url.protocol === "https:" ? 443 : 80)) === port;
    if (isOwn || (publicUrl !== undefined && url.origin === new URL(publicUrl).origin))
      throw new Error(`channel ${name}: its base_url is this gateway's own address`);
  }
}

/** The key made for an operator who set none: kept, so that it stays the same, and for this user's eyes only. */
async function ownKey(data: string): Promise<string> {
  const file = join(data, "client-key");
  const known = await readFile(file, "utf8").catch(() => "");
  if (known.trim() !== "") return known.trim();
  const key = `sk-${randomBytes(24).toString("base64url")}`;
  await mkdir(data, { recursive: true, mode: 0o700 });
  await writeFile(file, `${key}\n`, { mode: 0o600 });
  return key;
}

/** Say what is on, what is off and why, and how to get the first picture. */
function greet(say: (line: string) => void, url: string, { channels, models }: Table, key: string | undefined): void {
  for (const { name, off, models: served } of channels)
    say(off ? `channel ${name} is off: ${off}` : `channel ${name} is on: ${served.join(", ")}`);
  say(`pictor listens on ${url}; the interface is described at ${url}/docs`);
  const [model] = models.keys();
  if (model === undefined) return say("no channel is on: set a provider's key, see channels/");
  if (key !== undefined) say(`no PICTOR_API_KEYS are set; this key was made for you: ${key}`);
  const body = JSON.stringify({ model, prompt: "a lighthouse at dusk", size: "1024x1024", response_format: "url" });
  const call = `curl -s ${url}/v1/images/generations -H "authorization: Bearer ${key ?? "$PICTOR_KEY"}" -H "content-type: application/json" -d '${body}'`;
  say(`a first picture:\n\n  ${call} \\\n    | sed 's/.*"url":"\\([^"]*\\)".*/\\1/' | xargs curl -so picture.png\n`);
}
