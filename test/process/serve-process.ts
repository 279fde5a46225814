import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { cp, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const main = fileURLToPath(new URL("../../src/main.js", import.meta.url));

export interface Process {
  child: ChildProcess;
  /** What it has said to the operator so far. */
  said(): string;
  /** Its log so far. */
  logged(): string;
  /** Resolves with its exit code, or the name of the signal that ended it. */
  ended: Promise<number | string>;
}

/** `pictor serve`, or another command, as a process of its own, with nothing in its environment but this. */
export function startProcess(env: Record<string, string>, cwd: string, args = ["serve"]): Process {
  const { PATH = "", NODE_V8_COVERAGE } = process.env;
  const child = spawn(process.execPath, [main, ...args], {
    cwd,
    env: { PATH, PORT: "0", ...(NODE_V8_COVERAGE ? { NODE_V8_COVERAGE } : {}), ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let said = "";
  let logged = "";
  child.stderr.on("data", (chunk: Buffer) => (said += chunk.toString()));
  child.stdout.on("data", (chunk: Buffer) => (logged += chunk.toString()));
  const ended = once(child, "close").then(([code, signal]) => (signal ?? code) as number | string);
  return { child, said: () => said, logged: () => logged, ended };
}

/** Wait until it has said all that it says at its start, and give its URL. Rejects with what it said when it ends before that. */
export async function urlOf(started: Process): Promise<string> {
  for (let tries = 0; tries < 5000; tries += 1) {
    const url = /pictor listens on (http:\/\/\S+);[^]*\n\n$/.exec(started.said())?.[1];
    if (url) return url;
    if (started.child.exitCode !== null) break;
    await delay(10);
  }
  throw new Error(`it does not listen: ${started.said()}`);
}

/** Run with a folder of its own, in which every process that was started is ended and which then goes away. */
export async function inFolder(
  run: (start: (env?: Record<string, string>, args?: string[]) => Process, folder: string) => Promise<void>,
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "pictor-serve-"));
  const started: Process[] = [];
  try {
    await run((env = {}, args = ["serve"]) => {
      const own = startProcess(env, folder, args);
      started.push(own);
      return own;
    }, folder);
  } finally {
    for (const { child, ended } of started) {
      child.kill("SIGKILL");
      await ended;
    }
    await rm(folder, { recursive: true });
  }
}

/** A folder of these channels with the demo model's schema, and what names it in the environment. Without any it is the demo's. */
export async function channelsWith(folder: string, files?: Record<string, string>): Promise<{ PICTOR_CHANNELS: string }> {
  const channels = join(folder, "channels");
  const shared = ["models/common.json", "models/demo.json", "presets/openai-images.yaml", ...(files ? [] : ["demo.yaml"])];
  for (const name of shared) await cp(join("channels", name), join(channels, name));
  for (const [name, content] of Object.entries(files ?? {})) await writeFile(join(channels, name), content);
  return { PICTOR_CHANNELS: channels };
}
