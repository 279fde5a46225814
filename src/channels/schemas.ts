// Compiles the schemas of the folder `models`.
import { setImmediate } from "node:timers/promises";
import { GatewayError, messageOf } from "../errors.ts";
import { lazily } from "../schema/lazily.ts";
import { createModelCompiler, type CompiledModel, type SchemaError } from "../schema/models.ts";
import { stepsOf } from "./complaint.ts";
import type { ReadFile } from "./files.ts";
import type { Problems } from "./problems.ts";

export interface Schemas {
  /** Every file of `models/` but the common one, also those that are broken. */
  names: string[];
  /** The schema of a file; undefined where it is broken, or not there. */
  get(name: string): CompiledModel | undefined;
}

/** Compile the models' schemas. Mistakes go to `problems`; one that `isProven` has none, and is read when it is asked for. */
export async function compileSchemas(
  files: ReadonlyMap<string, ReadFile>,
  problems: Problems,
  isProven: (name: string) => boolean = () => false,
): Promise<Schemas> {
  const names = [...files.keys()].filter((name) => name !== "common");
  const compile = compilerOf(files.get("common"), problems, isProven("common"));
  const compiled = new Map<string, () => CompiledModel | undefined>();
  for (const name of names) {
    const known = compile && isProven(name);
    const get = lazily(() => compile && compileFile(files.get(name) as ReadFile, { compile, isProven: known, problems }));
    if (!known) {
      await setImmediate();
      get();
    }
    compiled.set(name, get);
  }
  return { names, get: (name) => compiled.get(name)?.() };
}

type Compile = ReturnType<typeof createModelCompiler>;

function compileFile(
  { name, located }: ReadFile,
  { compile, isProven, problems }: { compile: Compile; isProven?: boolean; problems: Problems },
): CompiledModel | undefined {
  if (!located) return undefined;
  try {
    const model = compile(name, located.value, { isProven });
    const refused = isProven ? undefined : plainRefused(model);
    if (refused !== undefined)
      problems.add(located, [], `schema of ${name}: it refuses { model, prompt }, the plainest request: ${refused}`);
    return model;
  } catch (error) {
    const { message, pointer } = error as SchemaError;
    problems.add(located, stepsOf(pointer ?? ""), message);
    return undefined;
  }
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
function compilerOf(common: ReadFile | undefined, problems: Problems, isProven: boolean): Compile | undefined {
  if (!common) return createModelCompiler({ $id: "common.json", type: "object" });
  if (!common.located) return undefined;
  try {
    return createModelCompiler({ ...common.located.value, $id: "common.json" }, { isProven });
  } catch (error) {
    problems.add(common.located, [], messageOf(error));
    return undefined;
  }
}
