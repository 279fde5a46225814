// Tries a key with the channel's free call.
import { compileCall, type CallSpec } from "../dialect/call.ts";
import type { CallContext } from "../dialect/context.ts";
import { compileRule, type RuleSpec } from "../dialect/failure.ts";
import { accept } from "../dialect/judge.ts";
import { callAndRead } from "../dialect/make-call.ts";
import { secretsIn, withoutSecrets } from "../dialect/secrets.ts";
import { ProviderFailure } from "../errors.ts";
import { channelNames } from "../expression/names.ts";
import type { Report } from "../expression/rendering.ts";
import type { Key } from "../net/auth/key.ts";

/** Ask the provider for something free with a key. Resolves with its failure, or undefined for a key that works. */
export type Verify = (
  key: Key | undefined,
  context: Omit<CallContext, "key" | "variables" | "secrets">,
) => Promise<ProviderFailure | undefined>;

/** Compile a channel's `verify`. Mistakes go to `report`. */
export function compileVerify(
  spec: CallSpec,
  rules: readonly RuleSpec[],
  variables: readonly string[],
  report: Report,
): (key: Key | undefined, context: Omit<CallContext, "key">) => Promise<ProviderFailure | undefined> {
  const names = channelNames([], variables);
  const render = compileCall(spec, ["verify"], { names: names.request, report });
  const compiled = rules.map((rule, index) => compileRule(rule, ["errors", index], { names: names.errors, report }));
  return async (key, shared) => {
    const context: CallContext = { ...shared, key };
    try {
      const { request } = await render(context);
      accept(await callAndRead(request, context), { rules: compiled, scope: {} });
      return undefined;
    } catch (error) {
      if (error instanceof ProviderFailure) return withoutSecrets(error, { secrets: secretsIn(context), prompts: [], hosts: [] });
      throw error;
    }
  };
}
