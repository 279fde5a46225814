// Defines what a plugin is.
import type { EachPicture, Middleware } from "./context.ts";
import type { FromSchema, JsonSchema } from "../schema/from-schema.ts";

/** A step of the pipeline, as the loader sees it. */
export interface Plugin {
  /** The file's name and the key in a channel's `plugins`. */
  name: string;
  /** A sentence for the generated list. */
  summary: string;
  /** JSON Schema of the options. */
  schema: JsonSchema;
  /** Options that the schema accepts, shown in the docs. */
  examples: readonly unknown[];
  /** Fields of the request that the plugin answers for itself, so that no template need use them. */
  handles: readonly string[];
  /** Called once for each model of a channel when the channel is loaded, with checked options; may throw. */
  create(options: unknown): Middleware;
}

/** The options that every step has beside those of its plugin. They are the pipeline's, and no plugin sees them. */
export const stepOptions = {
  operation: { enum: ["generate", "edit"], description: "The step is part of this operation alone; of both when omitted." },
} as const satisfies Record<string, JsonSchema>;

interface PluginDefinition<S extends JsonSchema> {
  name: string;
  summary: string;
  schema: S;
  examples: readonly unknown[];
  handles?: readonly string[];
  create: (options: FromSchema<S>) => Middleware;
}

/** For `next` of a plugin that leaves the pictures alone. */
export const untouched: EachPicture = (picture) => picture;

/** Define a plugin. The type of `options` is computed from `schema`; values arrive checked and with defaults filled in. */
export function definePlugin<const S extends JsonSchema>(definition: PluginDefinition<S>): Plugin {
  // The loader validates the options against the very schema that their type comes from.
  return { handles: [], ...definition, create: (options) => definition.create(options as FromSchema<S>) };
}
