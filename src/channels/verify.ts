import { compileCall, type CallSpec } from "../dialect/call.ts";
import type { CallContext } from "../dialect/context.ts";
import { compileRule, usualFailure, type RuleSpec } from "../dialect/failure.ts";
import { callAndRead } from "../dialect/make-call.ts";
import { secretsIn, withoutSecrets } from "../dialect/secrets.ts";
import { usualOf } from "../dialect/usual.ts";
import { ProviderFailure } from "../errors.ts";
import { channelNames } from "../expression/names.ts";
import type { Path } from "../expression/rendering.ts";
import type { Key } from "../net/auth/key.ts";

/** Ask the provider for something free with a key. Resolves with its failure, or undefined for a key that works. */
export type Verify = (key: Key | undefined, context: Omit<CallContext, "key" | "variables">) => Promise<ProviderFailure | undefined>;

/** Compile a channel's `verify`. Mistakes go to `report`. */
export function compileVerify(
  spec: CallSpec,
  rules: readonly RuleSpec[],
  variables: readonly string[],
  report: (path: Path, message: string, offset?: number) => void,
): (key: Key | undefined, context: Omit<CallContext, "key">) => Promise<ProviderFailure | undefined> {
  const names = channelNames([], variables);
  const call = compileCall(spec, ["verify"], { names: names.request, report });
  const errors = rules.map((rule, index) => compileRule(rule, ["errors", index], { names: names.errors, report }));
  return async (key, context) => {
    const own: CallContext = { ...context, key };
    const told = (failure: ProviderFailure) => withoutSecrets(failure, { secrets: secretsIn(own), prompts: [], hosts: [] });
    try {
      const { request } = await call(own);
      const answer = await callAndRead(request, own);
      const rule = errors.find((candidate) => candidate.matches({ ...answer }));
      const failure = rule?.failure({ ...answer }, usualOf(answer)) ?? (answer.status < 300 ? undefined : usualFailure(usualOf(answer)));
      return failure && told(failure);
    } catch (error) {
      if (error instanceof ProviderFailure) return told(error);
      throw error;
    }
  };
}
