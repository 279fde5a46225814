// Writes the validators of the operator's files as code.
import standalone from "ajv/dist/standalone/index.js";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileSchema } from "../src/channels/judge.ts";
import { testsFile } from "../src/channels/test-grammar.ts";
import { doorFile } from "../src/door/grammar.ts";
import { doorTestsFile } from "../src/door/test-grammar.ts";
import { loadPlugins, shippedPlugins } from "../src/plugin/load.ts";
import { gatewayFileSchema } from "../src/process/gateway-schema.ts";
import { createAjv } from "../src/schema/ajv.ts";
import type { AnySchemaObject } from "ajv";
import { settings, writtenName } from "../src/schema/written.ts";

/** The schemas of all files that operators write, with the plugins that ship. */
export async function fileSchemas(): Promise<AnySchemaObject[]> {
  return [fileSchema(await loadPlugins([shippedPlugins])), testsFile, doorFile(), doorTestsFile, gatewayFileSchema];
}

/** Write the validators of these schemas into a folder, in the place of what is there. */
export async function writeValidators(schemas: readonly AnySchemaObject[], folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  for (const schema of schemas) await writeFile(join(folder, writtenName(schema)), codeOf(schema));
}

/** A module that exports a function of `compilePattern` and `require`, which the code calls. Keywords of our own cannot be written, and fail here. */
function codeOf(schema: AnySchemaObject): string {
  const ajv = createAjv(settings);
  ajv.opts.code.source = true;
  const code = standalone.default(ajv, ajv.compile(schema));
  return `"use strict";\nmodule.exports = (compilePattern, require) => {\nconst module = {};\n${code}\nreturn module.exports;\n};\n`;
}
