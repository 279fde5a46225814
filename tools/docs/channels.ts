// The reference of channel files.
import { directiveHelp } from "../../src/expression/directives.ts";
import { authSchema } from "../../src/net/auth/spec.ts";
import { table } from "./table.ts";

interface Schema {
  readonly type?: string | readonly string[];
  readonly enum?: readonly unknown[];
  readonly title?: string;
  readonly description?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
  readonly additionalProperties?: Schema | boolean;
  readonly required?: readonly string[];
  readonly else?: Schema;
}

/** Parts that stand in several places, or are large, have a section of their own. */
const links: Record<string, string> = {
  auth: "[kinds of auth](#kinds-of-auth)",
  plugins: "[plugins](../plugins/README.md)",
  generate: "[generate](#generate)",
  edit: "[generate](#generate)",
  poll: "[poll](#poll)",
  result: "[result](#result)",
  stream: "[stream](#stream)",
  price: "[price](#price)",
  tests: "[tests](#tests)",
  ...Object.fromEntries(["verify", "before", "request", "cancel", "from"].map((name) => [name, "[a call](#a-call)"])),
  ...Object.fromEntries(["errors", "each_error"].map((name) => [name, "[rules](#rules)"])),
};

/** The page of channel files: every key of their schema. */
export function channelsPage(schema: Schema): string {
  const file = keysOf(schema);
  const generate = keysOf(file.generate);
  const call = keysOf(generate.request);
  const stream = keysOf(generate.stream);
  const without = (keys: Record<string, Schema>, others: Record<string, Schema>) =>
    Object.fromEntries(Object.entries(keys).filter(([name]) => !(name in others)));
  const model = keysOf(file.models?.additionalProperties);
  return [
    "# Channel files",
    "A channel is one upstream account and its dialect: a YAML file of `channels/`, named after the channel. [Write a channel](write-a-channel.md) walks through one; this page lists every key. `npx pictor check` reports a key that is not here, with its line and the key that is probably meant.",
    "In the comments of the files that ship, `[?]` marks what could not be verified: the provider's documentation does not say it, or sources disagree. Look there first where a channel behaves oddly. Where the head of a file names sources and a day, models, sizes and prices are as they were then.",
    "What `${...}` may say is in [expressions](expressions.md), the steps of `plugins` are in [plugins](../plugins/README.md).",
    "## The file",
    reference([
      ...rowsOf(file, { links }),
      ...rowsOf(without(keysOf(file.edit), generate), { prefix: "edit." }),
      ...rowsOf(without(model, file), { prefix: "models.*." }),
      ["`models.*...`", "", "Any other key that the channel has, anew. See [layers](#layers)."],
    ]),
    "## Layers",
    "A model's keys lie over the channel's, a file over the preset that it `extends`, and an edit with `like: generate` over `generate`. Maps merge key by key. A list or any other value takes the place of the one below, `null` takes a line away, a map with `$replace: true` in it takes the place of a whole map, and a map over a `$merge` is one more of its layers.",
    "That happens when the file is read. What is to be left out of a single request is `$drop`: as the value of a key, of a `$map` or of a condition, or in `$merge`, where it takes out what the layers below have. A null that is sent is `${null}`.",
    "## Kinds of auth",
    "`bearer` (when omitted), `basic`, `none`, or a map of one kind.",
    reference(rowsOf(keysOf(authSchema))),
    "## generate",
    reference(rowsOf(generate, { links })),
    "## A call",
    "One method with its path, and one kind of body or none.",
    reference(rowsOf(call)),
    "A call of `before` may say when it is made, and for what.",
    reference(rowsOf(without(keysOf(generate.before?.additionalProperties), call), { prefix: "before.*." })),
    "## poll",
    "A call, which is made until the task ends, with these keys beside.",
    reference(rowsOf(without(keysOf(generate.poll), call))),
    "## result",
    "In what came back a missing value is an error that names it, unless it is written `body.?x`.",
    reference(rowsOf(keysOf(generate.result), { links })),
    "## stream",
    "Without it, and for a provider that answers with no stream all the same, a client that wants one gets each picture as an event when it is ready.",
    reference([
      ...rowsOf(stream, { links: { result: "[result](#result)", request: "[a call](#a-call)", partial: "[result](#result)" } }),
      ...rowsOf(without(keysOf(stream.partial), keysOf(generate.result)), { prefix: "partial." }),
    ]),
    "## Price",
    "A list of lines, one for each unit that the provider bills. A request may also cost what its earlier attempts cost: a picture that may have been made and was not seen counts as the most that it can have cost.",
    reference(rowsOf(keysOf(file.price), { required: ["bill"] })),
    "A line of tokens is for what `usage` counts, in the shapes `input_tokens` and `output_tokens`, `prompt_tokens` and `completion_tokens`, or `promptTokenCount` and `candidatesTokenCount`. Tokens that a usage does not divide are those of pictures coming out, and of text going in where no picture went in. Where it does not count what a line bills, the lines of pictures are taken instead; where there are none, the request is unpriced. Cached tokens without a line of their own cost as much as others.",
    "## Rules",
    "A rule has `when` and `class`, or `on` and `to`, and more as it needs. The rules of `each_error` have no table, `retry_after` or `then`.",
    reference(rowsOf(keysOf(file.errors))),
    "## Tests",
    "Every call to the provider is an entry of `exchange`: each poll, each further call, each download of a picture. They may come in any order. `pictor mock` answers any client as they say.",
    reference(rowsOf(keysOf(file.tests), { required: ["name", "request", "answer"] })),
    "## In the place of a value",
    "A map with one of these keys becomes something else, wherever a template may stand. `$drop` in the place of a value leaves its key out.",
    table(
      ["Key", "What it becomes"],
      Object.entries(directiveHelp).map(([name, about]) => [`\`${name}\``, about]),
    ),
  ].join("\n\n");
}

type Row = [key: string, type: string, meaning: string];

/** A table of keys. */
export function reference(rows: readonly Row[]): string {
  return table(["Key", "Type", "Meaning"], rows);
}

interface Place {
  prefix?: string;
  required?: readonly string[];
  links?: Record<string, string>;
}

/** A row for each key, and behind it one for each of its own, unless another place has them. */
export function rowsOf(keys: Record<string, Schema>, { prefix = "", required = [], links: elsewhere = {} }: Place = {}): Row[] {
  // `$replace` may stand in every map, and has a paragraph of its own.
  const named = Object.entries(keys).filter(([name]) => name !== "$replace");
  return named.flatMap(([name, schema]) => {
    const path = `${prefix}${name}`;
    const link = elsewhere[name];
    const about = schema.description ?? schema.title ?? "";
    const row: Row = [
      `\`${path}\`${required.includes(name) ? " (required)" : ""}`,
      typeOf(schema),
      link ? `${about} See ${link}.`.trim() : about,
    ];
    const inner = schema.items ?? schema.else ?? schema;
    return link ? [row] : [row, ...rowsOf(keysOf(schema), { prefix: `${path}${schema.items ? "[]" : ""}.`, required: inner.required })];
  });
}

/** The keys of a map, of a list's elements, or of the form of it that is no text. */
function keysOf(schema: Schema | boolean = {}): Record<string, Schema> {
  if (typeof schema === "boolean") return {};
  return schema.properties ?? schema.items?.properties ?? schema.else?.properties ?? {};
}

function typeOf({ enum: values, type }: Schema): string {
  if (values)
    return values
      .filter((value) => typeof value === "string")
      .map((value) => `\`${value}\``)
      .join(", ");
  const words: Record<string, string> = { array: "list", object: "map", string: "text" };
  return [type ?? []]
    .flat()
    .filter((name) => name !== "null")
    .map((name) => words[name] ?? name)
    .join(" or ");
}
