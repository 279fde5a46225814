// Reads the blocks of code out of a page, and runs those of the shell.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { resolve } from "node:path";
import { text } from "node:stream/consumers";

/** A fenced block of a page. */
export interface Block {
  language: string;
  code: string;
  /** Where it stands, for messages. */
  place: string;
  /** The file that it is, where the paragraph before it names one. */
  file: string | undefined;
}

/** Every fenced block of a page, in order. */
export function blocksOf(page: string, markdown: string): Block[] {
  let end = 0;
  return [...markdown.matchAll(/^```(\w*)\n([^]*?)^```$/gm)].map(({ 0: whole, 1: language = "", 2: code = "", index }) => {
    const [paragraph = ""] = markdown.slice(end, index).trimEnd().split("\n\n").slice(-1);
    end = index + whole.length;
    const named = [...paragraph.matchAll(/`((?:channels|plugins)\/[\w./-]+\.(\w+))`/g)].filter(([, , type]) => type === language);
    return { language, code, place: `${page}:${markdown.slice(0, index).split("\n").length}`, file: named.at(-1)?.[1] };
  });
}

/** What the commands of the pages are here: the built gateway, which ends once it listens, and a curl that fails where an answer is an error. */
const commands = `
set -euo pipefail
curl() { command curl --fail-with-body --silent --show-error "$@"; }
serve() {
  : >said
  node "$MAIN" serve "$@" >logged 2>said & local pid=$!
  until grep -q "pictor listens on" said; do kill -0 $pid || { cat said; return 1; }; sleep 0.05; done
  kill $pid
  # One that is told before it has done all of its start ends at once, by the signal.
  wait $pid || [ $? = 143 ]
}
npx() {
  [ "$1" = pictor ]; shift
  case "\${1-serve}" in
    serve) shift || true; serve "$@" ;;
    keys | requests | webhooks) node "$MAIN" "$@" --url "$GATEWAY" ;;
    status) shift; node "$MAIN" status --url "$GATEWAY" "$@" ;;
    *) node "$MAIN" "$@" ;;
  esac
}
npm() {
  case "$1" in
    ci | pack | pkg) ;;
    init) echo '{}' >package.json ;;
    install) mkdir node_modules && ln -s "$ROOT" node_modules/pictor ;;
    start) serve ;;
    run) grep -q "^    \\"$2\\": " "$ROOT/package.json" ;;
    *) grep -q "^    \\"$1\\": " "$ROOT/package.json" ;;
  esac
}
`;

export interface Shell {
  /** The folder that it runs in. */
  cwd: string;
  /** The gateway that is reached. */
  url: string;
  env: Record<string, string>;
}

/** Run a block of the shell, with all that it starts, for 30 seconds at most: its exit code and what it said. */
export async function runShell(code: string, { cwd, url, env }: Shell): Promise<{ code: number; out: string; err: string }> {
  const root = process.cwd();
  const child = spawn("bash", ["-c", commands + code.replaceAll("http://127.0.0.1:8080", url)], {
    cwd,
    env: {
      PATH: process.env.PATH,
      HOME: cwd,
      MAIN: resolve("dist/src/main.js"),
      ROOT: root,
      GATEWAY: url,
      PORT: "0",
      PICTOR_WORKERS: "0",
      ...env,
    },
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
  });
  const end = () => {
    // A block may leave something running, which is in its process group.
    try {
      process.kill(-child.pid!, "SIGKILL");
    } catch {
      // Nothing is left.
    }
  };
  const timer = setTimeout(end, 30_000);
  const streams = Promise.all([text(child.stdout), text(child.stderr)]);
  const [status] = (await once(child, "exit")) as [number | null];
  clearTimeout(timer);
  end();
  const [out, err] = await streams;
  return { code: status ?? 1, out, err };
}
