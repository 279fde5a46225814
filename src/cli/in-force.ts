import { randomBytes } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { hostname, networkInterfaces } from "node:os";
import { basename, dirname, join } from "node:path";
import type { Loaded } from "../channels/load.ts";
import type { Channel } from "../channels/route.ts";
import type { Environment } from "../channels/settings.ts";
import { ConfigError, type Problem } from "../errors.ts";
import { createTable, type Table } from "../gateway/table.ts";
import { createClientKeys, type ClientKeys } from "../http/client-keys.ts";
import type { Plugin } from "../plugin/define.ts";
import { runChannelTests } from "../testing/run.ts";
import type { ProcessSettings } from "./environment.ts";
import { readGatewayFile, type GatewayFile } from "./gateway-file.ts";
import { changedPaths, snapshotOf, type Snapshot } from "./watch.ts";

/** Everything that a reload replaces, as a whole. */
export interface InForce {
  table: Table;
  keys: ClientKeys;
  file: GatewayFile;
  /** The key that was made for an operator who set none. */
  ownKey?: string;
  /** The files it was made from. */
  files: Snapshot;
}

interface Parts {
  settings: ProcessSettings;
  plugins: ReadonlyMap<string, Plugin>;
  env: Environment;
  load: () => Promise<Loaded>;
}

/** Read the channels and `gateway.yaml`. Throws one `ConfigError` with every problem of all files. */
export async function readFiles({ settings, env, load }: Omit<Parts, "plugins">): Promise<{ loaded: Loaded; file: GatewayFile }> {
  const problems: Problem[] = [];
  const collected = async <T>(read: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await read();
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      problems.push(...error.problems);
      return undefined;
    }
  };
  const loaded = await collected(load);
  const models = loaded?.channels.flatMap((channel) => channel.models);
  const file = await collected(() => readGatewayFile(settings.config.file, env, { named: settings.config.named, models }));
  if (!loaded || !file) throw new ConfigError(problems);
  return { loaded, file };
}

/**
 * Put together what is to be in force. Where something is already, the channels that changed must pass their own tests. Throws
 * `ConfigError` for files that are wrong, and for tests that fail.
 */
export async function buildInForce(parts: Parts, port: number, before?: InForce): Promise<InForce> {
  const { settings, plugins } = parts;
  const files = await snapshotOf([settings.channels, settings.config.file]);
  const { loaded, file } = await readFiles(parts);
  refuseOwnAddress(loaded.channels, { ...settings, port });
  if (before) await testChannels(settings.channels, plugins, channelsOf(changedPaths(before.files, files), settings));
  const isKnown = settings.apiKeys.length + file.clients.length > 0;
  const ownKey = isKnown ? undefined : await ownKeyIn(settings.data);
  return {
    table: createTable(loaded, { ...file.routing, fallback: file.fallback }),
    keys: createClientKeys(ownKey === undefined ? settings.apiKeys : [ownKey], file.clients),
    file,
    ownKey,
    files,
  };
}

/** The channels that are to be tested; undefined is all of them, where something has changed that several may rest on. */
function channelsOf(paths: readonly string[], { channels, config }: ProcessSettings): string[] | undefined {
  const own = paths.filter((path) => path !== config.file);
  return own.every((path) => dirname(path) === channels) ? own.map((path) => basename(path).replace(/\.ya?ml$/, "")) : undefined;
}

async function testChannels(folder: string, plugins: ReadonlyMap<string, Plugin>, only: readonly string[] | undefined): Promise<void> {
  if (only?.length === 0) return;
  const outcomes = await runChannelTests(folder, plugins, only);
  const problems = outcomes
    .filter(({ failures }) => failures.length > 0)
    .map(({ file, line, name, failures }) => ({ file, line, column: 1, message: `test "${name}": ${failures.join("; ")}`, frame: "" }));
  if (problems.length > 0) throw new ConfigError(problems);
}

/** A channel that points at this gateway would send every request round in a circle. */
export function refuseOwnAddress(channels: readonly Channel[], { host, port, publicUrl }: ProcessSettings): void {
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
async function ownKeyIn(data: string): Promise<string> {
  const file = join(data, "client-key");
  await mkdir(data, { recursive: true, mode: 0o700 });
  // Of several processes that begin at once, the first makes it.
  await writeFile(file, `sk-${randomBytes(24).toString("base64url")}\n`, { mode: 0o600, flag: "wx" }).catch(() => undefined);
  return (await readFile(file, "utf8")).trim();
}
