import type { ErrorObject } from "ajv";
import { ConfigError, messageOf } from "../errors.ts";
import { testNames } from "../expression/names.ts";
import { compileTemplate, type Path } from "../expression/template.ts";
import type { Plugin } from "../plugin/define.ts";
import { createAjv } from "../schema/ajv.ts";
import { createModelCompiler, SchemaError, type CompiledModel, type ModelSchema } from "../schema/models.ts";
import { didYouMean } from "../schema/suggest.ts";
import { channelMessage } from "./complaint.ts";
import { readFiles, type ChannelFile, type SchemaFile } from "./files.ts";
import { channelSchema } from "./grammar.ts";
import { compileRoute, type Channel, type Route } from "./route.ts";
import { forModel, resolveSettings, type Environment } from "./settings.ts";
import { createProblems, type Problems } from "./source.ts";

export interface LoadOptions {
  /** The folder of channel files, with `presets` and `models` in it. */
  folder: string;
  plugins: ReadonlyMap<string, Plugin>;
  env: Environment;
  /** Only these channels, by name; all when omitted. */
  only?: readonly string[];
}

/** What a load gives: every channel, on or off, and the routes of those that are on. */
export interface Loaded {
  channels: Channel[];
  routes: Route[];
  /** The channels' own tests, and the routes they run on, whether the channel is on or off. */
  tests: ChannelTests[];
}

export interface ChannelTests {
  channel: Channel;
  routes: readonly Route[];
  file: string;
  /** The tests as written, with `${base_url}` and the like put in. */
  render(variables: { base_url: string; env: Environment }): unknown[];
}

/**
 * Load a folder of channels: checked as a whole, compiled, immutable.
 * Throws one `ConfigError` with every problem of every file.
 */
export async function loadChannels(options: LoadOptions): Promise<Loaded> {
  const problems = createProblems();
  const files = await readFiles(options.folder, problems);
  const schemas = compileSchemas(files.schemas, problems);
  const validate = createAjv({ useDefaults: true, allErrors: true }).compile(channelSchema(options.plugins));
  const loaded: Loaded = { channels: [], routes: [], tests: [] };
  const schemaOf = new Map<string, { name: string; channel: string }>();
  for (const file of files.channels) {
    if (options.only && !options.only.includes(file.name)) continue;
    if (!validate(file.located.value)) {
      complain(file, validate.errors ?? [], problems);
      continue;
    }
    const settings = resolveSettings(file.name, file.located, options.env, problems);
    const models = Object.keys(file.located.value.models as object);
    const channel = {
      ...settings,
      name: file.name,
      description: String(file.located.value.description ?? ""),
      models,
      trusted: trustOf(settings.baseUrl, file.located.value.trusted_hosts),
    };
    const routes = models.flatMap((id) => {
      const located = forModel(file.located, id);
      const name = String(located.value.schema ?? id);
      const schema = schemas.get(name);
      const before = schemaOf.get(id);
      if (!schema) {
        problems.add(
          file.located,
          ["models", id],
          `models: there is no schema models/${name}.json (${didYouMean(
            name,
            [...files.schemas.keys()].filter((known) => known !== "common"),
          )})`,
          { at: "key" },
        );
        return [];
      }
      if (before && before.name !== name) {
        problems.add(
          file.located,
          ["models", id],
          `models: ${id} has schema ${name} here and ${before.name} in channel ${before.channel}; one model has one schema`,
          { at: "key" },
        );
      }
      schemaOf.set(id, before ?? { name, channel: file.name });
      const route = compileRoute(channel, id, schema, located, options.plugins, settings.variables, problems);
      return route && located.value.enabled !== false ? [route] : [];
    });
    loaded.channels.push(channel);
    if (!channel.off) loaded.routes.push(...routes);
    const tests = compileTemplate(file.located.value.tests ?? [], ["tests"], {
      names: testNames,
      report: (path, message, offset) => problems.add(file.located, path, `tests: ${message}`, { offset }),
    });
    loaded.tests.push({
      channel,
      routes,
      file: file.file,
      render: (variables) => tests({ variables: { ...variables }, used: new Set(), mapped: () => undefined }) as unknown[],
    });
  }
  const found = problems.list();
  if (found.length > 0) throw new ConfigError(found);
  return loaded;
}

function compileSchemas(files: ReadonlyMap<string, SchemaFile>, problems: Problems): Map<string, CompiledModel> {
  const common = files.get("common")?.located.value as ModelSchema | undefined;
  const compile = createModelCompiler(common ?? { $id: "common.json", type: "object" });
  const compiled = new Map<string, CompiledModel>();
  for (const [name, { located }] of files) {
    if (name === "common") continue;
    try {
      compiled.set(name, compile(name, located.value as ModelSchema));
    } catch (error) {
      const path: Path = error instanceof SchemaError ? (error.pointer ?? "").split("/").slice(1) : [];
      problems.add(located, path, `schema: ${messageOf(error)}`);
    }
  }
  return compiled;
}

function complain(file: ChannelFile, errors: readonly ErrorObject[], problems: Problems): void {
  for (const error of errors) {
    const told = channelMessage(error);
    if (told) problems.add(file.located, told.path, told.message, { at: told.at });
  }
}

/** The channel's own origin and its `trusted_hosts` may be at private addresses; no other URL may. */
function trustOf(baseUrl: string, hosts: unknown): (url: URL) => boolean {
  const origin = URL.canParse(baseUrl) ? new URL(baseUrl).origin : undefined;
  const patterns = Array.isArray(hosts) ? hosts.map(String) : [];
  return (url) =>
    url.origin === origin ||
    patterns.some((pattern) => (pattern.startsWith("*.") ? url.hostname.endsWith(pattern.slice(1)) : url.hostname === pattern));
}
