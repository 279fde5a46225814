// Hides in a provider's failure the prompts that its answer names, such as the one that it made of the client's.
import { ProviderFailure } from "../errors.ts";
import { isPlainObject } from "../expression/cel.ts";
import { shortestPrompt, withoutPrompt } from "./secrets.ts";

/** The failure that an answer reports, without the prompts that stand in the answer's members of such a name: nobody may keep those. */
export function withoutAnswersPrompts(failure: ProviderFailure, body: unknown): ProviderFailure {
  const prompts = promptsIn(body).filter((prompt) => prompt.length >= shortestPrompt);
  if (prompts.length === 0) return failure;
  const hide = (text: string) => prompts.reduce(withoutPrompt, text);
  const { kind, message, details } = failure;
  const { code, reason } = details;
  return new ProviderFailure(kind, hide(message), {
    ...details,
    code: code && hide(code),
    reason: reason && hide(reason),
  });
}

function promptsIn(value: unknown, name = ""): string[] {
  if (typeof value === "string") return /prompt/i.test(name) ? [value] : [];
  if (Array.isArray(value)) return value.flatMap((one) => promptsIn(one, name));
  return isPlainObject(value) ? Object.entries(value).flatMap(([key, one]) => promptsIn(one, key)) : [];
}
