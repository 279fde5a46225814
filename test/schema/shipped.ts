import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { GatewayError } from "../../src/errors.ts";
import { type CompiledModel, type ModelSchema, createModelCompiler } from "../../src/schema/models.ts";

/** A schema of channels/models, by its file name without the ending. */
export function shippedSchema(name: string): ModelSchema {
  return JSON.parse(readFileSync(join(process.cwd(), "channels/models", `${name}.json`), "utf8")) as ModelSchema;
}

const compile = createModelCompiler(shippedSchema("common"));
const compiled = new Map<string, CompiledModel>();

/** The same, compiled; each only once. */
export function shippedModel(name: string): CompiledModel {
  const model = compiled.get(name) ?? compile(name, shippedSchema(name));
  compiled.set(name, model);
  return model;
}

/** What the model makes of a request for it: the request with its defaults. */
export function accepted(name: string, fields: object): Record<string, unknown> {
  const request = { model: name, prompt: "a cat", ...fields };
  shippedModel(name).validate(request);
  return request;
}

/** The error a client gets for a request that is not fine. */
export function refused(name: string, fields: object): GatewayError {
  return refusalOf(() => accepted(name, fields));
}

/** The GatewayError that `work` throws. */
export function refusalOf(work: () => unknown): GatewayError {
  try {
    work();
  } catch (error) {
    expect(error).to.be.instanceOf(GatewayError);
    return error as GatewayError;
  }
  throw new Error("it was accepted");
}
