// The table of fixed numbers for docs/operate.md, from the constants and their comments.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { table } from "./table.ts";
import { sourceFiles } from "./tree.ts";

/** Constants that decide nothing that anybody notices, by file: signs of formats, pieces that bytes are moved in, limits of the language. */
export const notBehaviour: Readonly<Record<string, readonly string[]>> = {
  "src/errors.ts": ["errorStatus"],
  "src/schema/once.ts": ["short"],
  "src/picture/backlog.ts": ["batch", "slice"],
  "src/picture/base64.ts": ["slice"],
  "src/picture/convert.ts": ["slice"],
  "src/picture/cut.ts": ["windowBytes"],
  "src/picture/disk.ts": ["batch"],
  "src/picture/lift.ts": ["quote", "backslash"],
  "src/picture/pieces.ts": ["large"],
  "src/picture/png-lies.ts": ["samples", "batch"],
  "src/picture/sniff.ts": ["sniffBytes"],
  "src/money/lines.ts": ["million"],
  "src/money/units.ts": ["million", "free", "unbounded"],
  "src/net/body.ts": ["small"],
  "src/ledger/usage.ts": ["dayLength"],
  "src/ledger/postgres.ts": ["migrationLock"],
  "src/net/sse.ts": ["lineFeed", "carriageReturn", "colon"],
  "src/dialect/usual.ts": ["units"],
  "src/channels/problems.ts": ["frameWidth"],
  "src/gateway/deadline.ts": ["longestTimer"],
  "src/gateway/health.ts": ["severity"],
  "src/http/answer.ts": ["latest"],
  "src/http/meter.ts": ["quote", "backslash"],
  // PICTOR_MAX_BODY and the like, which the table of the environment has.
  "src/http/input-limits.ts": ["usualLimits"],
  "src/http/write.ts": ["largest"],
};

interface FixedNumber {
  file: string;
  name: string;
  /** The comment above it, on one line; empty where there is none. */
  comment: string;
}

const number = String.raw`[\d(][\w.*+/() -]*`;
const declared = new RegExp(
  String.raw`(?:/\*\*((?:(?!\*/)[^])*)\*/\n)?^(?:export )?const (\w+)(?:: [^=\n]+)? = (?:${number}|\{(?:\s*\w+: ${number},?)+\s*\})(?: as const)?;$`,
  "gm",
);

/** Every constant of a file's text, outside of its functions, that is a number or a map of numbers. */
export function numbersIn(text: string): Omit<FixedNumber, "file">[] {
  return [...text.matchAll(declared)].map(([, comment = "", name = ""]) => ({
    name,
    comment: comment.replace(/\s*\n \*\s*/g, " ").trim(),
  }));
}

/** A comment's parts: what the number is, its unit, and why it is so. What stands between backticks is no border. */
const parts = /^((?:`[^`]*`|[^`:])*?)(?:, in (milliseconds|seconds|bytes))?: (.+)\.$/;

/**
 * The numbers that decide how the gateway behaves, each with its value, its reason and its file. Throws an Error for a constant that is neither
 * on the list above nor exported with a comment that says these things.
 */
export async function numbersTable(root: string): Promise<string> {
  const rows: string[][] = [];
  // Code that runs in browsers decides nothing of the gateway.
  for (const file of (await sourceFiles(root)).filter((name) => !name.startsWith("src/console/app/"))) {
    const found = numbersIn(await readFile(join(root, file), "utf8")).filter(({ name }) => !notBehaviour[file]?.includes(name));
    if (found.length === 0) continue;
    const values = (await import(`../../${file.replace(/ts$/, "js")}`)) as Record<string, unknown>;
    for (const { name, comment } of found) {
      const [, what = "", unit, why = ""] = parts.exec(comment) ?? [];
      if (what === "" || values[name] === undefined)
        throw new Error(
          `${file}: ${name} must be exported with a comment such as "Longest wait, in milliseconds: why it is so.", or be listed in tools/docs/numbers.ts`,
        );
      rows.push([what, shown(values[name], unit), why, `\`${file}\``]);
    }
  }
  return table(["What", "Value", "Why", "Where"], rows);
}

const steps: Readonly<Record<string, readonly (readonly [size: number, name: string])[]>> = {
  milliseconds: [
    [3_600_000, "h"],
    [60_000, "min"],
    [1000, "s"],
    [1, "ms"],
  ],
  seconds: [
    [86_400, "d"],
    [3600, "h"],
    [60, "min"],
    [1, "s"],
  ],
  bytes: [
    [1024 * 1024, "MB"],
    [1024, "KB"],
    [1, "bytes"],
  ],
};

/** A number with the largest unit that leaves it whole; a map as its numbers by their names. */
function shown(value: unknown, unit: string | undefined): string {
  if (typeof value === "object")
    return Object.entries(value ?? {})
      .map(([name, part]) => `${name} ${shown(part, unit)}`)
      .join(", ");
  const [size, name] = steps[unit ?? ""]?.find(([each]) => Number(value) % each === 0) ?? [1, ""];
  return `${(Number(value) / size).toLocaleString("en")} ${name}`.trim();
}
