// Checks and compiles one channel.
import type { CallContext } from "../dialect/context.ts";
import { wait as realWait } from "../dialect/duration.ts";
import type { Problem } from "../errors.ts";
import type { Path } from "../expression/rendering.ts";
import { createAuthorizer } from "../net/auth/authorizer.ts";
import type { Plugin } from "../plugin/define.ts";
import { lazily } from "../schema/lazily.ts";
import { didYouMean } from "../schema/suggest.ts";
import { documentsOf } from "./documents.ts";
import type { ReadChannel } from "./files.ts";
import type { ChannelSettings } from "./grammar.ts";
import { hostsOf, safely } from "./hosts.ts";
import { checked, grammarOf } from "./judge.ts";
import { lifeOf } from "./life.ts";
import { modelAddresses } from "./model-address.ts";
import { channelLimits, coolDownOf } from "./limits.ts";
import { createProblems, type Located, type Problems } from "./problems.ts";
import type { Proof } from "./proven.ts";
import { compileRoute, type Channel, type Route } from "./route.ts";
import type { Schemas } from "./schemas.ts";
import { createResolver, forModel, judgeKeys, resolveSettings, resolveVariables, type Resolver, type Surroundings } from "./settings.ts";
import { withSteps } from "./steps.ts";
import { compileTests, judgedTests, type RenderTests } from "./tests.ts";
import type { Texts } from "./texts.ts";
import { fetchToken } from "./token.ts";
import { verifyOf, type Verify } from "./verify.ts";

/** A valid channel, with its own tests. */
export interface ChannelTests {
  readonly channel: Channel;
  /** Its own file and the presets below it, the upper ones first. */
  readonly layers: readonly string[];
  /** Functions that compile the parts whose compilation was deferred, one part each. */
  readonly parts: readonly (() => unknown)[];
  /** The channel's routes. For a proven channel that is off they are compiled on first access. */
  readonly routes: readonly Route[];
  /** Makes a problem at a path of the channel's file. */
  problemAt: (path: Path, message: string) => Problem;
  render: RenderTests;
}

/** The parts that all channels of one load share. */
export interface Load extends Surroundings {
  texts: Texts;
  plugins: ReadonlyMap<string, Plugin>;
  schemas: Schemas;
  /** The channels that need no check because the build found them valid; absent if every channel is checked. */
  proof?: Proof;
  /** The schema's name of each model loaded so far, and the channel that gave it. */
  schemaOf: Map<string, { name: string; channel: string }>;
  /** True if the tests in the folder `tests` were read too. */
  withTests?: boolean;
  /** Waits between polls; tests pass a function that does not wait. */
  wait?: CallContext["wait"];
  /** In tests: the URL to which a call is sent instead. */
  divert?: CallContext["divert"];
  /** In tests: used in place of every token that would be fetched from a token server. */
  token?: string;
}

/** Work in parts: it yields between two parts, so that other work can run there. */
export type Work<T> = Generator<void, T>;

function atOnce<T>(work: Work<T>): T {
  for (;;) {
    const { done, value } = work.next();
    if (done) return value;
  }
}

/** Loads a channel that the build found valid. Undefined if it did not, or if the environment causes a problem; then the channel must be checked. */
export function loadProven(file: ReadChannel, load: Load): ChannelTests | undefined {
  // With tests the lines of the file are needed, and the proof does not have them.
  const known = load.withTests ? undefined : load.proof?.channel(file.name);
  // Another file of the same name may have replaced the one that was checked.
  if (known?.layers[0] !== file.file) return undefined;
  const problems = createProblems();
  const { located, layers } = known;
  const own = { ...load, problems, resolve: createResolver(load, problems), layers };
  const { channel, parts, routes } = compileChannel(file.name, located, own);
  if (problems.list().length > 0) return undefined;
  const judged = lazily(() => atOnce(loadWritten(file, load, createProblems())) as ChannelTests);
  return {
    channel,
    layers,
    parts,
    get routes() {
      return routes() ?? judged().routes;
    },
    problemAt: (path, message) => judged().problemAt(path, message),
    render: (variables) => judged().render(variables),
  };
}

/** Loads a channel from its file, with all checks. Mistakes are added to `problems`; with any mistake the result is undefined. */
export function* loadWritten(file: ReadChannel, load: Load, problems: Problems, clash?: string): Work<ChannelTests | undefined> {
  const own = createProblems(problems);
  const { located, tests, below } = file;
  if (located && clash !== undefined) own.add(located, [], clash);
  const more = tests ? judgedTests(tests, own) : [];
  const layers = [file.file, ...below];
  yield;
  const shared = { ...load, problems: own, resolve: createResolver(load, own), layers };
  const loaded = located && (yield* loadChannel(file.name, located, more, shared));
  return own.list().length === 0 ? loaded : undefined;
}

interface ChannelLoad extends Load {
  resolve: Resolver;
  /** The channel's file and the presets below it. */
  layers: readonly string[];
  /** The problems of this channel alone. */
  problems: Problems;
}

/**
 * Checks and compiles a channel; `more` are files of its tests. Mistakes are added to its `problems`. The result is undefined if the channel, or a
 * schema that it names, is too broken to continue.
 */
function* loadChannel(
  name: string,
  written: Located,
  more: Parameters<typeof compileTests>[0],
  load: ChannelLoad,
): Work<ChannelTests | undefined> {
  const { problems, layers } = load;
  judgeKeys(written, problems);
  const { located, whole } = checked(withSteps(written, problems), grammarOf(load.plugins), problems);
  if (!located) return undefined;
  yield;
  const { channel, parts, routes } = compileChannel(name, located, load, whole);
  for (const compile of parts) {
    yield;
    compile();
  }
  yield;
  const render = compileTests([located, ...more], channel, problems);
  const problemAt = (path: Path, message: string) => {
    const single = createProblems();
    single.add(located, path, message);
    return single.list()[0] as Problem;
  };
  const all = routes();
  return all && { channel, layers, parts: [], routes: all, problemAt, render };
}

/**
 * Compiles a channel that the grammar has accepted, as a `whole` or without the rejected parts. Its parts are compiled, and thereby checked, when
 * they are called or first used. `routes` is undefined if a model's schema is broken, which has been reported for the schema's file.
 */
function compileChannel(
  name: string,
  located: Located<ChannelSettings>,
  load: ChannelLoad,
  whole = true,
): { channel: Channel; parts: (() => unknown)[]; routes: () => Route[] | undefined } {
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
  const compiled = models.map(({ schemaName, ...model }) =>
    lazily(() => {
      const schema = load.schemas.get(schemaName);
      const ownLimits = located.value.models[model.id]?.limits;
      const route = schema && compileRoute({ ...model, ...shared, schema, ownLimits }, problems);
      return { isWhole: schema !== undefined, route: model.located.value.enabled === false ? undefined : route };
    }),
  );
  const routes = () => {
    const all = compiled.map((compile) => compile());
    return all.every(({ isWhole }) => isWhole) ? all.flatMap(({ route }) => route ?? []) : undefined;
  };
  return { channel, parts: [verify, ...compiled], routes: lazily(routes) };
}

/** The name of a model's schema. A missing schema is reported here; a broken one has been reported already. */
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
