// Reads the file `.env` of the working folder into the environment of the process.
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { parseEnv } from "node:util";
import { messageOf } from "../errors.ts";

type Environment = Record<string, string | undefined>;

/** The path of the file. */
export const envFile = () => resolve(".env");

/** The variables that the file has; none where it is not there. Throws an Error where it cannot be read. */
function variablesOf(file: string): Record<string, string> {
  try {
    return parseEnv(readFileSync(file, "utf8")) as Record<string, string>;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return {};
    throw new Error(`${file} cannot be read: ${messageOf(error)}`, { cause: error });
  }
}

/** The environment with the variables of the file that it does not set itself. */
export function withEnvFile(env: Readonly<Environment>, file = envFile()): Environment {
  return { ...variablesOf(file), ...env };
}

/**
 * Put the variables of the file into an environment that does not set them itself. What is returned does so anew, after which `env` has what
 * the file says then. Throws an Error where the file cannot be read.
 */
export function useEnvFile(env: Environment, file = envFile()): () => void {
  const own = new Set(Object.keys(env));
  let before: string[] = [];
  const use = () => {
    const now = Object.entries(variablesOf(file)).filter(([name]) => !own.has(name));
    for (const name of before) Reflect.deleteProperty(env, name);
    for (const [name, value] of now) env[name] = value;
    before = now.map(([name]) => name);
  };
  use();
  return use;
}
