// Starts the gateways and proxies that are measured.
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { models } from "./cases.ts";
import { freePort } from "../test/helpers/port.ts";
import { listening, pinned, run, type Running } from "./processes.ts";
import { profiling } from "./profile.ts";
import { channels, put, putChannels, scratch, type Tools } from "./tools.ts";

export const peerNames = [
  "direct",
  "nginx",
  "portkey",
  "litellm",
  "one-api",
  "naive",
  "pictor",
  "pictor-2-workers",
  "pictor-sdk",
  "pictor-keyed",
  "pictor-door",
  "pictor-before",
] as const;
export type PeerName = (typeof peerNames)[number];

/** What is measured: a way to the provider. */
export interface Peer {
  name: PeerName;
  port: number;
  /** Headers that it wants beside the content's. */
  headers: Record<string, string>;
  /** Absent for the way without a proxy. */
  process?: Running;
}

interface Start {
  tools: Tools;
  /** The provider's port. */
  provider: number;
  /** Cores as `taskset` takes them. */
  cores: string;
  /** Have Pictor write a profile into its folder when it ends. */
  profile: boolean;
  /** A built tree of another commit, which `pictor-before` is started from. */
  beside?: string;
}

const here = fileURLToPath(new URL("./", import.meta.url));
const main = fileURLToPath(new URL("../src/main.js", import.meta.url));
const root = fileURLToPath(new URL("../../", import.meta.url));
/** Every Node process can be asked for the stalls of its event loop. */
const node = [process.execPath, "--import", join(here, "probe.js")];
const authorization = { authorization: "Bearer sk-bench" };

/** True for a peer that runs in Node, with the probe in it. Others do not know the probe's signal, and some end by it. */
export const isProbed = (name: PeerName): boolean => name === "portkey" || name === "naive" || name.startsWith("pictor");

/** Headers with which Pictor is asked to order a request once: as OpenAI's SDKs send them, and with a key of its own for each request. */
const askedWith: Partial<Record<PeerName, Record<string, string>>> = {
  "pictor-sdk": { "x-stainless-retry-count": "0" },
  "pictor-keyed": { "idempotency-key": "#0000000000" },
};

/** The flags that `npm start` of a tree gives to Node. */
function flagsOf(tree: string): string[] {
  const { scripts } = JSON.parse(readFileSync(join(tree, "package.json"), "utf8")) as { scripts: { start: string } };
  return scripts.start.split(" ").filter((word) => word.startsWith("--"));
}

/** Where a peer keeps what it stores, and writes its stalls. */
export function folderOf(name: PeerName): string {
  return join(scratch, "peers", name);
}

/** Start a peer; undefined where it is not there. */
export async function startPeer(name: PeerName, { tools, provider, cores, profile, beside }: Start): Promise<Peer | undefined> {
  if (name === "direct") return { name, port: provider, headers: authorization };
  const port = await freePort();
  const folder = folderOf(name);
  mkdirSync(folder, { recursive: true });
  const log = join(folder, "log");
  const start = (command: string[], env: NodeJS.ProcessEnv = {}) =>
    run(pinned(cores, command), log, { ...env, NODE_ENV: "production", BENCH_FOLDER: folder });
  const begun = async (process: Running, headers: Record<string, string> = {}) => {
    await listening(process, port, log);
    return { name, port, headers: { ...authorization, ...headers }, process };
  };
  switch (name) {
    case "nginx": {
      if (!tools.nginx) return undefined;
      const settings = put("nginx.conf", nginxSettings(port, provider, folder));
      return begun(start([tools.nginx, "-p", folder, "-e", "stderr", "-c", settings]));
    }
    case "portkey": {
      if (!tools.portkey) return undefined;
      const server = start([...node, tools.portkey, `--port=${port}`, "--headless"], { TRUSTED_CUSTOM_HOSTS: "127.0.0.1,localhost" });
      return begun(server, { "x-portkey-provider": "openai", "x-portkey-custom-host": `http://127.0.0.1:${provider}/v1` });
    }
    case "litellm": {
      if (!tools.litellm) return undefined;
      const settings = put("litellm.yaml", litellmSettings(provider));
      const command = [tools.litellm, "--config", settings, "--host", "127.0.0.1", "--port", String(port), "--num_workers", "1"];
      // What its documentation calls settings for production: no debug log, and no download of its prices at start.
      return begun(start(command, { LITELLM_MODE: "PRODUCTION", LITELLM_LOG: "ERROR", LITELLM_LOCAL_MODEL_COST_MAP: "True" }));
    }
    case "one-api": {
      if (!tools.oneApi) return undefined;
      const peer = await begun(
        start([tools.oneApi, "--port", String(port), "--log-dir", folder], {
          SQLITE_PATH: join(folder, "one-api.db"),
          TIKTOKEN_CACHE_DIR: join(tools.oneApi, "../tokens"),
          // What its documentation advises for speed.
          MEMORY_CACHE_ENABLED: "true",
          SYNC_FREQUENCY: "1",
          BATCH_UPDATE_ENABLED: "true",
          GLOBAL_API_RATE_LIMIT: "0",
          INITIAL_ROOT_TOKEN: "bench",
          INITIAL_ROOT_ACCESS_TOKEN: "bench-operator",
        }),
      );
      await addOneApiChannel(port, provider);
      return peer;
    }
    case "naive":
      return begun(start([...node, join(here, "naive.js")], { PORT: String(port), PROVIDER: `http://127.0.0.1:${provider}` }));
    case "pictor":
    case "pictor-sdk":
    case "pictor-keyed":
    case "pictor-door":
    case "pictor-2-workers":
    case "pictor-before": {
      const other = name === "pictor-before" ? beside : undefined;
      const entry = other === undefined ? main : join(other, "dist/src/main.js");
      const ownChannels = other === undefined ? channels : join(folder, "channels");
      // The grammar of another commit may be another one.
      if (other !== undefined) putChannels(other, ownChannels);
      return begun(
        start(
          [
            ...node,
            ...flagsOf(other ?? root),
            ...(profile ? profiling(folder) : []),
            entry,
            "serve",
            ...(name === "pictor-2-workers" ? ["--workers", "2"] : []),
          ],
          {
            PORT: String(port),
            PICTOR_API_KEYS: "sk-bench",
            PICTOR_CHANNELS: ownChannels,
            PICTOR_DATA: join(folder, "data"),
            BENCH_API_KEY: "sk-provider",
            BENCH_BASE_URL: `http://127.0.0.1:${provider}/v1`,
          },
        ),
        askedWith[name],
      );
    }
  }
}

/** Every model is the provider's model of that name. Of models that it does not know it sends nothing but the usual fields. */
function litellmSettings(provider: number): string {
  const model = {
    model_name: "*",
    litellm_params: { model: "openai/*", api_base: `http://127.0.0.1:${provider}/v1`, api_key: "sk-provider" },
  };
  return JSON.stringify({ model_list: [model], general_settings: { master_key: "sk-bench" }, litellm_settings: { drop_params: true } });
}

/** One API keeps channels in its database, and is told of them by its own interface. */
async function addOneApiChannel(port: number, provider: number): Promise<void> {
  const channel = {
    type: 1,
    name: "bench",
    key: "sk-provider",
    base_url: `http://127.0.0.1:${provider}`,
    models: models.join(","),
    group: "default",
    model_mapping: "",
  };
  const answer = await fetch(`http://127.0.0.1:${port}/api/channel/`, {
    method: "POST",
    headers: { authorization: "bench-operator", "content-type": "application/json" },
    body: JSON.stringify(channel),
  });
  const { success, message } = (await answer.json()) as { success: boolean; message: string };
  if (!success) throw new Error(`the channel was not taken: ${message}`);
  // Its cache takes the channel up at its next look.
  await delay(2000);
}

/** As a careful operator sets it up: connections kept, nothing logged, nothing put on disk. */
function nginxSettings(port: number, provider: number, folder: string): string {
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((kind) => `${kind}_temp_path ${folder}/${kind};`).join(" ");
  return `daemon off; master_process off; pid ${folder}/pid; error_log stderr warn;
events { worker_connections 8192; }
http {
  ${temporary} access_log off; client_max_body_size 0; proxy_request_buffering off; proxy_max_temp_file_size 0; keepalive_requests 100000000;
  upstream provider { server 127.0.0.1:${provider}; keepalive 2048; keepalive_requests 100000000; }
  server {
    listen 127.0.0.1:${port} backlog=4096;
    location / { proxy_pass http://provider; proxy_http_version 1.1; proxy_set_header Connection ""; }
  }
}
`;
}
