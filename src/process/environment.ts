// Reads the process's settings from the environment.
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { trimmed } from "../channels/settings.ts";
import { channelsVariable, layered, textsIn, textsOf, type Texts } from "../channels/texts.ts";
import { usualLimits, type InputLimits } from "../http/input-limits.ts";
import { readS3Address, type S3Address } from "../net/s3/address.ts";
import { shippedPlugins } from "../plugin/load.ts";
import { envFile } from "./env-file.ts";
import { workerCount } from "./worker-count.ts";

/** The process's settings, from the environment. docs/operate.md has a table of them. */
export const environmentNames = {
  PORT: "Port to listen on.",
  HOST: "Address to listen on.",
  PICTOR_API_KEYS: "The clients' keys, separated by commas; one is made and printed when there are none.",
  PICTOR_ADMIN_KEY: "The operator's own key, for the details of `/readyz` and for `/admin`; nobody has them while it is not set.",
  PICTOR_START: "`strict` refuses to start where any file is wrong; `lenient` serves what is right.",
  PICTOR_CHANNELS:
    "Folders of channel files, separated by commas: a file takes the place of its namesakes further on. `shipped` is the package's; `channels` here and `shipped` when absent.",
  PICTOR_CHANNELS_JSON:
    "Channels without files: a map, in JSON or YAML, of each channel's name to what its file would hold. They go before all files.",
  PICTOR_PLUGINS: "Folder of plugins beside those that ship, `*.js`.",
  PICTOR_PUBLIC_URL: "Where URLs of stored pictures begin; the request's own host when absent.",
  PICTOR_DATA: "Folder of the embedded stores.",
  PICTOR_STORE:
    "`s3://bucket/prefix?endpoint=https://...&region=...` keeps pictures in S3, also with `path_style=off` and `redirect=on`; below `PICTOR_DATA` when absent.",
  PICTOR_STORE_KEY_ID: "The key of that bucket; `AWS_ACCESS_KEY_ID`, which a channel may have in common with it, when absent.",
  PICTOR_STORE_SECRET: "The secret of `PICTOR_STORE_KEY_ID`.",
  AWS_ACCESS_KEY_ID: "The key of that bucket, where it has none of its own.",
  AWS_SECRET_ACCESS_KEY: "Its secret.",
  AWS_SESSION_TOKEN: "Its session token, where the key is a temporary one.",
  PICTOR_PICTURE_LIFE: "Seconds that a stored picture is kept.",
  PICTOR_DATA_MAX: "Bytes of all stored pictures, beyond which the oldest are removed; as many as the disk takes when absent.",
  PICTOR_MAX_BODY: "Bytes of a request, with its images.",
  PICTOR_MAX_IMAGE: "Bytes of one image in a request.",
  PICTOR_MAX_PIXELS: "Pixels of one image in a request.",
  PICTOR_CORS_ORIGINS: "Origins that browsers may call from, separated by commas, or `*`.",
  PICTOR_TRUST_PROXY: "`on` believes `X-Forwarded-*`.",
  PICTOR_CONSOLE: "`off` serves no console at `/console`.",
  PICTOR_DEMO: "`on` keeps the demo model beside other channels.",
  PICTOR_CONFIG:
    "The file of client keys, fallbacks and limits; `gateway.yaml` beside the first of `PICTOR_CHANNELS`, or here, when absent.",
  PICTOR_SHUTDOWN_SECONDS: "Seconds that requests under way have to finish once the process is told to end.",
  PICTOR_SHUTDOWN_PAUSE: "Seconds that `/readyz` says no before SIGTERM stops accepting, for balancers to notice.",
  PICTOR_WORKERS: "Processes that serve on the port, as `serve --workers` says; `0` serves in the first one, and nothing starts it anew.",
  DATABASE_URL:
    "`postgres://...` where several instances share what must last: requests, their keys and jobs. A file below `PICTOR_DATA` when absent, for one machine.",
  REDIS_URL: "`redis://...` where several instances share limits and cool-downs; each goes on by itself while it cannot be reached.",
  HTTP_PROXY: "The proxy for providers and pictures at `http://` addresses, such as `http://proxy.example:3128`; lower case is read too.",
  HTTPS_PROXY: "The same for `https://` addresses.",
  ALL_PROXY: "The proxy where the one above is not set.",
  NO_PROXY:
    "What is reached directly: hosts, `.example.com` for all below it, `host:port`, or `*`, separated by commas. Loopback always is.",
  OTEL_EXPORTER_OTLP_ENDPOINT:
    "`http://collector.example:4318`: where spans of requests are exported by OTLP, as JSON; none are when absent.",
  OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "The whole address for spans, in place of `/v1/traces` below that one.",
  OTEL_EXPORTER_OTLP_HEADERS: "Headers of the exports, such as `authorization=Bearer%20...`, separated by commas.",
  OTEL_SERVICE_NAME: "The name of the service that spans have; `pictor` when absent.",
  OTEL_RESOURCE_ATTRIBUTES: "More attributes of it, such as `deployment.environment.name=live`, separated by commas.",
  OTEL_TRACES_SAMPLER:
    "Which traces are exported: `parentbased_always_on` when absent, `parentbased_traceidratio`, `parentbased_always_off`, or these without `parentbased_`.",
  OTEL_TRACES_SAMPLER_ARG: "The share of a ratio, from 0 to 1.",
  OTEL_TRACES_EXPORTER: "`none` exports no spans, whatever the endpoint.",
  OTEL_SDK_DISABLED: "`true` does the same.",
  OTEL_PROPAGATORS:
    "What a request has of its trace: `tracecontext` reads the header `traceparent` and sends it on to providers; `none` does neither. Others are not known.",
  LOG_LEVEL: "`trace`, `debug`, `info`, `warn`, `error`, `fatal` or `silent`.",
} as const;

export const environmentDefaults = {
  PORT: "8080",
  HOST: "127.0.0.1",
  PICTOR_START: "lenient",
  PICTOR_DATA: ".pictor",
  PICTOR_PICTURE_LIFE: "86400",
  PICTOR_MAX_BODY: String(usualLimits.body),
  PICTOR_MAX_IMAGE: String(usualLimits.bytes),
  PICTOR_MAX_PIXELS: String(usualLimits.pixels),
  PICTOR_TRUST_PROXY: "off",
  PICTOR_CONSOLE: "on",
  PICTOR_DEMO: "off",
  PICTOR_SHUTDOWN_SECONDS: "60",
  PICTOR_SHUTDOWN_PAUSE: "0",
  PICTOR_WORKERS: "1",
  OTEL_PROPAGATORS: "tracecontext",
  LOG_LEVEL: "info",
} as const satisfies Partial<Record<keyof typeof environmentNames, string>>;

type Name = keyof typeof environmentNames;
type Defaulted = keyof typeof environmentDefaults;

export const shippedChannels = fileURLToPath(new URL("../../../channels/", import.meta.url));

/** The sources of the channels, the uppermost first. */
export interface ChannelSources {
  folders: readonly { path: string; optional: boolean }[];
  /** The channels that the environment holds, as text. */
  given: string | undefined;
}

export interface ProcessSettings {
  port: number;
  host: string;
  apiKeys: string[];
  adminKey: string | undefined;
  /** True where any wrong file keeps the gateway from starting. */
  strict: boolean;
  channels: ChannelSources;
  /** The path of `.env`, whether it is there or not. */
  envFile: string;
  pluginFolders: string[];
  publicUrl: string | undefined;
  data: string;
  /** The bucket of stored pictures, where they are not kept below `data`. */
  store: S3Address | undefined;
  pictureLife: number;
  /** Bytes of all stored pictures. */
  dataMax: number | undefined;
  inputLimits: InputLimits;
  corsOrigins: string[] | undefined;
  trustProxy: boolean;
  demo: boolean;
  hasConsole: boolean;
  /** The path of `gateway.yaml`; `named` where the operator gave it, so that it must be there. */
  config: { file: string; named: boolean };
  shutdownSeconds: number;
  shutdownPause: number;
  workers: number;
  logLevel: string;
  /** True where the header `traceparent` is read, and sent on. */
  propagates: boolean;
  /** True where spans are exported. The rest of it is read by the packages that do it. */
  exportsSpans: boolean;
  redis: string | undefined;
  /** The address of the shared database. */
  database: string | undefined;
}

/** Read the settings. Throws an Error that names the variable and what it takes. */
export function readSettings(env: Readonly<Record<string, string | undefined>>): ProcessSettings {
  const { given, value, list, number, numberIn, flag } = readersOf(env);
  refuseWrongProxies(env);
  const publicUrl = given("PICTOR_PUBLIC_URL")?.replace(/\/+$/, "");
  if (publicUrl && !(URL.canParse(publicUrl) && /^https?:/.test(publicUrl)))
    throw new Error(`PICTOR_PUBLIC_URL is ${publicUrl}; it must be an address such as https://images.example.com`);
  const logLevel = value("LOG_LEVEL");
  if (!["trace", "debug", "info", "warn", "error", "fatal", "silent"].includes(logLevel))
    throw new Error(`LOG_LEVEL is ${logLevel}; it must be trace, debug, info, warn, error, fatal or silent`);
  const start = value("PICTOR_START").toLowerCase();
  if (!["strict", "lenient"].includes(start)) throw new Error(`PICTOR_START is ${start}; it must be strict or lenient`);
  const apiKeys = list("PICTOR_API_KEYS");
  const adminKey = given("PICTOR_ADMIN_KEY");
  if (adminKey !== undefined && (/\s/.test(adminKey) || apiKeys.includes(adminKey)))
    throw new Error("PICTOR_ADMIN_KEY must be one word, and none of PICTOR_API_KEYS: a client would be the operator");
  const plugins = given("PICTOR_PLUGINS");
  const folders = foldersOf(list("PICTOR_CHANNELS"));
  const redis = given("REDIS_URL");
  if (redis && !/^rediss?:\/\/\S/.test(redis)) throw new Error("REDIS_URL must be an address such as redis://127.0.0.1:6379");
  const database = given("DATABASE_URL");
  // One without a host names a socket. It may hold a password, which is not shown.
  if (database && !(/^postgres(ql)?:\/\/\S/.test(database) && URL.canParse(database.replace("@/", "@localhost/"))))
    throw new Error(
      "DATABASE_URL must be an address such as postgres://user:password@127.0.0.1:5432/pictor; a password's / is written %2F, its # %23 and its ? %3F",
    );
  const config = given("PICTOR_CONFIG");
  const dataMax = given("PICTOR_DATA_MAX");
  const origins = list("PICTOR_CORS_ORIGINS");
  return {
    port: number("PORT", 0, 65535),
    host: value("HOST"),
    apiKeys,
    adminKey,
    strict: start === "strict",
    channels: { folders, given: given("PICTOR_CHANNELS_JSON") },
    envFile: envFile(),
    pluginFolders: [shippedPlugins, ...(plugins ? [resolve(plugins)] : [])],
    publicUrl,
    data: resolve(value("PICTOR_DATA")),
    dataMax: dataMax === undefined ? undefined : numberIn("PICTOR_DATA_MAX", dataMax, 2 ** 20, Number.MAX_SAFE_INTEGER),
    store: storeIn(given("PICTOR_STORE"), dataMax, env),
    pictureLife: number("PICTOR_PICTURE_LIFE", 60, 10 * 365 * 86400),
    inputLimits: {
      ...usualLimits,
      body: number("PICTOR_MAX_BODY", 1024, 4 * 2 ** 30),
      file: number("PICTOR_MAX_IMAGE", 1024, 2 ** 30),
      bytes: number("PICTOR_MAX_IMAGE", 1024, 2 ** 30),
      pixels: number("PICTOR_MAX_PIXELS", 1024, 2 ** 30),
    },
    corsOrigins: origins.length > 0 ? origins : undefined,
    trustProxy: flag("PICTOR_TRUST_PROXY"),
    demo: flag("PICTOR_DEMO"),
    hasConsole: flag("PICTOR_CONSOLE"),
    config: {
      file: resolve(config ?? join(dirname(ownFolder({ folders })), "gateway.yaml")),
      named: config !== undefined,
    },
    shutdownSeconds: number("PICTOR_SHUTDOWN_SECONDS", 0, 86_400),
    shutdownPause: number("PICTOR_SHUTDOWN_PAUSE", 0, 3600),
    workers: workerCount(env),
    logLevel,
    propagates: value("OTEL_PROPAGATORS").split(",").map(trimmed).includes("tracecontext"),
    exportsSpans: exportsSpans(given),
    redis,
    database,
  };
}

/** The folder of the channels that ship, as it stands in `channels`. */
export const shippedFolder = resolve(shippedChannels);

function foldersOf(named: readonly string[]): ChannelSources["folders"] {
  const paths =
    named.length > 0
      ? named.map((name) => ({ path: name === "shipped" ? shippedFolder : resolve(name), optional: false }))
      : [
          { path: resolve("channels"), optional: true },
          { path: shippedFolder, optional: false },
        ];
  // In a clone both are one.
  return paths.filter(({ path }, index) => paths.findLastIndex((other) => other.path === path) === index);
}

/** The operator's own folder of channels, whether it is there or not. */
export function ownFolder({ folders }: Pick<ChannelSources, "folders">): string {
  return (folders.find(({ path }) => path !== shippedFolder) ?? { path: resolve("channels") }).path;
}

/** The channels' texts as they are now. */
export function channelTexts({ folders, given }: ChannelSources): Texts {
  const inEnvironment = given === undefined ? [] : [textsOf(new Map([[channelsVariable, Buffer.from(given)]]))];
  return layered([...inEnvironment, ...folders.map(({ path, optional }) => textsIn(path, { optional, near: path === shippedFolder }))]);
}

function storeIn(text: string | undefined, dataMax: string | undefined, env: Parameters<typeof readS3Address>[1]): S3Address | undefined {
  if (text !== undefined && dataMax !== undefined)
    throw new Error("PICTOR_DATA_MAX bounds the folder of PICTOR_DATA, and PICTOR_STORE keeps pictures elsewhere; set one of them");
  return text === undefined ? undefined : readS3Address(text, env);
}

const samplers = ["always_on", "always_off", "traceidratio"];

/** True where spans are exported. Throws an Error for what the packages that do it would only ignore. */
function exportsSpans(given: (name: Name) => string | undefined): boolean {
  const names = (["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"] as const).filter((name) => given(name));
  const isOff = given("OTEL_SDK_DISABLED")?.toLowerCase() === "true" || given("OTEL_TRACES_EXPORTER") === "none";
  if (names.length === 0 || isOff) return false;
  for (const name of names)
    // It may hold a password.
    if (!/^https?:\/\/\S/.test(given(name) ?? "") || !URL.canParse(given(name) ?? ""))
      throw new Error(`${name} must be an address such as http://127.0.0.1:4318`);
  const sampler = given("OTEL_TRACES_SAMPLER") ?? "always_on";
  if (!samplers.includes(sampler.replace(/^parentbased_/, "")))
    throw new Error(`OTEL_TRACES_SAMPLER is ${sampler}; it must be ${samplers.join(", ")}, or one of these behind parentbased_`);
  const share = given("OTEL_TRACES_SAMPLER_ARG") ?? "1";
  if (!(Number(share) >= 0 && Number(share) <= 1)) throw new Error(`OTEL_TRACES_SAMPLER_ARG is ${share}; it must be a number from 0 to 1`);
  return true;
}

/** Throws an Error for a proxy that is no address. */
function refuseWrongProxies(env: Readonly<Record<string, string | undefined>>): void {
  for (const name of ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"]) {
    const proxy = trimmed(env[name.toLowerCase()] ?? "") || trimmed(env[name] ?? "");
    // It may hold a password.
    if (proxy && !(/^https?:\/\//i.test(proxy) && URL.canParse(proxy)))
      throw new Error(`${name} must be an address such as http://proxy.example:3128; http:// and https:// proxies are understood`);
  }
}

/** Readers of single variables; each throws an Error for a value that it does not take. */
function readersOf(env: Readonly<Record<string, string | undefined>>) {
  const given = (name: Name) => trimmed(env[name] ?? "") || undefined;
  const value = (name: Defaulted) => given(name) ?? environmentDefaults[name];
  const list = (name: Name) => given(name)?.split(",").map(trimmed).filter(Boolean) ?? [];
  const number = (name: Defaulted, least: number, most: number) => numberIn(name, value(name), least, most);
  const numberIn = (name: Name, text: string, least: number, most: number) => {
    const read = Number(text);
    if (!Number.isInteger(read) || read < least || read > most)
      throw new Error(`${name} is ${text}; it must be a whole number from ${least} to ${most}`);
    return read;
  };
  const flag = (name: Defaulted) => {
    const text = value(name).toLowerCase();
    if (!["on", "off", "true", "false", "1", "0"].includes(text)) throw new Error(`${name} is ${text}; it must be on or off`);
    return ["on", "true", "1"].includes(text);
  };
  return { given, value, list, number, numberIn, flag };
}
