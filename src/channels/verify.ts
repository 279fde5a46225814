// Tries a key with the channel's free call, and reads the provider's own list of models.
import { callSchema, compileCall } from "../dialect/call.ts";
import { variablesOf, type CallContext } from "../dialect/context.ts";
import { compileRule, type RuleSpec } from "../dialect/failure.ts";
import { accept } from "../dialect/judge.ts";
import { callAndRead } from "../dialect/make-call.ts";
import { secretsIn, withoutSecrets } from "../dialect/secrets.ts";
import { messageOf, ProviderFailure } from "../errors.ts";
import { isPlainObject } from "../expression/cel.ts";
import { channelNames } from "../expression/names.ts";
import type { Path, Report } from "../expression/rendering.ts";
import { compileTemplate } from "../expression/template.ts";
import type { Key } from "../net/auth/key.ts";
import type { FromSchema } from "../schema/from-schema.ts";
import { closed, text } from "../schema/parts.ts";
import type { ChannelSettings } from "./grammar.ts";
import type { Located, Problems } from "./problems.ts";
import type { resolveVariables } from "./settings.ts";

/** A channel's `verify`: the free call, and where the provider's list of models is. */
export const verifySchema = closed({
  ...callSchema.properties,
  from: { ...callSchema, description: "A further call whose answer holds the list of models, where the first one's does not." },
  models: text("The provider's list of models: names, or maps with `id` and perhaps `shutdown_date`: `${body.data}`."),
});

/** A model as the provider lists it, by the provider's name, with the day of its end where the list has it. */
export interface ListedModel {
  id: string;
  shutdown?: string;
}

/** How a key was proven: by the provider's failure, or by none, and then with its models where the channel says where they are. */
export interface Verified {
  failure?: ProviderFailure;
  models?: readonly ListedModel[];
}

/** Ask the provider for something free with a key. */
export type Verify = (key: Key | undefined, context: Omit<CallContext, "key" | "variables" | "secrets">) => Promise<Verified>;

/** Compile a channel's `verify`. Mistakes go to `report`. */
function compileVerify(
  { from, models, ...spec }: FromSchema<typeof verifySchema>,
  rules: readonly RuleSpec[],
  variables: readonly string[],
  report: Report,
): (key: Key | undefined, context: Omit<CallContext, "key">) => Promise<Verified> {
  const names = channelNames([], variables);
  const options = { names: names.request, report };
  const render = compileCall(spec, ["verify"], options);
  const renderList = from && compileCall(from, ["verify", "from"], options);
  const list =
    models === undefined ? undefined : compileTemplate(models, ["verify", "models"], { ...options, names: names.answer, required: true });
  const compiled = rules.map((rule, index) => compileRule(rule, ["errors", index], { names: names.errors, report }));
  return async (key, shared) => {
    const context: CallContext = { ...shared, key };
    const ask = async (call: typeof render) =>
      accept(await callAndRead((await call(context)).request, context), { rules: compiled, scope: {} });
    try {
      const answer = await ask(render);
      if (!list) return {};
      const listing = renderList ? await ask(renderList) : answer;
      return {
        models: listedIn(() => list({ variables: { ...variablesOf(context), ...listing }, used: new Set(), mapped: () => undefined })),
      };
    } catch (error) {
      if (error instanceof ProviderFailure)
        return { failure: withoutSecrets(error, { secrets: secretsIn(context), prompts: [], hosts: [] }) };
      throw error;
    }
  };
}

/** The models of a list of names, or of maps with `id` and perhaps `shutdown_date`. Throws a `ProviderFailure` for anything else. */
function listedIn(read: () => unknown): ListedModel[] {
  const wrong = (why: string, cause?: unknown) =>
    new ProviderFailure("bad_response", `the list of models cannot be read: ${why}`, { cause });
  let list: unknown;
  try {
    list = read();
  } catch (error) {
    throw wrong(messageOf(error), error);
  }
  if (!Array.isArray(list)) throw wrong("it is not a list");
  return list.map((item: unknown) => {
    const { id, shutdown_date: day } = isPlainObject(item) ? item : { id: item, shutdown_date: undefined };
    if (typeof id !== "string") throw wrong("an element has no id");
    return typeof day === "string" ? { id, shutdown: day.slice(0, "2026-12-01".length) } : { id };
  });
}

/** The `verify` of a channel, with what its first model resolves. Mistakes go to `problems`. */
export function verifyOf(
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
