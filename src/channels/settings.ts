// Resolves a channel's address, keys and variables.
import { methods } from "../dialect/call.ts";
import { messageOf } from "../errors.ts";
import { isPlainObject, missing } from "../expression/cel.ts";
import { settingNames } from "../expression/names.ts";
import type { Path } from "../expression/rendering.ts";
import { compileTemplate } from "../expression/template.ts";
import { keyProblem, unsendable, type Key } from "../net/auth/key.ts";
import type { AuthSpec } from "../net/auth/spec.ts";
import { addressProblem } from "./address.ts";
import type { ReadFile } from "./files.ts";
import type { ChannelSettings, ModelSettings } from "./grammar.ts";
import { withEdit } from "./edit.ts";
import { movedPlaces, placeOf, type Located, type Problems } from "./problems.ts";
import { fileLimits, readRegularFileNow } from "./regular-file.ts";
import { secretsAmong } from "./secret-settings.ts";
import { overlay } from "./overlay.ts";
import { isAbsent } from "./texts.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

/** The operator's settings of a channel, resolved once, at load. */
export interface Settings {
  baseUrl: string;
  keys: readonly Key[];
  auth: AuthSpec;
  /** True where the environment names another address than the file. */
  isReplaced: boolean;
  /** Why the channel is off. */
  off?: string;
}

/** The sources of the operator's settings. */
export interface Surroundings {
  env: Environment;
  /** Reads the secret that `${file("...")}` names; the file itself when omitted. */
  readSecret?: (path: string) => string | undefined;
}

/** A resolved value, and what it wanted that is not there: variables of the environment and files. */
interface Resolved {
  value: unknown;
  wanted: string[];
}

/** Resolves the expressions of `base_url`, `keys` and `variables`. Mistakes go to `problems`. */
export type Resolver = (located: Pick<Located, "places">, path: Path, value: unknown) => Resolved;

export function createResolver({ env, readSecret = readSecretFile }: Surroundings, problems: Problems): Resolver {
  const present = presentIn(env);
  let gone: string[] = [];
  let quoted: string[] = [];
  const file = (path: string) => {
    const secret = trimmed(readSecret(path) ?? "");
    if (secret === "") gone.push(path);
    if (isQuoted(secret)) quoted.push(path);
    return secret;
  };
  const names = { ...settingNames, functions: { "file(string): string": file } };
  return (located, path, value) => {
    const report = (at: Path, message: string, offset?: number) => problems.add(located, at, `${path[0]}: ${withEnv(message)}`, { offset });
    const template = compileTemplate(value, path, { names, report });
    gone = [];
    const variables = variablesIn(value);
    quoted = variables.filter((name) => isQuoted(present[name] ?? ""));
    try {
      const resolved = template({ variables: { env: present }, used: new Set(), mapped: () => undefined });
      for (const name of quoted) problems.add(located, path, `${path[0]}: ${name}: ${inQuotes}`);
      if (resolved !== missing && gone.length === 0) return { value: resolved, wanted: [] };
      // A variable behind a question mark is optional.
      const optional = [...JSON.stringify(value).matchAll(/\benv\.\?(\w+)/g)].map(([, variable]) => variable);
      return { value: undefined, wanted: [...variables.filter((name) => !(name in present || optional.includes(name))), ...gone] };
    } catch (error) {
      problems.add(located, path, `${path[0]}: cannot be worked out; ${withoutValues(messageOf(error), present)}`);
      return { value: undefined, wanted: [] };
    }
  };
}

/** The variables that an expression names. */
function variablesIn(value: unknown): string[] {
  const named = [...JSON.stringify(value ?? null).matchAll(/\benv(?:\.\??|\[\\?["'])(\w+)/g)].map(([, variable]) => String(variable));
  return [...new Set(named)];
}

/** The environment without the white space around its values, seen or not. A variable of nothing else is one that is not set. */
export function presentIn(env: Environment): Record<string, string> {
  const values = Object.entries(env).map(([name, value = ""]) => [name, trimmed(value)] as const);
  return Object.fromEntries(values.filter(([, value]) => value !== ""));
}

/** A text without what nobody sees at its ends: line breaks, no-break and zero-width spaces, marks of byte order and direction. */
export function trimmed(text: string): string {
  return text.replace(/^[\s\p{Cc}\p{Cf}]+|[\s\p{Cc}\p{Cf}]+$/gu, "");
}

/** Quotes that a shell would have taken off, and a file of variables or a form of a cloud's does not. */
function isQuoted(text: string): boolean {
  return /^(?:"[^]*"|'[^]*'|“[^]*”|‘[^]*’)$/.test(text);
}

const inQuotes = "it stands in quotes, which would be sent with it; take them out where it is set";

/** A file that is not there is like a variable that is not set; one that cannot be read is a mistake. */
export function readSecretFile(path: string): string | undefined {
  try {
    return readRegularFileNow(path, fileLimits.secret).toString("utf8");
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw error;
  }
}

/** `${ACME_API_KEY}` is how a shell would have it. */
function withEnv(message: string): string {
  return message.replace(/^unknown name ([A-Z][A-Z0-9_]*) \(.*\)$/, "unknown name $1 (write env.$1)");
}

/** A message without what the environment holds. Short values are no secrets, and would be found in any text. */
function withoutValues(message: string, env: Environment): string {
  return Object.entries(env).reduce(
    (text, [name, value = ""]) => (value.length < 6 ? text : text.replaceAll(value, `env.${name}`)),
    message,
  );
}

/** The environment's names of a channel's settings begin with this: `ACME_2` for `acme-2`. */
export function prefixOf(name: string): string {
  return name.toUpperCase().replaceAll(/[^A-Z0-9]/g, "_");
}

/** Two channels whose names differ in signs alone would have each other's settings: the later ones by name, with what is wrong. */
export function judgePrefixes(channels: readonly ReadFile[]): ReadonlyMap<string, string> {
  const clashes = new Map<string, string>();
  const taken = new Map<string, ReadFile>();
  for (const channel of channels) {
    const prefix = prefixOf(channel.name);
    const before = taken.get(prefix);
    if (before && before.name !== channel.name)
      clashes.set(channel.name, `the variables of this channel begin with ${prefix}_, and so do those of ${before.file}; rename one`);
    taken.set(prefix, before ?? channel);
  }
  return clashes;
}

/** Resolve `base_url` and `keys`. A secret that is not set switches the channel off; mistakes go to `problems`. */
export function resolveSettings(
  name: string,
  located: Located<ChannelSettings>,
  { env, resolve }: { env: Environment; resolve: Resolver },
  problems: Problems,
): Settings {
  const prefix = prefixOf(name);
  const present = presentIn(env);
  const { base_url, keys = [], auth = "bearer", enabled } = located.value;
  const resolved = keys.map((key, index) => resolveKey(key, ["keys", index], located, resolve));
  const complete = resolved.flatMap(({ key }) => (key === undefined ? [] : [key]));
  const ownKey = present[`${prefix}_API_KEY`];
  const ownUrl = present[`${prefix}_BASE_URL`];
  const written = resolve(located, ["base_url"], base_url);
  const url = ownUrl ? { value: ownUrl, wanted: [] } : written;
  const baseUrl = typeof url.value === "string" ? trimmed(url.value) : "";
  const wrong = baseUrl === "" ? undefined : isQuoted(baseUrl) ? inQuotes : addressProblem(baseUrl, pathsOf(located.value));
  if (wrong !== undefined) problems.add(located, ["base_url"], `${ownUrl ? `${prefix}_BASE_URL` : "base_url"}: ${wrong}`);
  const standsIn = complete.length === 0 && ownKey !== undefined;
  const usable = standsIn ? [ownKey] : complete;
  const shownBy = resolveAuth(auth, located, resolve);
  judgeSendable();
  judgeTokenUrl(shownBy.auth, located, problems);
  const isReplaced = ownUrl !== undefined && withoutSlash(ownUrl) !== withoutSlash(String(written.value));
  return { baseUrl, keys: usable, auth: shownBy.auth, isReplaced, off: whyOff() };

  function judgeSendable(): void {
    const tell = (told: string | undefined, path: Path, origin = "") =>
      told === undefined ? undefined : problems.add(located, path, `keys: ${origin}${told}`);
    if (standsIn) tell(isQuoted(ownKey) ? inQuotes : unsendable(shownBy.auth, ownKey), ["keys"], `${prefix}_API_KEY: `);
    else
      for (const [index, { key }] of resolved.entries())
        if (key !== undefined) tell(unsendable(shownBy.auth, key), ["keys", index], namedBy(keys[index]));
    tell(
      usable.map((key) => keyProblem(shownBy.auth, key)).find((told) => told !== undefined),
      ["keys"],
    );
  }

  function whyOff(): string | undefined {
    if (enabled === false) return "switched off in its file";
    const wanted = [...new Set([...resolved.flatMap((key) => key.wanted), `${prefix}_API_KEY`])];
    if (keys.length > 0 && usable.length === 0) return `${wanted.join(" or ")} is not set`;
    if (shownBy.wanted.length > 0) return `${shownBy.wanted.join(" or ")} is not set`;
    return baseUrl === "" ? `${url.wanted[0] ?? `${prefix}_BASE_URL`} is not set` : undefined;
  }
}

function withoutSlash(url: string): string {
  return trimmed(url).replace(/\/+$/, "");
}

/** The address of the token server is complete only once the environment has filled it in. */
function judgeTokenUrl(auth: AuthSpec, located: Pick<Located, "places">, problems: Problems): void {
  for (const [kind, spec] of Object.entries<unknown>(typeof auth === "string" ? {} : auth)) {
    const url = isPlainObject(spec) ? spec.token_url : undefined;
    if (typeof url !== "string" || url.includes("${")) continue;
    const wrong = addressProblem(trimmed(url));
    if (wrong !== undefined) problems.add(located, ["auth", kind, "token_url"], `auth.${kind}.token_url: ${wrong}`);
  }
}

/** The places of `auth` that the environment fills in, such as a region. A token's claims are worked out when it is signed. */
function resolveAuth(auth: AuthSpec, located: Pick<Located, "places">, resolve: Resolver): { auth: AuthSpec; wanted: string[] } {
  if (typeof auth === "string" || "jwt" in auth) return { auth, wanted: [] };
  const { value, wanted } = resolve(located, ["auth"], auth);
  return { auth: (value ?? auth) as AuthSpec, wanted };
}

/** A key with parts needs all of them; undefined where it is not whole. */
function resolveKey(key: Key, path: Path, located: Pick<Located, "places">, resolve: Resolver): { key: Key | undefined; wanted: string[] } {
  if (typeof key === "string") {
    const { value, wanted } = resolve(located, path, key);
    return { key: value === undefined ? undefined : asText(value), wanted };
  }
  const parts = Object.entries(key).map(([part, value]) => [part, resolve(located, [...path, part], value)] as const);
  const whole = parts.length > 0 && parts.every(([, { value }]) => value !== undefined);
  return {
    key: whole ? Object.fromEntries(parts.map(([part, { value }]) => [part, asText(value)])) : undefined,
    wanted: parts.flatMap(([, { wanted }]) => wanted),
  };
}

function asText(value: unknown): string {
  return typeof value === "string" ? trimmed(value) : JSON.stringify(value);
}

/** The variables or files that a key is read from, as the beginning of a sentence about it. */
function namedBy(key: unknown): string {
  const files = [...JSON.stringify(key).matchAll(/\bfile\(\\?["']([^"'\\]+)/g)].map(([, path]) => String(path));
  const names = [...variablesIn(key), ...files];
  return names.length > 0 ? `${names.join(", ")}: ` : "";
}

/** The paths that the channel's calls put behind its address, as far as they are written out. */
function pathsOf(channel: ChannelSettings): string[] {
  const operations = [channel, ...Object.values(channel.models)].flatMap((part) => [part?.generate, part?.edit]);
  const paths = operations.flatMap((operation) => methods.map((method) => operation?.request?.[method]));
  return paths.filter((path): path is string => typeof path === "string" && /^\/[^?#$]*[^/?#$]$/.test(path));
}

/** A key written into a file ends in a repository. It is reported, and hidden wherever the file is shown. */
export function judgeKeys(located: Located, problems: Problems): void {
  const visit = (value: unknown, path: Path): void => {
    if (Array.isArray(value) || isPlainObject(value)) {
      for (const [part, inner] of Object.entries<unknown>(value)) visit(inner, [...path, part]);
    } else if (isWrittenOut(value)) {
      const { place } = placeOf(located.places, path);
      place.source.secrets.push([place.value, place.end]);
      problems.add(located, path, 'keys: a key written out; name where it is: ${env.NAME} or ${file("/run/secrets/name")}');
    }
  };
  visit(located.value.keys, ["keys"]);
}

/** True for a key written out, false for an expression that names where it is. */
export function isWrittenOut(key: unknown): boolean {
  return typeof key === "number" || (typeof key === "string" && !key.includes("${"));
}

/**
 * A channel's or model's own settings for its templates, and the secrets among them. What cannot be had is named in `wanted`: the model is
 * off, and the name stands for the value in what is shown of its requests.
 */
export function resolveVariables(
  located: Located<ModelSettings>,
  resolve: Resolver,
): { variables: Record<string, unknown>; secrets: string[]; wanted: string[] } {
  const resolved = Object.entries(located.value.variables ?? {}).map(([name, written]) => ({
    ...resolve(located, ["variables", name], written),
    name,
    written,
  }));
  return {
    variables: Object.fromEntries(
      resolved.flatMap(({ name, value, wanted: [first] }) => {
        const known = value ?? (first === undefined ? undefined : `(${first})`);
        return known === undefined ? [] : [[name, known] as const];
      }),
    ),
    secrets: resolved.flatMap(({ value, written }) => secretsAmong(value, written, variablesIn(written))),
    wanted: resolved.flatMap(({ wanted }) => wanted),
  };
}

/** The channel as one of its models sees it: the model's own parts over the channel's. */
export function forModel({ value, places }: Located<ChannelSettings>, id: string): Located<ModelSettings> {
  const own = movedPlaces(places, ["models", id], []);
  // A missing part of the channel is reported at its top.
  own.delete("");
  const { models, ...channel } = value;
  // The grammar has accepted both, and null has gone where it deleted something.
  return withEdit(overlay({ value: channel, places }, { value: models[id] ?? {}, places: own })) as Located<ModelSettings>;
}
