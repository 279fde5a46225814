import { messageOf } from "../errors.ts";
import { createModelCompiler, type SchemaError, type CompiledModel, type ModelSchema } from "../schema/models.ts";
import { stepsOf } from "./complaint.ts";
import type { ReadFile } from "./files.ts";
import type { Problems } from "./problems.ts";

export interface Schemas {
  /** Every file of `models/` but the common one, also those that are broken. */
  names: string[];
  compiled: ReadonlyMap<string, CompiledModel>;
}

/** Compile the models' schemas. Mistakes go to `problems`. */
export function compileSchemas(files: ReadonlyMap<string, ReadFile>, problems: Problems): Schemas {
  const names = [...files.keys()].filter((name) => name !== "common");
  const compiled = new Map<string, CompiledModel>();
  const compile = compilerOf(files.get("common"), problems);
  if (!compile) return { names, compiled };
  for (const { name, located } of files.values()) {
    if (name === "common" || !located) continue;
    try {
      compiled.set(name, compile(name, located.value));
    } catch (error) {
      const { message, pointer } = error as SchemaError;
      problems.add(located, stepsOf(pointer ?? ""), message);
    }
  }
  return { names, compiled };
}

/** Undefined where the common file is broken: then every model's would seem to be. */
function compilerOf(common: ReadFile | undefined, problems: Problems): ((id: string, schema: ModelSchema) => CompiledModel) | undefined {
  if (!common) return createModelCompiler({ $id: "common.json", type: "object" });
  if (!common.located) return undefined;
  try {
    return createModelCompiler({ ...common.located.value, $id: "common.json" });
  } catch (error) {
    problems.add(common.located, [], messageOf(error));
    return undefined;
  }
}
