// Starts processes, and reads their CPU and memory.
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { openSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { availableParallelism } from "node:os";
import { setTimeout as delay } from "node:timers/promises";

/** A process that was started, with those it started. */
export interface Running {
  /** CPU so far, in milliseconds. */
  cpu(): number;
  /** Memory in use now, in bytes. */
  memory(): number;
  /** The most memory in use since the peak was last forgotten, in bytes. */
  peak(): number;
  forgetPeak(): void;
  alive(): boolean;
  signal(name: NodeJS.Signals): void;
  stop(): Promise<void>;
}

const children = new Set<ChildProcess>();
process.once("exit", () => children.forEach((child) => child.kill("SIGKILL")));
for (const name of ["SIGINT", "SIGTERM"] as const) process.once(name, () => process.exit(1));

/** Whether a program can be run here. */
export function has(program: string): boolean {
  return spawnSync("sh", ["-c", `command -v ${program}`]).status === 0;
}

const pins = has("taskset") && availableParallelism() > 1;

/** What the report says of pinning. */
export const pinning = pins ? "load and provider on core 0, the proxy on core 1" : "nothing is pinned here";

/** The command, bound to cores where that can be done. */
export function pinned(cores: string, command: readonly string[]): string[] {
  return pins ? ["taskset", "-c", cores, ...command] : [...command];
}

/** Start a process whose output goes into a file. */
export function run(command: readonly string[], log: string, env: NodeJS.ProcessEnv = {}): Running {
  const out = openSync(log, "w");
  const child = spawn(command[0]!, command.slice(1), { env: { ...process.env, ...env }, stdio: ["ignore", out, out] });
  children.add(child);
  const gone = once(child, "exit").finally(() => children.delete(child));
  gone.catch(() => undefined);
  const pid = child.pid ?? 0;
  const sum = (of: (pid: number) => number) => tree(pid).reduce((total, each) => total + of(each), 0);
  return {
    cpu: () => sum(cpuOf),
    memory: () => sum((each) => memoryOf(each, "VmRSS")),
    peak: () => sum((each) => memoryOf(each, "VmHWM")),
    forgetPeak: () => tree(pid).forEach((each) => writeFileSync(`/proc/${each}/clear_refs`, "5")),
    alive: () => children.has(child),
    signal: (name) => tree(pid).forEach((each) => process.kill(each, name)),
    async stop() {
      child.kill("SIGTERM");
      const timer = setTimeout(() => child.kill("SIGKILL"), 10_000);
      if (children.has(child)) await gone;
      clearTimeout(timer);
    },
  };
}

/** A process and all below it. */
function tree(pid: number): number[] {
  const below = new Map<number, number[]>();
  for (const name of readdirSync("/proc").filter((entry) => /^\d+$/.test(entry))) {
    const parent = Number(statOf(Number(name))?.[1]);
    below.set(parent, [...(below.get(parent) ?? []), Number(name)]);
  }
  const found = [pid];
  for (const each of found) found.push(...(below.get(each) ?? []));
  return found;
}

/** The fields of `/proc/PID/stat` behind the name; undefined for a process that is gone. */
function statOf(pid: number): string[] | undefined {
  try {
    return readFileSync(`/proc/${pid}/stat`, "latin1")
      .replace(/^.*\) /s, "")
      .split(" ");
  } catch {
    return undefined;
  }
}

function cpuOf(pid: number): number {
  const fields = statOf(pid);
  // User and system time, in hundredths of a second on every Linux.
  return (Number(fields?.[11] ?? 0) + Number(fields?.[12] ?? 0)) * 10;
}

function memoryOf(pid: number, field: "VmRSS" | "VmHWM"): number {
  const line = new RegExp(`^${field}:\\s*(\\d+) kB`, "m").exec(readFileSync(`/proc/${pid}/status`, "latin1"));
  return Number(line?.[1] ?? 0) * 1024;
}

/** Wait until a process listens. Rejects with the end of what it said when it is gone, or after a minute. */
export async function listening(process: Running, port: number, log: string): Promise<void> {
  for (let tries = 0; tries < 1200 && process.alive(); tries += 1) {
    const socket = connect(port, "127.0.0.1");
    try {
      await once(socket, "connect");
      return;
    } catch {
      await delay(50);
    } finally {
      socket.destroy();
    }
  }
  throw new Error(`nothing listens on port ${port}:\n${readFileSync(log, "utf8").slice(-2000)}`);
}
