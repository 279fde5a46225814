// Writes what the documentation repeats of the code; `npm run docs` runs it.
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { format } from "prettier";
import { readFiles } from "../../src/channels/files.ts";
import { channelFileSchema } from "../../src/channels/grammar.ts";
import { loadChannels } from "../../src/channels/load.ts";
import { createProblems } from "../../src/channels/problems.ts";
import { textsIn } from "../../src/channels/texts.ts";
import { compileSchemas } from "../../src/channels/schemas.ts";
import { errorStatus, type ErrorCode } from "../../src/errors.ts";
import { channelNames, settingNames, testNames, type Names } from "../../src/expression/names.ts";
import type { Plugin } from "../../src/plugin/define.ts";
import type { JsonSchema } from "../../src/schema/from-schema.ts";
import { loadPlugins, shippedPlugins } from "../../src/plugin/load.ts";
import { directiveHelp } from "../../src/expression/directives.ts";
import { alertRules, alertsText } from "./alerts.ts";
import { dashboard } from "./dashboard.ts";
import { channelsPage } from "./channels.ts";
import { doorsPage } from "./doors.ts";
import { errorTexts, withoutCode } from "./errors.ts";
import { gatewayPage } from "./gateway.ts";
import { examples, ownFunctions } from "./expressions.ts";
import { licencesPage } from "./licences.ts";
import { metricsTable } from "./metrics.ts";
import { fieldsTable, modelsPage } from "./models.ts";
import { numbersTable } from "./numbers.ts";
import { table } from "./table.ts";
import { filesTree } from "./tree.ts";
import { environmentDefaults, environmentNames, shippedChannels } from "../../src/process/environment.ts";

/** Where the project is, seen from the built file. */
const root = fileURLToPath(new URL("../../../", import.meta.url));
const note = "<!-- Written by `npm run docs`; change the code instead. -->";

/** Everything that is written by the code: paths from the project's root, and what the files must hold. */
export async function generate(): Promise<Map<string, string>> {
  const plugins = await loadPlugins([shippedPlugins]);
  const { tests } = await loadChannels({ folder: shippedChannels, plugins, env: {} });
  const problems = createProblems();
  const schemas = await compileSchemas((await readFiles(textsIn(shippedChannels), problems)).schemas, problems);
  const compiled = schemas.names.flatMap((name) => schemas.get(name) ?? []);
  const routes = tests.flatMap((channel) => channel.routes);
  const fields = compiled.flatMap(({ bundled }) =>
    Object.keys((bundled.$defs?.common as { properties?: object } | undefined)?.properties ?? {}),
  );
  const [operate, model] = await Promise.all(["operate", "write-a-model"].map((name) => readFile(join(root, `docs/${name}.md`), "utf8")));
  const withEnvironment = replaceRegion(operate!, "environment", await markdown(environmentTable()));
  const withMetrics = replaceRegion(withEnvironment, "metrics", await markdown(await metricsTable()));
  const withAlerts = replaceRegion(withMetrics, "alerts", await markdown(alertsText()));
  const contributing = await readFile(join(root, "CONTRIBUTING.md"), "utf8");
  return new Map([
    ["CONTRIBUTING.md", replaceRegion(contributing, "files", await markdown(await filesTree(root)))],
    ["docs/operate.md", replaceRegion(withAlerts, "numbers", await markdown(await numbersTable(root)))],
    ["plugins/README.md", await markdown(pluginsPage(plugins))],
    ["docs/write-a-model.md", replaceRegion(model!, "fields", await markdown(fieldsTable(compiled)))],
    ["docs/models.md", await markdown(`${note}\n\n${modelsPage(routes)}`)],
    ["docs/errors.md", await markdown(errorsPage())],
    ["docs/expressions.md", await markdown(expressionsPage([...new Set(fields)]))],
    ["docs/channels.md", await markdown(`${note}\n\n${channelsPage(channelFileSchema(plugins))}`)],
    ["docs/doors.md", await markdown(`${note}\n\n${doorsPage(namesTable)}`)],
    ["docs/gateway.md", await markdown(`${note}\n\n${gatewayPage()}`)],
    ["docs/licences.md", await markdown(`${note}\n\n${await licencesPage(root)}`)],
    ["deploy/alerts.yaml", alertRules()],
    ["deploy/grafana.json", await dashboard()],
    ["channels/channel.schema.json", `${JSON.stringify(channelFileSchema(plugins), null, 2)}\n`],
  ]);
}

/** A text with other content between `<!-- generated: name -->` and the next `<!-- end -->`. Throws an Error where these are missing. */
export function replaceRegion(text: string, name: string, content: string): string {
  const begin = `<!-- generated: ${name} -->`;
  const from = text.indexOf(begin);
  const to = text.indexOf("<!-- end -->", from);
  if (from === -1 || to === -1) throw new Error(`the region ${begin} ... <!-- end --> is missing`);
  return `${text.slice(0, from)}${begin}\n\n${content}\n${text.slice(to)}`;
}

function markdown(text: string): Promise<string> {
  return format(text, { parser: "markdown", printWidth: 140 });
}

function environmentTable(): string {
  const defaults: Readonly<Record<string, string | undefined>> = environmentDefaults;
  return table(
    ["Variable", "Default", "Meaning"],
    Object.entries(environmentNames).map(([name, meaning]) => [`\`${name}\``, defaults[name] ? `\`${defaults[name]}\`` : "", meaning]),
  );
}

const codes = Object.entries(errorStatus) as [ErrorCode, number][];

function errorsPage(): string {
  const rows = codes.map(([code, status]) => [`\`${code}\``, String(status), errorTexts[code].meaning, errorTexts[code].solve]);
  return [
    note,
    "# Errors",
    'Every error is `{"error": {"message", "type", "param", "code"}}`. The message says what was wrong and what would be right; `param` names the field, or is null.',
    "`type` is `permission_error` for 403, `rate_limit_error` for 429, `invalid_request_error` for the rest below 500, and `api_error` from there on. Where the provider judged the request, `code` may be the provider's own.",
    table(["Code", "Status", "Meaning", "How to solve"], rows),
    "A few requests are turned away before they are read. Their `code` is null, they have no `x-request-id`, and the connection is closed.",
    table(["Status", "Message", "How to solve"], withoutCode()),
  ].join("\n\n");
}

function pluginsPage(plugins: ReadonlyMap<string, Plugin>): string {
  return [
    note,
    "# Plugins",
    "One file is one plugin, and its name in a channel's `plugins`, outermost first. Each step may change the request before the provider is called and the pictures afterwards. With `operation: edit` or `operation: generate` beside its own options a step is part of that operation alone.",
    ...[...plugins.values()].map(({ name, summary, schema, examples: given }) =>
      [`## ${name}`, summary, optionsTable(schema), "```yaml", ...given.map((example) => exampleOf(name, example)), "```"]
        .join("\n\n")
        .replace(/(?<=```yaml)\n\n|\n\n(?=- |```$)/g, "\n"),
    ),
  ].join("\n\n");
}

function exampleOf(name: string, example: unknown): string {
  return Object.keys(example as object).length === 0 ? `- ${name}` : `- ${name}: ${flow(example)}`;
}

/** A value as YAML on one line. */
function flow(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(flow).join(", ")}]`;
  if (typeof value === "object" && value !== null)
    return `{ ${Object.entries(value)
      .map(([key, item]) => `${plain(key)}: ${flow(item)}`)
      .join(", ")} }`;
  return typeof value === "string" ? plain(value) : JSON.stringify(value);
}

function plain(text: string): string {
  return /^[a-zA-Z][\w-]*$/.test(text) ? text : JSON.stringify(text);
}

function optionsTable({ properties = {}, required = [] }: JsonSchema): string {
  return table(
    ["Option", "Type", "Default", "Meaning"],
    Object.entries(properties).map(([name, option]) => [
      `\`${name}\``,
      typeOf(option),
      required.includes(name) ? "required" : option.default === undefined ? "" : `\`${flow(option.default)}\``,
      option.description ?? "",
    ]),
  );
}

function typeOf({ enum: values, type, items, additionalProperties }: JsonSchema): string {
  if (values) return values.map((value) => `\`${String(value)}\``).join(", ");
  if (type === "array") return items?.type ? `list of ${String(items.type)}` : "list";
  if (type === "object")
    return typeof additionalProperties === "object" ? `map to ${String(additionalProperties.type ?? "anything")}` : "map";
  return String(type ?? "anything");
}

function expressionsPage(fields: readonly string[]): string {
  const { request, answer, image, errors, price } = channelNames(fields, []);
  const places = [settingNames, request, answer, image, errors, price, testNames];
  const functions = places.flatMap(({ place, functions: own = {} }) => Object.keys(own).map((signature) => [signature, place] as const));
  for (const [signature] of functions)
    if (!(signature in ownFunctions)) throw new Error(`tools/docs/expressions.ts does not say what ${signature} does`);
  const where = new Map(functions);
  return [
    note,
    "# Expressions",
    "`${...}` holds an expression in [CEL](https://cel.dev). Alone it keeps its type, inside a text it is put in, and `$${` is a literal `${`. In `when` and `success`, which are conditions, it stands bare. An unknown name or field is told when the file is loaded, with its line and column.",
    "YAML wants quotes around a value that holds `: ` or ` #`, or that stands inside `{ }` or `[ ]`.",
    "## Names",
    namesTable(places),
    "## Examples",
    table(
      ["Expression", "Gives", ""],
      examples.map(([expression, gives, about]) => [
        `\`${expression}\``,
        gives === undefined ? "nothing" : `\`${JSON.stringify(gives)}\``,
        about,
      ]),
    ),
    "## Functions of our own",
    table(
      ["Function", "Where", "Meaning"],
      Object.entries(ownFunctions).map(([signature, about]) => [`\`${signature}\``, where.get(signature) ?? "everywhere", about]),
    ),
    "## Beside expressions",
    table(
      ["Key", "What a map with it becomes"],
      Object.entries(directiveHelp).map(([name, about]) => [`\`${name}\``, about]),
    ),
  ].join("\n\n");
}

/** Every name once, with the places that know it. */
function namesTable(places: readonly Names[]): string {
  const known = new Map<string, { cells: string[]; where: string[] }>();
  for (const { place, variables } of places) {
    for (const [name, { about, fields = [] }] of Object.entries(variables)) {
      const cells = [`\`${name}\``, [about, fields.map((field) => `\`${field}\``).join(", ")].filter(Boolean).join(" Fields: ")];
      const entry = known.get(cells.join()) ?? { cells, where: [] };
      known.set(cells.join(), { cells, where: [...entry.where, place] });
    }
  }
  return table(
    ["Name", "Meaning", "Known in"],
    [...known.values()].map(({ cells, where }) => [...cells, where.join("; ")]),
  );
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  for (const [path, text] of await generate()) await writeFile(join(root, path), text);
