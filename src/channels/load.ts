// Loads channel files: checked, compiled, immutable.
import type { ErrorObject, ValidateFunction } from "ajv";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import type { CallContext } from "../dialect/context.ts";
import { wait as realWait } from "../dialect/duration.ts";
import { ConfigError, shownPath, type Problem } from "../errors.ts";
import { isPlainObject } from "../expression/cel.ts";
import type { Path } from "../expression/rendering.ts";
import { createAuthorizer } from "../net/auth/authorizer.ts";
import type { Plugin } from "../plugin/define.ts";
import { createAjv } from "../schema/ajv.ts";
import { once } from "../schema/once.ts";
import { didYouMean } from "../schema/suggest.ts";
import { complain, stepsOf } from "./complaint.ts";
import { documentsOf } from "./documents.ts";
import { readFiles, type ReadFile } from "./files.ts";
import { channelSchema, type ChannelSettings } from "./grammar.ts";
import { hostsOf, safely } from "./hosts.ts";
import { lifeOf } from "./life.ts";
import { modelAddresses } from "./model-address.ts";
import { channelLimits, coolDownOf } from "./limits.ts";
import { createProblems, type Located, type Problems } from "./problems.ts";
import { compileRoute, type Channel, type Route } from "./route.ts";
import { compileSchemas, type Schemas } from "./schemas.ts";
import {
  createResolver,
  forModel,
  judgeKeys,
  judgePrefixes,
  resolveSettings,
  resolveVariables,
  type Resolver,
  type Surroundings,
} from "./settings.ts";
import { withSteps } from "./steps.ts";
import { compileTests, judgedTests, type RenderTests } from "./tests.ts";
import { recorded, textsIn, type Texts } from "./texts.ts";
import { fetchToken } from "./token.ts";
import { compileVerify, type Verify } from "./verify.ts";

export interface LoadOptions extends Surroundings {
  /** The folder of channel files, with `presets` and `models` in it. */
  folder: string;
  plugins: ReadonlyMap<string, Plugin>;
  /** Only these channels, by name; all when omitted. */
  only?: readonly string[];
  /** The source of the files' texts; the folder itself when omitted. */
  texts?: Texts;
  /** Reads the tests in the folder `tests` too. */
  withTests?: boolean;
  /** How polls wait; tests do not. */
  wait?: CallContext["wait"];
  /** The address to which calls to other addresses go in tests. */
  divert?: CallContext["divert"];
  /** Stands for every token that a kind of auth would fetch; tests reach no token server. */
  token?: string;
}

/** The result of a load: every channel, on or off, and the routes of those that are on. */
export interface Loaded {
  channels: Channel[];
  routes: Route[];
  /** The channels' own tests, and the routes they run on, whether the channel is on or off. */
  tests: ChannelTests[];
}

/** The result of a load of files some of which are wrong. */
export interface PartlyLoaded extends Loaded {
  problems: readonly Problem[];
  /** The channels that are not there because they, or what they build on, are wrong. */
  broken: readonly string[];
  /** Every text that was read, by its name below the folder. */
  texts: ReadonlyMap<string, Buffer>;
}

export interface ChannelTests {
  channel: Channel;
  routes: readonly Route[];
  /** Something that is wrong with a part of it, with its place. */
  problemAt: (path: Path, message: string) => Problem;
  render: RenderTests;
}

/** State shared by all channels of one load. */
interface Load extends LoadOptions {
  texts: Texts;
  schemas: Schemas;
  validate: ValidateFunction<ChannelSettings>;
  /** The schema of each model so far, and the channel that says so. */
  schemaOf: Map<string, { name: string; channel: string }>;
}

/** Load a folder of channels. Throws one `ConfigError` with every problem of every file. */
export async function loadChannels(options: LoadOptions): Promise<Loaded> {
  const { problems, ...loaded } = await loadWhatIsRight(options);
  if (problems.length > 0) throw new ConfigError(problems);
  return loaded;
}

/** Load the channels of a folder that are right, with all that is wrong. A channel is right as a whole, or not there. */
export async function loadWhatIsRight(options: LoadOptions): Promise<PartlyLoaded> {
  const problems = createProblems();
  const read = new Map<string, Buffer>();
  const texts = recorded(options.texts ?? textsIn(options.folder), read);
  const files = await readFiles(options.folder, problems, { only: options.only, texts, withTests: options.withTests });
  const load: Load = {
    ...options,
    texts,
    schemas: compileSchemas(files.schemas, problems),
    validate: grammarOf(options.plugins),
    schemaOf: new Map(),
  };
  const meant = files.channels.filter(({ name }) => options.only?.includes(name) ?? true);
  const clashes = judgePrefixes(meant);
  const tests: ChannelTests[] = [];
  const broken: string[] = [];
  for (const { name, located, tests: ownTests, file, below } of meant) {
    await setImmediate();
    const own = createProblems(problems);
    const clash = clashes.get(name);
    if (located && clash !== undefined) own.add(located, [], clash);
    const more = ownTests ? judgedTests(ownTests, own) : [];
    const loaded =
      located &&
      loadChannel(name, located, more, { ...load, problems: own, resolve: createResolver(options, own), layers: [file, ...below] });
    if (loaded && own.list().length === 0) tests.push(loaded);
    else broken.push(name);
  }
  return {
    channels: tests.map(({ channel }) => channel),
    routes: tests.flatMap(routesOf),
    tests,
    problems: problems.list().filter(({ file }) => options.only === undefined || isBelow(file, meant, load)),
    broken,
    texts: read,
  };
}

/** The routes of a channel that are on. */
export function routesOf({ channel, routes }: Pick<ChannelTests, "channel" | "routes">): Route[] {
  return channel.off === undefined ? routes.filter(({ model }) => !channel.modelsOff.has(model.id)) : [];
}

/** True for a file that some channels need: their own, their presets, their models' schemas. */
function isBelow(file: string, meant: readonly ReadFile[], { schemaOf, folder }: Load): boolean {
  const schemas = ["common", ...[...schemaOf.values()].map(({ name }) => name)].map((name) =>
    shownPath(join(folder, "models", `${name}.json`)),
  );
  return (
    file === shownPath(folder) || schemas.includes(file) || meant.some((channel) => channel.file === file || channel.below.includes(file))
  );
}

/** The latest grammar. Loading the plugins anew gives the same ones in another map. */
let latest: { plugins: readonly Plugin[]; validate: ValidateFunction<ChannelSettings> } | undefined;

/** The validator of channels, compiled once for the plugins there are. */
function grammarOf(plugins: ReadonlyMap<string, Plugin>): ValidateFunction<ChannelSettings> {
  const own = [...plugins.values()];
  const isSame = latest?.plugins.length === own.length && latest.plugins.every((plugin, index) => plugin === own[index]);
  if (!latest || !isSame)
    latest = {
      plugins: own,
      validate: createAjv({ useDefaults: true, allErrors: true }).compile<ChannelSettings>(once(channelSchema(plugins))),
    };
  return latest.validate;
}

interface ChannelLoad extends Load {
  resolve: Resolver;
  /** The channel's file and the presets below it. */
  layers: readonly string[];
  /** Those of this channel alone. */
  problems: Problems;
}

/** Compile a channel; `more` are files of its tests. Mistakes go to its `problems`; there is nothing where it, or a schema that it names, is too wrong to go on. */
function loadChannel(
  name: string,
  written: Located,
  more: Parameters<typeof compileTests>[0],
  load: ChannelLoad,
): ChannelTests | undefined {
  const { problems, resolve, layers } = load;
  judgeKeys(written, problems);
  const { located, whole } = checked(withSteps(written, problems), load.validate, problems);
  if (!located) return undefined;
  const settings = resolveSettings(name, located, load, problems);
  const addressOf = modelAddresses(located, settings, { resolve, isDiverted: load.divert !== undefined }, problems);
  const models = Object.keys(located.value.models).map((id) => {
    const own = forModel(located, id);
    const life = lifeOf(id, located, { layers, isReplaced: settings.isReplaced }, problems);
    const { wanted, ...address } = addressOf(id);
    const settled = resolveVariables(own, resolve);
    return { id, located: own, life, ...address, ...settled, wanted: [...wanted, ...settled.wanted] };
  });
  const addresses = [settings.baseUrl, ...models.map(({ baseUrl }) => baseUrl)];
  const unset = new Map(models.flatMap(({ id, wanted: [first] }) => (first === undefined ? [] : [[id, `${first} is not set`] as const])));
  const channel: Channel = Object.freeze({
    ...settings,
    off: settings.off ?? (models.every(({ id }) => unset.has(id)) ? [...unset.values()][0] : undefined),
    name,
    description: located.value.description ?? "",
    models: models.map(({ id }) => id),
    otherAddresses: models.flatMap(({ written }) => written ?? []),
    modelsOff: unset,
    verify: verifyOf(located, models[0], problems),
    authorize: createAuthorizer(settings.auth, { fetchToken, token: load.token }),
    mayCarryKey: safely(hostsOf(addresses, located.value.key_hosts ?? []), addresses),
    coolDown: coolDownOf(located.value.cool_down),
    limits: channelLimits(located.value.limits),
    trusted: hostsOf(addresses, located.value.trusted_hosts ?? []),
  });
  const wait = load.wait ?? realWait;
  const lacking: string[] = [];
  const routes = models.flatMap((model) => {
    const schema = schemaFor(model.id, name, located, load);
    // A broken schema has been told in its own file.
    if (!schema) lacking.push(model.id);
    const shared = { channel, plugins: load.plugins, whole, wait, divert: load.divert, readDocument: documentsOf(load.texts) };
    const route = schema && compileRoute({ ...model, ...shared, schema, ownLimits: located.value.models[model.id]?.limits }, problems);
    return route && model.located.value.enabled !== false ? [route] : [];
  });
  const render = compileTests([located, ...more], channel, problems);
  const problemAt = (path: Path, message: string) => {
    const single = createProblems();
    single.add(located, path, message);
    return single.list()[0] as Problem;
  };
  return lacking.length === 0 ? { channel, routes, problemAt, render } : undefined;
}

/** The channel if the grammar accepts it, and else what is left without the parts that are wrong, so that the rest is judged too. */
function checked(
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

/** The schema of a model. One that is there and broken has been told already. */
function schemaFor(id: string, channel: string, located: Located<ChannelSettings>, { schemas, schemaOf, problems }: ChannelLoad) {
  const named = located.value.models[id]?.schema ?? undefined;
  const name = named ?? id;
  const tell = (message: string) =>
    problems.add(located, ["models", id, ...(named === undefined ? [] : ["schema"])], `models: ${message}`, {
      at: named === undefined ? "key" : "value",
    });
  if (!schemas.names.includes(name)) tell(`there is no schema models/${name}.json (${didYouMean(name, schemas.names)})`);
  const before = schemaOf.get(id);
  if (before && before.name !== name)
    tell(`${id} has schema ${name} here and ${before.name} in channel ${before.channel}; one model has one schema`);
  schemaOf.set(id, before ?? { name, channel });
  return schemas.compiled.get(name);
}

function verifyOf(
  located: Located<ChannelSettings>,
  { variables = {}, secrets = [] }: Partial<ReturnType<typeof resolveVariables>> = {},
  problems: Problems,
): Verify | undefined {
  const { verify, errors = [] } = located.value;
  // The rules are those of the routes too, and their mistakes are reported once: in the same words.
  const report = (path: Path, message: string, offset?: number) => {
    const part = path[0] === "verify" ? "verify" : path.filter((step) => typeof step === "string").join(".");
    problems.add(located, path, `${part}: ${message}`, { offset });
  };
  const compiled = verify && compileVerify(verify, errors, Object.keys(located.value.variables ?? {}), report);
  return compiled && ((key, context) => compiled(key, { ...context, variables, secrets }));
}
