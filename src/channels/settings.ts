import { isPlainObject, missing } from "../expression/cel.ts";
import { settingNames } from "../expression/names.ts";
import { compileTemplate, type Path } from "../expression/template.ts";
import type { AuthKind, Key } from "../net/auth.ts";
import { merge, type Located, type Problems } from "./source.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

/** What the operator set for a channel: resolved once, at load. */
export interface Settings {
  baseUrl: string;
  keys: Key[];
  variables: Record<string, unknown>;
  auth: AuthKind;
  /** Why the channel is off. */
  off?: string;
}

/** Resolve `base_url`, `keys` and `variables` against the environment. A secret that is not set switches the channel off; mistakes go to `problems`. */
export function resolveSettings(name: string, located: Located, env: Environment, problems: Problems): Settings {
  const prefix = name.toUpperCase().replaceAll(/[^A-Z0-9]/g, "_");
  const wanted = new Set<string>();
  // An empty variable is one that is not set.
  const present = Object.fromEntries(Object.entries(env).filter(([, value]) => value));
  const resolve = (value: unknown, path: Path): unknown => {
    const report = (at: Path, message: string, offset?: number) => problems.add(located, at, message, { offset });
    const used = new Set<string>();
    try {
      const resolved = compileTemplate(value, path, { names: settingNames, report })({
        variables: { env: present },
        used,
        mapped: () => undefined,
      });
      if (resolved === missing) for (const variable of JSON.stringify(value).matchAll(/\benv\.(\w+)/g)) wanted.add(String(variable[1]));
      return resolved === missing ? undefined : resolved;
    } catch (error) {
      problems.add(located, path, `cannot be read: ${(error as Error).message}`);
      return undefined;
    }
  };
  const { base_url, keys, variables = {}, auth = "bearer", enabled } = located.value;
  const listed = Array.isArray(keys) ? keys.map((key: unknown, index) => ({ key, path: ["keys", index] })) : [];
  for (const { key, path } of listed) judgeKey(key, path, located, problems);
  const resolvedKeys = listed.map(({ key, path }) => resolve(key, path)).filter(isKey);
  const ownKey = present[`${prefix}_API_KEY`];
  const settings: Settings = {
    baseUrl: present[`${prefix}_BASE_URL`] ?? asText(resolve(base_url, ["base_url"])),
    keys: resolvedKeys.length === 0 && ownKey ? [ownKey] : resolvedKeys,
    variables: resolve(variables, ["variables"]) as Record<string, unknown>,
    auth: auth as AuthKind,
  };
  if (settings.baseUrl && !/^https?:\/\/[^\s/]/.test(settings.baseUrl))
    problems.add(located, ["base_url"], "base_url: not an address; write https://host/path");
  return {
    ...settings,
    off: whyOff(settings, enabled, listed.length > 0, [...wanted, ...(listed.length > 0 ? [`${prefix}_API_KEY`] : [])], prefix),
  };
}

function whyOff(settings: Settings, enabled: unknown, needsKey: boolean, wanted: string[], prefix: string): string | undefined {
  if (enabled === false) return "switched off in its file";
  if (needsKey && settings.keys.length === 0) return `${[...new Set(wanted)].join(" or ")} is not set`;
  return settings.baseUrl ? undefined : `${prefix}_BASE_URL is not set`;
}

function asText(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function isKey(value: unknown): value is Key {
  return typeof value === "string"
    ? value !== ""
    : isPlainObject(value) &&
        Object.keys(value).length > 0 &&
        Object.values(value).every((part) => typeof part === "string" && part !== "");
}

/** A key written into a file ends in a repository. */
function judgeKey(key: unknown, path: Path, located: Located, problems: Problems): void {
  const parts: [Path, unknown][] = isPlainObject(key)
    ? Object.entries(key).map(([part, value]) => [[...path, part], value])
    : [[path, key]];
  for (const [at, value] of parts) {
    if (typeof value === "string" && !value.includes("${"))
      problems.add(located, at, 'a key written out; name where it is: ${env.NAME} or ${file("/run/secrets/name")}');
  }
}

/** Milliseconds of `500ms`, `90s`, `10m`, `1h`. */
export function milliseconds(duration: string): number {
  const [, count = "0", unit = "s"] = /^(\d+)(ms|s|m|h)$/.exec(duration) ?? [];
  return Number(count) * ({ ms: 1, s: 1000, m: 60_000, h: 3_600_000 }[unit] ?? 1);
}

/** The channel as one of its models sees it: the model's own parts over the channel's. */
export function forModel(located: Located, id: string): Located {
  const prefix = ["models", id, ""].join("\u0000");
  const own = [...located.places]
    .filter(([key]) => key.startsWith(prefix))
    .map(([key, place]) => [key.slice(prefix.length), place] as const);
  const { models, ...channel } = located.value;
  const overrides = (models as Record<string, Record<string, unknown> | null>)[id] ?? {};
  return { value: merge(channel, overrides) as Record<string, unknown>, places: new Map([...located.places, ...own]) };
}
