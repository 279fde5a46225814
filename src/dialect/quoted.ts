// Removes prompts from a provider's failure, such as a prompt that the provider rewrote and quotes in its answer.
import { ProviderFailure } from "../errors.ts";
import { isPlainObject } from "../expression/cel.ts";
import { shortestPrompt, withoutPrompt } from "./secrets.ts";

/** The failure without the texts that the answer's members named `prompt` (or similar) hold, since prompts must not be stored. */
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
