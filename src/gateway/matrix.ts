// Says what each model can do, as one row: what clients choose a model by.
import type { Life } from "../channels/life.ts";
import type { Pricing } from "../channels/pricing.ts";
import type { Route } from "../channels/route.ts";
import { priceListOf, type PriceList } from "../money/price-list.ts";
import type { CompiledModel, ModelSchema, OperationName } from "../schema/models.ts";
import type { SizeRule } from "../schema/x-size.ts";
import { describeSizes, type SizeRules } from "../size/rules.ts";
import { lifeOn } from "./life.ts";

/** A model and what it takes. Lists that are absent are not limited by the model's schema. */
export interface MatrixRow {
  id: string;
  /** `price` is null where nobody knows it, which is not free. */
  channels: { name: string; price: PriceList | null; deprecated?: string; shutdown_date?: string }[];
  operations: OperationName[];
  /** Input images of an edit, at most. */
  input_images?: number;
  /** True where an edit takes a mask. */
  mask: boolean;
  n: { min: number; max: number };
  size: { words: string; values?: readonly string[]; pixels?: SizeRules; default?: string };
  qualities?: readonly string[];
  formats?: readonly string[];
  /** The backgrounds that can be asked for; empty where none can. */
  backgrounds?: readonly string[];
  /** The characters of a prompt, at most. */
  prompt?: number;
  /** True where a provider of it streams; every model answers with events where a client wants them. */
  streams: boolean;
  /** Fields of its own, beside those that all models share. */
  fields: readonly string[];
  deprecated?: string;
  shutdown_date?: string;
  instead?: string;
  /** There where nobody described the model. */
  limits?: "unknown";
}

/** The operations that some route offers, in their usual order. */
export function operationsOf(routes: readonly Pick<Route, "operations">[]): OperationName[] {
  return (["generate", "edit"] as const).filter((name) => routes.some((route) => route.operations.has(name)));
}

/** The row of a model, as these routes serve it. */
export function matrixRow({ id, schema, routes }: { id: string; schema: CompiledModel; routes: readonly Route[] }): MatrixRow {
  const operations = operationsOf(routes);
  const takes = (field: string) => operations.some((name) => routes.some((route) => route.takes(name, field)));
  const edits = operations.includes("edit");
  const n = schema.describe("n") as { minimum?: number; maximum?: number; const?: number };
  const { instead, ...ends } = lifeOn(routes);
  return {
    id,
    channels: routes.map(({ channel, pricing, life }) => ({ name: channel.name, price: priceOf(pricing), ...daysOf(life) })),
    operations,
    ...(edits && { input_images: (schema.describe("images").maxItems as number | undefined) ?? 16 }),
    mask: edits && routes.some((route) => route.takes("edit", "mask")),
    n: { min: n.const ?? n.minimum ?? 1, max: n.const ?? n.maximum ?? 10 },
    size: sizeOf(schema.describe("size")),
    qualities: takes("quality") ? valuesOf(schema.describe("quality")) : [],
    formats: takes("output_format") ? valuesOf(schema.describe("output_format")) : [],
    backgrounds: takes("background") ? valuesOf(schema.describe("background")) : [],
    prompt: schema.describe("prompt").maxLength as number | undefined,
    streams: routes.some(({ streams }) => streams),
    fields: ownFields(schema),
    ...daysOf(ends),
    instead,
    ...(schema.open && { limits: "unknown" as const }),
  };
}

function priceOf({ lines, isPriced }: Pricing): PriceList | null {
  return isPriced ? priceListOf(lines?.units ?? []) : null;
}

function daysOf({ deprecated, shutdown }: Partial<Life> = {}): Pick<MatrixRow, "deprecated" | "shutdown_date"> {
  return { ...(deprecated !== undefined && { deprecated }), ...(shutdown !== undefined && { shutdown_date: shutdown }) };
}

function sizeOf(schema: ModelSchema): MatrixRow["size"] {
  const rule = schema["x-size"] as SizeRule | undefined;
  const values = rule?.one_of ?? (schema.enum as string[] | undefined);
  return {
    words: rule ? describeSizes(rule) : values ? `one of ${values.join(", ")}` : "any",
    values,
    pixels: rule?.pixels,
    default: schema.default as string | undefined,
  };
}

/** The values of a list, which may stand beside another form of the field. */
function valuesOf({ enum: values, anyOf, const: only }: ModelSchema): string[] | undefined {
  if (only !== undefined) return [only as string];
  return (values ?? (anyOf as ModelSchema[] | undefined)?.find((form) => form.enum)?.enum) as string[] | undefined;
}

function ownFields({ bundled }: CompiledModel): string[] {
  const common = bundled.$defs?.common as ModelSchema | undefined;
  return Object.keys(bundled.properties ?? {}).filter((name) => !Object.hasOwn(common?.properties ?? {}, name));
}
