// Starts the gateways and proxies that are measured.
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { freePort } from "../test/helpers/port.ts";
import { listening, pinned, run, type Running } from "./processes.ts";
import { profiling } from "./profile.ts";
import { channels, put, scratch, type Tools } from "./tools.ts";

export const peerNames = [
  "direct",
  "nginx",
  "portkey",
  "naive",
  "pictor",
  "pictor-2-workers",
  "pictor-sdk",
  "pictor-keyed",
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
/** The flags that `npm start` gives to Node. */
const flags = startCommand().filter((word) => word.startsWith("--"));
/** Every Node process can be asked for the stalls of its event loop. */
const node = [process.execPath, "--import", join(here, "probe.js")];
const authorization = { authorization: "Bearer sk-bench" };

/** Headers with which Pictor is asked to order a request once: as OpenAI's SDKs send them, and with a key of its own for each request. */
const askedWith: Partial<Record<PeerName, Record<string, string>>> = {
  "pictor-sdk": { "x-stainless-retry-count": "0" },
  "pictor-keyed": { "idempotency-key": "#0000000000" },
};

function startCommand(): string[] {
  const { scripts } = JSON.parse(readFileSync(join(here, "../../package.json"), "utf8")) as { scripts: { start: string } };
  return scripts.start.split(" ");
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
    case "naive":
      return begun(start([...node, join(here, "naive.js")], { PORT: String(port), PROVIDER: `http://127.0.0.1:${provider}` }));
    case "pictor":
    case "pictor-sdk":
    case "pictor-keyed":
    case "pictor-2-workers":
    case "pictor-before": {
      const entry = name === "pictor-before" && beside ? join(beside, "dist/src/main.js") : main;
      return begun(
        start(
          [
            ...node,
            ...flags,
            ...(profile ? profiling(folder) : []),
            entry,
            "serve",
            ...(name === "pictor-2-workers" ? ["--workers", "2"] : []),
          ],
          {
            PORT: String(port),
            PICTOR_API_KEYS: "sk-bench",
            PICTOR_CHANNELS: channels,
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
