// The page of models, and the table of what they have in common.
import type { Route } from "../../src/channels/route.ts";
import type { CompiledModel, ModelSchema } from "../../src/schema/models.ts";
import type { SizeRule } from "../../src/schema/x-size.ts";
import { describeSizes } from "../../src/size/rules.ts";
import { rowsOf } from "./channels.ts";
import { table } from "./table.ts";

/** The page of models: which channels serve each, and what it takes. */
export function modelsPage(schemas: readonly CompiledModel[], routes: readonly Route[]): string {
  const served = new Map<string, { schema: CompiledModel; channels: string[] }>(
    schemas.map((schema) => [schema.id, { schema, channels: [] }]),
  );
  for (const { model, channel, schema } of routes) {
    const entry = served.get(model.id) ?? { schema, channels: [] };
    served.set(model.id, { ...entry, channels: [...entry.channels, channel.name] });
  }
  const rows = [...served].sort(([a], [b]) => (a < b ? -1 : 1));
  return [
    "# Models",
    "What each model takes; everything else is refused before a provider is asked. A default in bold is what an omitted field becomes. A channel may take less, or honour a size by another: that is told in `x-pictor-changes`.",
    table(
      ["Model", "Channels", "Operations", "Images", "n", "Prompt", "Quality", "Formats", "Fields of its own"],
      rows.map(([id, { schema, channels }]) => [
        `\`${id}\``,
        channels.join(", ") || "none yet",
        schema.operations.join(", "),
        schema.operations.includes("edit") ? `at most ${String(schema.describe("images").maxItems)}` : "",
        range(schema.describe("n")),
        length(schema.describe("prompt")),
        choices(schema.describe("quality")),
        choices(schema.describe("output_format")),
        ownFields(schema)
          .map((field) => `\`${field}\``)
          .join(", "),
      ]),
    ),
    "## Sizes",
    rows.map(([id, { schema }]) => `- \`${id}\`: ${sizes(schema.describe("size"))}`).join("\n"),
  ].join("\n\n");
}

/** The fields that every model takes. */
export function fieldsTable(schemas: readonly CompiledModel[]): string {
  const common = schemas.map(({ bundled }) => bundled.$defs?.common as ModelSchema).find(({ properties }) => properties);
  return table(["Field", "Type", "Meaning"], rowsOf(common?.properties ?? {}));
}

function ownFields({ bundled }: CompiledModel): string[] {
  const common = bundled.$defs?.common as ModelSchema | undefined;
  return Object.keys(bundled.properties ?? {}).filter((name) => !Object.hasOwn(common?.properties ?? {}, name));
}

function range({ minimum, maximum, const: only }: ModelSchema): string {
  if (only !== undefined || minimum === maximum) return String(only ?? maximum);
  return `${String(minimum)} to ${String(maximum)}`;
}

function length({ maxLength }: ModelSchema): string {
  return maxLength === undefined ? "any length" : `at most ${maxLength as number}`;
}

function choices({ enum: values, default: preset }: ModelSchema): string {
  return values === undefined ? "any" : (values as string[]).map((value) => (value === preset ? `**${value}**` : value)).join(", ");
}

function sizes(schema: ModelSchema): string {
  const rule = schema["x-size"] as SizeRule | undefined;
  const listed = schema.enum as string[] | undefined;
  const words = rule ? describeSizes(rule) : listed ? `one of ${listed.join(", ")}` : "any";
  return schema.default === undefined ? words : `${words}; **${schema.default as string}** when omitted`;
}
