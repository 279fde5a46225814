// Checks a channel against the grammar.
import type { ErrorObject, ValidateFunction } from "ajv";
import { isPlainObject } from "../expression/cel.ts";
import type { Plugin } from "../plugin/define.ts";
import type { JsonSchema } from "../schema/from-schema.ts";
import { once } from "../schema/once.ts";
import { validatorOf } from "../schema/written.ts";
import { complain, stepsOf } from "./complaint.ts";
import { channelSchema, type ChannelSettings } from "./grammar.ts";
import type { Located, Problems } from "./problems.ts";

/** The latest grammar. Loading the plugins anew gives the same ones in another map. */
let latest: { plugins: readonly Plugin[]; validate: ValidateFunction<ChannelSettings> } | undefined;

/** The validator of channels, made once for the plugins there are. */
export function grammarOf(plugins: ReadonlyMap<string, Plugin>): ValidateFunction<ChannelSettings> {
  const own = [...plugins.values()];
  const isSame = latest?.plugins.length === own.length && latest.plugins.every((plugin, index) => plugin === own[index]);
  if (!latest || !isSame) latest = { plugins: own, validate: validatorOf<ChannelSettings>(fileSchema(plugins)) };
  return latest.validate;
}

/** The schema that a channel is judged by. */
export function fileSchema(plugins: ReadonlyMap<string, Plugin>): JsonSchema {
  return once(channelSchema(plugins));
}

/** The channel if the grammar accepts it; otherwise the channel without its invalid parts, so that the rest is checked too. */
export function checked(
  located: Located,
  validate: ValidateFunction<ChannelSettings>,
  problems: Problems,
): { located?: Located<ChannelSettings>; whole: boolean } {
  const { places } = located;
  const written: unknown = located.value;
  if (validate(written)) return { located: { value: written, places }, whole: true };
  const errors = validate.errors ?? [];
  complain(located, errors, problems);
  const rest = errors.reduce<unknown>((value, error) => without(value, culprit(error)), located.value);
  const value: unknown = isPlainObject(rest) ? { base_url: "", ...rest } : rest;
  return { located: validate(value) ? { value, places } : undefined, whole: false };
}

function culprit(error: ErrorObject): string[] {
  const { additionalProperty } = error.params as { additionalProperty?: string };
  const path = stepsOf(error.instancePath);
  return additionalProperty === undefined ? path : [...path, additionalProperty];
}

/** A value without what stands at a path. A list goes as a whole, since its places are counted. */
function without(value: unknown, [key, ...below]: string[]): unknown {
  if (!isPlainObject(value) || key === undefined || !(key in value)) return value;
  const { [key]: part, ...rest } = value;
  return below.length > 0 && isPlainObject(part) ? { ...rest, [key]: without(part, below) } : rest;
}
