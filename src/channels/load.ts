// Loads channel files: checked, compiled, immutable.
import { setImmediate } from "node:timers/promises";
import type { CallContext } from "../dialect/context.ts";
import { wait as realWait } from "../dialect/duration.ts";
import { ConfigError, type Problem } from "../errors.ts";
import type { Path } from "../expression/rendering.ts";
import { createAuthorizer } from "../net/auth/authorizer.ts";
import type { Plugin } from "../plugin/define.ts";
import { lazily } from "../schema/lazily.ts";
import { didYouMean } from "../schema/suggest.ts";
import { documentsOf } from "./documents.ts";
import { readFiles, type ReadChannel } from "./files.ts";
import type { ChannelSettings } from "./grammar.ts";
import { hostsOf, safely } from "./hosts.ts";
import { checked, grammarOf } from "./judge.ts";
import { lifeOf } from "./life.ts";
import { modelAddresses } from "./model-address.ts";
import { channelLimits, coolDownOf } from "./limits.ts";
import { createProblems, type Located, type Problems } from "./problems.ts";
import { createProof, type Proof, type Proven } from "./proven.ts";
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
import { channelsVariable, recorded, textsOfFolder, type Texts } from "./texts.ts";
import { fetchToken } from "./token.ts";
import { verifyOf, type Verify } from "./verify.ts";

export interface LoadOptions extends Surroundings {
  /** The folder of channel files, with `presets` and `models` in it: its path, or its texts. */
  folder: string | Texts;
  plugins: ReadonlyMap<string, Plugin>;
  /** Only these channels, by name; all when omitted. */
  only?: readonly string[];
  /** Reads the tests in the folder `tests` too. */
  withTests?: boolean;
  /** How polls wait; tests do not. */
  wait?: CallContext["wait"];
  /** The address to which calls to other addresses go in tests. */
  divert?: CallContext["divert"];
  /** Stands for every token that a kind of auth would fetch; tests reach no token server. */
  token?: string;
  /** The channels that were found right before. They are not judged again, and are compiled when they are asked for. */
  proven?: Proven;
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
  readonly channel: Channel;
  /** Those of a channel that is off are compiled when they are first asked for, where it is proven. */
  readonly routes: readonly Route[];
  /** Something that is wrong with a part of it, with its place. */
  problemAt: (path: Path, message: string) => Problem;
  render: RenderTests;
}

/** State shared by all channels of one load. */
interface Load extends LoadOptions {
  texts: Texts;
  schemas: Schemas;
  /** Absent where all is judged. */
  proof?: Proof;
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
  const texts = recorded(textsOfFolder(options.folder), read);
  const proof = options.proven && createProof(options.proven, texts);
  const { only, withTests } = options;
  const files = await readFiles(texts, problems, { only, withTests, isProven: proof?.holdsOf });
  const load: Load = {
    ...options,
    texts,
    schemas: compileSchemas(files.schemas, problems, proof?.holdsOfSchema),
    proof,
    schemaOf: new Map(),
  };
  const meant = files.channels.filter(({ name }) => only?.includes(name) ?? true);
  const clashes = judgePrefixes(meant);
  const tests: ChannelTests[] = [];
  const broken: string[] = [];
  for (const channel of meant) {
    await setImmediate();
    const clash = clashes.get(channel.name);
    const loaded = (clash === undefined ? loadProven(channel, load) : undefined) ?? loadWritten(channel, load, problems, clash);
    if (loaded) tests.push(loaded);
    else broken.push(channel.name);
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
export function routesOf(one: Pick<ChannelTests, "channel" | "routes">): Route[] {
  const { off, modelsOff } = one.channel;
  return off === undefined ? one.routes.filter(({ model }) => !modelsOff.has(model.id)) : [];
}

/** True for a file that some channels need: their own, their presets, their models' schemas. */
function isBelow(file: string, meant: readonly ReadChannel[], { schemaOf, texts }: Load): boolean {
  const schemas = ["common", ...[...schemaOf.values()].map(({ name }) => name)].map((name) => texts.shown(`models/${name}.json`));
  return (
    file === texts.shown(".") ||
    file === channelsVariable ||
    schemas.includes(file) ||
    meant.some((channel) => channel.file === file || channel.below.includes(file))
  );
}

/** A channel that was found right before. There is none where it was not, or where the environment makes something wrong: then it is judged. */
function loadProven(file: ReadChannel, load: Load): ChannelTests | undefined {
  // The tests are asked for their lines, which are not proven.
  const known = load.withTests ? undefined : load.proof?.channel(file.name);
  // Another file may have taken the place of the one that was found right.
  if (known?.layers[0] !== file.file) return undefined;
  const problems = createProblems();
  const { located, layers } = known;
  const own = { ...load, problems, resolve: createResolver(load, problems), layers };
  const { channel, routes } = compileChannel(file.name, located, own, { isProven: true });
  if (problems.list().length > 0) return undefined;
  const judged = lazily(() => loadWritten(file, load, createProblems()) as ChannelTests);
  return {
    channel,
    get routes() {
      return routes() ?? judged().routes;
    },
    problemAt: (path, message) => judged().problemAt(path, message),
    render: (variables) => judged().render(variables),
  };
}

/** A channel as it is written. Mistakes go to `problems`; there is nothing where there is one. */
function loadWritten(file: ReadChannel, load: Load, problems: Problems, clash?: string): ChannelTests | undefined {
  const own = createProblems(problems);
  const { located, tests, below } = file;
  if (located && clash !== undefined) own.add(located, [], clash);
  const more = tests ? judgedTests(tests, own) : [];
  const layers = [file.file, ...below];
  const loaded = located && loadChannel(file.name, located, more, { ...load, problems: own, resolve: createResolver(load, own), layers });
  return own.list().length === 0 ? loaded : undefined;
}

interface ChannelLoad extends Load {
  resolve: Resolver;
  /** The channel's file and the presets below it. */
  layers: readonly string[];
  /** Those of this channel alone. */
  problems: Problems;
}

/** Judge and compile a channel; `more` are files of its tests. Mistakes go to its `problems`; there is nothing where it, or a schema that it names, is too wrong to go on. */
function loadChannel(
  name: string,
  written: Located,
  more: Parameters<typeof compileTests>[0],
  load: ChannelLoad,
): ChannelTests | undefined {
  const { problems } = load;
  judgeKeys(written, problems);
  const { located, whole } = checked(withSteps(written, problems), grammarOf(load.plugins), problems);
  if (!located) return undefined;
  const { channel, routes } = compileChannel(name, located, load, { whole });
  const render = compileTests([located, ...more], channel, problems);
  const problemAt = (path: Path, message: string) => {
    const single = createProblems();
    single.add(located, path, message);
    return single.list()[0] as Problem;
  };
  const all = routes();
  return all && { channel, routes: all, problemAt, render };
}

/**
 * Compile a channel that the grammar has accepted, `whole` or without the parts that it rejected. What `isProven` is compiled when it is
 * used. There are no routes where a model's schema is broken, which has been reported in its own file.
 */
function compileChannel(
  name: string,
  located: Located<ChannelSettings>,
  load: ChannelLoad,
  { whole = true, isProven = false }: { whole?: boolean; isProven?: boolean },
): { channel: Channel; routes: () => Route[] | undefined } {
  const { problems, resolve, layers } = load;
  const settings = resolveSettings(name, located, load, problems);
  const addressOf = modelAddresses(located, settings, { resolve, isDiverted: load.divert !== undefined }, problems);
  const models = Object.keys(located.value.models).map((id) => {
    const own = forModel(located, id);
    const life = lifeOf(id, located, { layers, isReplaced: settings.isReplaced }, problems);
    const { wanted, ...address } = addressOf(id);
    const settled = resolveVariables(own, resolve);
    const schemaName = schemaNameOf(id, name, located, load);
    return { id, schemaName, located: own, life, ...address, ...settled, wanted: [...wanted, ...settled.wanted] };
  });
  const addresses = [settings.baseUrl, ...models.map(({ baseUrl }) => baseUrl)];
  const unset = new Map(models.flatMap(({ id, wanted: [first] }) => (first === undefined ? [] : [[id, `${first} is not set`] as const])));
  const verify = lazily(() => verifyOf(located, models[0], problems));
  const channel: Channel = Object.freeze({
    ...settings,
    off: settings.off ?? (models.every(({ id }) => unset.has(id)) ? [...unset.values()][0] : undefined),
    name,
    description: located.value.description ?? "",
    models: models.map(({ id }) => id),
    otherAddresses: models.flatMap(({ written }) => written ?? []),
    modelsOff: unset,
    verify: located.value.verify && ((...call: Parameters<Verify>) => (verify() as Verify)(...call)),
    authorize: createAuthorizer(settings.auth, { fetchToken, token: load.token }),
    mayCarryKey: safely(hostsOf(addresses, located.value.key_hosts ?? []), addresses),
    coolDown: coolDownOf(located.value.cool_down),
    limits: channelLimits(located.value.limits),
    trusted: hostsOf(addresses, located.value.trusted_hosts ?? []),
  });
  const { plugins, wait = realWait, divert, texts } = load;
  const shared = { channel, plugins, whole, wait, divert, readDocument: documentsOf(texts) };
  const routes = lazily(() => {
    const compiled = models.map(({ schemaName, ...model }) => {
      const schema = load.schemas.get(schemaName);
      const ownLimits = located.value.models[model.id]?.limits;
      const route = schema && compileRoute({ ...model, ...shared, schema, ownLimits }, problems);
      return { isWhole: schema !== undefined, route: model.located.value.enabled === false ? undefined : route };
    });
    return compiled.every(({ isWhole }) => isWhole) ? compiled.flatMap(({ route }) => route ?? []) : undefined;
  });
  // Of what is not compiled nothing is judged.
  if (!isProven) for (const compile of [verify, routes]) compile();
  return { channel, routes };
}
/** The name of a model's schema. One that is there and broken has been reported already. */
function schemaNameOf(
  id: string,
  channel: string,
  located: Located<ChannelSettings>,
  { schemas, schemaOf, problems }: ChannelLoad,
): string {
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
  return name;
}
