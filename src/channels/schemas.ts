// Compiles the schemas of the folder `models`.
import { GatewayError, messageOf } from "../errors.ts";
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
      const model = compile(name, located.value);
      compiled.set(name, model);
      const refused = plainRefused(model);
      if (refused !== undefined)
        problems.add(located, [], `schema of ${name}: it refuses { model, prompt }, the plainest request: ${refused}`);
    } catch (error) {
      const { message, pointer } = error as SchemaError;
      problems.add(located, stepsOf(pointer ?? ""), message);
    }
  }
  return { names, compiled };
}

/**
 * Why a model refuses a request of nothing but a name and a prompt; undefined where it takes it. What else it needs, such as an image or
 * a mask, is its own affair.
 */
function plainRefused(model: CompiledModel): string | undefined {
  try {
    // A model that only changes pictures may take no prompt.
    const speaks = model.open || model.properties.includes("prompt") || model.operations.includes("generate");
    model.validate({ model: model.id, ...(speaks && { prompt: "a cat" }) });
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
    if (error.code !== "missing_required_parameter") return error.message;
  }
  return undefined;
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
