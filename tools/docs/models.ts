// The page of models, and the table of what they have in common.
import type { Route } from "../../src/channels/route.ts";
import { matrixRow, type MatrixRow } from "../../src/gateway/matrix.ts";
import type { CompiledModel, ModelSchema } from "../../src/schema/models.ts";
import { rowsOf } from "./channels.ts";
import { table } from "./table.ts";

/** The page of models: what each can do, on which channels, and for how long. */
export function modelsPage(routes: readonly Route[]): string {
  const entries = new Map<string, { id: string; schema: CompiledModel; routes: Route[] }>();
  for (const route of routes) {
    const { id } = route.model;
    entries.set(id, { id, schema: route.schema, routes: [...(entries.get(id)?.routes ?? []), route] });
  }
  const models = [...entries.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
  const rows = models.map(matrixRow);
  return [
    "# Models",
    "What each model that ships can do. A running gateway has the same of the models that are on at `GET /v1/models/matrix`, for programs ([how](client.md#models)). Each model's schema says all of it; everything else is refused before a provider is asked. A channel may honour a size by another, which is told in `x-pictor-changes`.",
    "`Images` are the input images of an edit, at most. `Streams` says whether a provider of it streams; every model answers with events where a client wants them. `Ends` is the day on which a provider shuts the model down, and what takes its place.",
    "`Price` is what the provider takes for what it makes, as the channel's file says; input may be billed too. The file names the source and the day of it, and a [price](channels.md#price) of your own takes its place. `in the provider's answer` is a cost that is known afterwards only. `unpriced` does not mean free: nobody knows.",
    table(
      ["Model", "Channels", "Operations", "Images", "Mask", "n", "Sizes", "Formats", "Backgrounds", "Streams", "Price", "Ends"],
      rows.map((row) => [
        `\`${row.id}\``,
        row.channels.map(({ name }) => name).join(", "),
        row.operations.join(", "),
        String(row.input_images ?? ""),
        row.mask ? "yes" : "",
        row.n.min === row.n.max ? String(row.n.max) : `${row.n.min} to ${row.n.max}`,
        shortSizes(row.size),
        listed(row.formats),
        listed(row.backgrounds),
        row.streams ? "yes" : "",
        byChannel(row, ({ price }) => price?.words ?? "unpriced"),
        ends(row),
      ]),
    ),
    "## In detail",
    "Models that take the same stand together. A size in bold is what an omitted one becomes.",
    details(rows).join("\n"),
  ].join("\n\n");
}

function listed(values: readonly string[] | undefined): string {
  return values === undefined ? "any" : values.join(", ");
}

/** Sizes in few words; the details have all of them. */
function shortSizes({ values, pixels }: MatrixRow["size"]): string {
  const list = values && (values.length > 4 ? `${values.length} listed` : values.join(", "));
  const most = pixels?.max_side ?? (pixels?.max_pixels === undefined ? undefined : `${(pixels.max_pixels / 1e6).toFixed(1)} MP`);
  const any = pixels && (most === undefined ? "any pixels" : `pixels up to ${most}`);
  return [list, any].filter(Boolean).join(", or ") || "any";
}

function ends(row: MatrixRow): string {
  const { instead } = row;
  const told = byChannel(
    row,
    ({ deprecated, shutdown_date: shutdown }) => shutdown ?? (deprecated === undefined ? undefined : `deprecated ${deprecated}`),
  );
  return told === "" || instead === undefined ? told : `${told}; then \`${instead}\``;
}

/** The words on each channel, once where they agree. */
function byChannel({ channels }: MatrixRow, textOf: (channel: MatrixRow["channels"][number]) => string | undefined): string {
  const texts = channels.map((channel) => ({ name: channel.name, text: textOf(channel) }));
  const areOne = new Set(texts.map(({ text }) => text)).size === 1;
  const said = areOne ? [texts[0]?.text] : texts.map(({ name, text }) => text && `${name}: ${text}`);
  return said.filter((text) => text !== undefined).join(", ");
}

function details(rows: readonly MatrixRow[]): string[] {
  const groups = new Map<string, string[]>();
  for (const { id, size, prompt, qualities, fields } of rows) {
    const parts = [
      `sizes: ${size.words}${size.default === undefined ? "" : `; **${size.default}** when omitted`}`,
      prompt !== undefined && `a prompt of at most ${prompt} characters`,
      qualities && qualities.length > 0 && `quality ${qualities.join(", ")}`,
      fields.length > 0 && `fields of its own ${fields.map((field) => `\`${field}\``).join(", ")}`,
    ];
    const words = parts.filter(Boolean).join("; ");
    groups.set(words, [...(groups.get(words) ?? []), `\`${id}\``]);
  }
  return [...groups].map(([words, ids]) => `- ${ids.join(", ")}: ${words}`);
}

/** The fields that every model takes. */
export function fieldsTable(schemas: readonly CompiledModel[]): string {
  const common = schemas.map(({ bundled }) => bundled.$defs?.common as ModelSchema).find(({ properties }) => properties);
  return table(["Field", "Type", "Meaning"], rowsOf(common?.properties ?? {}));
}
