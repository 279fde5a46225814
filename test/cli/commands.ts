import { spawn } from "node:child_process";

export interface Ended {
  code: number | null;
  out: string;
  err: string;
}

/** Run `pictor` with these arguments as a process of its own, without a terminal, and with no environment but this. */
export function pictor(args: readonly string[], env: Record<string, string> = {}): Promise<Ended> {
  const { NODE_V8_COVERAGE } = process.env;
  return new Promise((resolve) => {
    const child = spawn(process.execPath, ["dist/src/main.js", ...args], {
      env: { ...(NODE_V8_COVERAGE && { NODE_V8_COVERAGE }), ...env },
    });
    let [out, err] = ["", ""];
    child.stdout.on("data", (chunk: Buffer) => (out += chunk.toString()));
    child.stderr.on("data", (chunk: Buffer) => (err += chunk.toString()));
    child.on("close", (code) => resolve({ code, out, err }));
  });
}

/** Run a command within this process, which is much faster: its exit code and what it said, or the message it was ended by. */
export async function inProcess(run: (say: (line: string) => void) => Promise<number>): Promise<Ended> {
  const lines: string[] = [];
  const out = () => lines.map((line) => `${line}\n`).join("");
  try {
    const code = await run((line) => void lines.push(line));
    return { code, out: out(), err: "" };
  } catch (error) {
    return { code: 1, out: out(), err: (error as Error).message };
  }
}
