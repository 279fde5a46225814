// Gives the validators of the operator's files. The build has written them as code, since compiling one takes a tenth of a second.
import type { AnySchemaObject, ValidateFunction } from "ajv";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { compilePattern, createAjv, manner } from "./ajv.ts";

const require = createRequire(import.meta.url);

/** The folder in which the build writes validators. */
export const writtenFolder = fileURLToPath(new URL("../../assets/validators/", import.meta.url));

/** An operator reads everything that is wrong at once, and the grammar fills in what is left out. */
export const settings = { useDefaults: true, allErrors: true } as const;

/** The export of a file of `writtenFolder`: it makes the validator, of what its code names and does not have. */
type Make<T> = (compile: typeof compilePattern, load: typeof require) => ValidateFunction<T>;

/** The validator of a kind of file. A schema for which the build wrote none, as with plugins of the operator's own, is compiled. */
export function validatorOf<T>(schema: AnySchemaObject, folder = writtenFolder): ValidateFunction<T> {
  const file = join(folder, writtenName(schema));
  if (!existsSync(file)) return createAjv(settings).compile<T>(schema);
  return (require(file) as Make<T>)(compilePattern, require);
}

/** The name of the file with a schema's validator: a digest of all that its code is made of, so that another's is never taken for it. */
export function writtenName(schema: AnySchemaObject): string {
  const versions = ["ajv", "ajv-formats"].map((name) => (require(`${name}/package.json`) as { version: string }).version);
  return `${createHash("sha256").update(JSON.stringify({ versions, manner, settings, schema })).digest("hex")}.cjs`;
}
