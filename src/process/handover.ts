// Hands what is in force from one process to the one that takes its place: files may be broken by then.
import { routesOf } from "../channels/load.ts";
import { shipped } from "../channels/proven.ts";
import { textsOf } from "../channels/texts.ts";
import { loadDoors } from "../door/load.ts";
import type { Problem } from "../errors.ts";
import { isOwnPath } from "../http/app.ts";
import type { ConfigState } from "../http/gateway.ts";
import { channelTexts } from "./environment.ts";
import { parseGatewayFile } from "./gateway-file.ts";
import { assemble, type Good, type InForce, type Parts } from "./in-force.ts";

/** Texts of the operator's files, nothing compiled, so that it can be sent to another process. */
export interface Handover {
  /** Channels that were right in one load, with the texts of it. */
  loads: { channels: string[]; texts: [name: string, text: string][] }[];
  /** Texts of the doors that were right, by the names of their files. */
  doors: [name: string, text: string][];
  gatewayText?: string;
  files: [path: string, stamp: string][];
  problems: readonly Problem[];
  broken: ConfigState["broken"];
}

export function handoverOf({ good, doors, fileText, files, problems, broken }: InForce): Handover {
  const loads = new Map<Good["texts"], string[]>();
  for (const [name, { texts }] of good) loads.set(texts, [...(loads.get(texts) ?? []), name]);
  return {
    loads: [...loads].map(([texts, channels]) => ({
      channels,
      // Of the channels themselves only those that are meant; all else they may build on.
      texts: [...texts]
        .filter(([name]) => !/^[^/]+\.ya?ml$/.test(name) || channels.includes(name.replace(/\.ya?ml$/, "")))
        .map(([name, text]) => [name, text.toString("utf8")]),
    })),
    doors: [...doors].map(([name, { text }]) => [`doors/${name}.yaml`, text.toString("utf8")]),
    gatewayText: fileText?.toString("utf8"),
    files: [...files],
    problems,
    broken,
  };
}

/** Put in force what another process had. What has changed on the disk meanwhile is left to the next reload. Throws `ConfigError`. */
export async function inForceFrom(
  parts: Parts,
  { loads, doors: doorTexts, gatewayText, files, problems, broken }: Handover,
): Promise<InForce> {
  const now = channelTexts(parts.settings.channels);
  const shown = (name: string) => now.shown(name);
  const good = new Map<string, Good>();
  for (const { channels, texts: written } of loads) {
    const folder = textsOf(new Map(written.map(([name, text]) => [name, Buffer.from(text)])), shown);
    const loaded = await parts.loader.load({ folder, only: channels });
    for (const one of loaded.tests) {
      const { channel } = one;
      good.set(channel.name, { channel, routes: routesOf(one), texts: loaded.texts });
    }
  }
  const folder = textsOf(new Map(doorTexts.map(([name, text]) => [name, Buffer.from(text)])), shown);
  const loadedDoors = await loadDoors({ folder, proven: shipped(), isTaken: isOwnPath });
  const doors = new Map(loadedDoors.doors.map((one) => [one.door.name, one]));
  const fileText = gatewayText === undefined ? undefined : Buffer.from(gatewayText);
  const file = parseGatewayFile(parts.settings.config.file, fileText, parts.env, undefined);
  return assemble(parts, { file, fileText, files: new Map(files), good, doors, problems, broken });
}
