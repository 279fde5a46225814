import { type Variables } from "../expression/cel.ts";
import { itemNames } from "../expression/directives.ts";
import type { Path } from "../expression/rendering.ts";
import { compileTemplate } from "../expression/template.ts";
import { compileCondition } from "../expression/text.ts";
import { compileCall, type CallSpec } from "./call.ts";

/** A call before the submission: made if `when` holds, and once for each of a list, with a list of bodies. */
export interface BeforeSpec extends CallSpec {
  when?: string;
  each?: string;
}

type CallOptions = Parameters<typeof compileCall>[2] & { uses: Set<string> };

/** A call before the submission, and the scopes that it is made in: none, one, or one for each of a list. */
export function compileBefore(name: string, spec: BeforeSpec, path: Path, options: CallOptions) {
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
