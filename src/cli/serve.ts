import { randomBytes } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { hostname, networkInterfaces } from "node:os";
import { join } from "node:path";
import pino from "pino";
import type { Channel } from "../channels/route.ts";
import { createTable, type Table } from "../gateway/table.ts";
import { createApp } from "../http/app.ts";
import { createClientKeys } from "../http/client-keys.ts";
import { createMetrics } from "../http/metrics.ts";
import { startServer } from "../http/server.ts";
import { createPictureFetcher } from "../net/fetch-picture.ts";
import { createSpool } from "../picture/spool.ts";
import { openStore } from "../picture/store.ts";
import { loadPlugins } from "../plugin/load.ts";
import { readSettings, type ProcessSettings } from "./environment.ts";
import { createLoader } from "./load.ts";

export interface Serving {
  url: string;
  /** Stop accepting, let requests under way finish, and leave nothing behind. */
  close: () => Promise<void>;
}

/** Start the gateway. `say` gets what a person should read at the start. Throws `ConfigError` for files that are wrong. */
export async function serve(env: Readonly<Record<string, string | undefined>>, say: (line: string) => void): Promise<Serving> {
  const settings = readSettings(env);
  const plugins = await loadPlugins(settings.pluginFolders);
  const closing: (() => Promise<void>)[] = [];
  const close = async () => {
    for (const end of closing.splice(0).reverse()) await end();
  };
  try {
    const loader = await createLoader(settings, plugins, env);
    closing.push(loader.close);
    const table = createTable(await loader.load());
    const store = await openStore({ folder: settings.data, life: settings.pictureLife });
    closing.push(store.close);
    const spool = createSpool({ folder: join(settings.data, "tmp") });
    closing.push(() => spool.close());
    const keys = settings.apiKeys.length > 0 ? settings.apiKeys : [await ownKey(settings.data)];
    const app = createApp({
      table: () => table,
      keys: createClientKeys(keys),
      store,
      spool,
      fetchPicture: createPictureFetcher(),
      log: pino({ level: settings.logLevel }),
      metrics: createMetrics(),
      publicUrl: settings.publicUrl,
      trustProxy: settings.trustProxy,
      corsOrigins: settings.corsOrigins,
    });
    const handle = app.callback();
    const server = await startServer((request, response) => void handle(request, response), settings);
    closing.push(server.close);
    // Only now is the port known where any would do.
    refuseOwnAddress(table.channels, { ...settings, port: server.port });
    const url = addressOf(settings.host, server.port);
    greet(say, url, table, settings.apiKeys.length > 0 ? undefined : keys[0]);
    return { url, close };
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

/** A channel that points at this gateway would send every request round in a circle. */
function refuseOwnAddress(channels: readonly Channel[], { host, port, publicUrl }: ProcessSettings): void {
  const loopback = ["localhost", "127.0.0.1", "::1"];
  const everywhere = host === "0.0.0.0" || host === "::";
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses?.map(({ address }) => address) ?? []);
  const hosts = new Set([host, ...(everywhere || loopback.includes(host) ? loopback : []), ...(everywhere ? [hostname(), ...all] : [])]);
  for (const { name, baseUrl, off } of channels) {
    if (off) continue;
    const url = new URL(baseUrl);
    const isOwn = hosts.has(url.hostname.replace(/^\[|\]$/g, "")) && Number(url.port || (url.protocol === "https:" ? 443 : 80)) === port;
    if (isOwn || (publicUrl !== undefined && `${url.href}/`.startsWith(`${publicUrl}/`)))
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
  for (const { name, off, models: served, modelsOff } of channels) {
    const on = served.filter((id) => !modelsOff.has(id));
    say(off ? `channel ${name} is off: ${off}` : `channel ${name} is on: ${on.join(", ")}`);
    if (off === undefined) for (const [id, reason] of modelsOff) say(`channel ${name} is on without ${id}: ${reason}`);
  }
  say(`pictor listens on ${url}; the interface is described at ${url}/docs`);
  const [model] = models.keys();
  if (model === undefined) {
    say("no channel is on: set a provider's key, see channels/");
    return;
  }
  if (key !== undefined) say(`no PICTOR_API_KEYS are set; this key was made for you: ${key}`);
  const body = JSON.stringify({ model, prompt: "a lighthouse at dusk", size: "1024x1024", response_format: "url" });
  const call = `curl -s ${url}/v1/images/generations -H "authorization: Bearer ${key ?? "$PICTOR_KEY"}" -H "content-type: application/json" -d '${body}'`;
  say(`a first picture:\n\n  ${call} \\\n    | sed 's/.*"url":"\\([^"]*\\)".*/\\1/' | xargs curl -so picture.png\n`);
}
