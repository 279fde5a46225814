// Shows a problem of the operator's files.
import type { Problem } from "../errors.ts";
import { colours } from "./colours.ts";

/** A problem as a person reads it. */
export function describe({ file, line, column, message, frame }: Problem): string {
  return [`${colours.bold(`${file}:${line}:${column}`)}: ${message}`, ...(frame === "" ? [] : [colours.dim(frame)])].join("\n");
}
