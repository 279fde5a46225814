// Makes the calls before a submission, such as uploads.
import { ProviderFailure } from "../errors.ts";
import type { Variables } from "../expression/cel.ts";
import { itemNames } from "../expression/directives.ts";
import type { Path } from "../expression/rendering.ts";
import { compileTemplate } from "../expression/template.ts";
import { compileCondition } from "../expression/text.ts";
import type { FromSchema } from "../schema/from-schema.ts";
import { closed, text } from "../schema/parts.ts";
import { callParts, compileCall, type Render } from "./call.ts";
import { variablesOf, type CallContext } from "./context.ts";
import type { Rule } from "./failure.ts";
import { accept } from "./judge.ts";
import { callAndRead } from "./make-call.ts";
import { withoutPrivate } from "./secrets.ts";

export const beforeSchema = closed({
  ...callParts,
  when: text("A condition over the request: the call is made only if it holds."),
  each: text("A list, `${request.images}`: one call for each `item`, and a list of answers."),
});

/** A call before the submission. It is made if `when` holds; with `each` it is made once for each item of a list, and gives a list of bodies. */
type BeforeSpec = FromSchema<typeof beforeSchema>;

type CallOptions = Parameters<typeof compileCall>[2] & { uses: Set<string> };

/** A compiled call before the submission. */
export interface Before {
  name: string;
  call: Render;
  /** The variables for each time the call is made: none, one, or one for each item of a list. */
  scopes: (variables: Variables) => Variables[];
  /** True if the call is made for each item of a list. */
  each: boolean;
}

export function compileBefore(name: string, spec: BeforeSpec, path: Path, options: CallOptions): Before {
  const { when, each, ...rest } = spec;
  const applies = when === undefined ? undefined : compileCondition(when, [...path, "when"], options);
  const list = each === undefined ? undefined : compileTemplate(each, [...path, "each"], options);
  const names = list ? { ...options.names, variables: { ...options.names.variables, ...itemNames } } : options.names;
  const call = compileCall(rest, path, { ...options, names });
  const scopes = (variables: Variables): Variables[] => {
    const { before } = variables;
    if (applies && !applies(variables)) return [];
    if (!list) return [{ before }];
    const items = list({ variables, used: new Set(), mapped: () => undefined });
    return Array.isArray(items) ? items.map((item: unknown, index) => ({ before, item, index: BigInt(index) })) : [];
  };
  return { name, call, scopes, each: list !== undefined };
}

/** Makes the calls in order. Resolves with the bodies of their answers by name; rejects with `ProviderFailure`. */
export async function callBefore(calls: readonly Before[], rules: readonly Rule[], context: CallContext): Promise<Record<string, unknown>> {
  const bodies: Record<string, unknown> = {};
  try {
    for (const { name, call, scopes, each } of calls) {
      const answers: unknown[] = [];
      const scope = { ...variablesOf(context), before: bodies };
      for (const more of scopes(scope)) {
        const { request } = await call(context, more);
        // The answer need not be JSON: some uploads are answered with XML or an empty body.
        answers.push(accept(await callAndRead(request, context), { rules, scope }).body);
      }
      if (each) bodies[name] = answers;
      else if (answers.length > 0) [bodies[name]] = answers;
    }
    return bodies;
  } catch (error) {
    throw withoutPrivate(error instanceof ProviderFailure ? nothingMade(error) : error, context);
  }
}

/**
 * Marks a failure before the submission as `notAccepted`, since nothing was ordered. A client's mistake is not marked: it would fail on
 * every channel.
 */
function nothingMade(failure: ProviderFailure): ProviderFailure {
  const { kind, details } = failure;
  const notAccepted = details.then === undefined ? kind !== "invalid_request" && kind !== "refused" : details.notAccepted;
  return new ProviderFailure(kind, failure.message, { ...details, notAccepted });
}
