import { clientError, ProviderFailure } from "../errors.ts";
import { isPlainObject, missing, MissingValue, type Variables } from "../expression/cel.ts";
import type { Names } from "../expression/names.ts";
import { compileTemplate, type Path, type Report, type Template } from "../expression/template.ts";
import { readBase64 } from "../picture/base64.ts";
import { LongText } from "../picture/lift.ts";
import { headOf } from "../picture/convert.ts";
import type { Picture } from "../picture/picture.ts";
import { sniff } from "../picture/sniff.ts";
import type { Result } from "../plugin/context.ts";
import { compileRule, type Answer, type RuleSpec } from "./failure.ts";

/** Where the pictures and what is said of them stand in a provider's answer. */
export interface ResultSpec {
  images: string;
  url?: string;
  base64?: string;
  revised_prompt?: string;
  each_error?: RuleSpec;
  metadata?: unknown;
  [fact: string]: unknown;
}

/** Facts of the whole answer that are handed on as they are. */
export const facts = ["created", "usage", "size", "quality", "output_format", "background"] as const;

export type Extract = (variables: Variables, answer: Answer) => Result;

/** Compile `result`. The extraction throws `ProviderFailure`: `bad_response` where something that must be there is not, or the only item's own failure. */
export function compileResult(spec: ResultSpec, path: Path, names: Record<"result" | "image" | "errors", Names>, report: Report): Extract {
  const whole = (name: string) =>
    spec[name] === undefined ? undefined : compileTemplate(spec[name], [...path, name], { names: names.result, report, required: true });
  const single = (name: string) =>
    spec[name] === undefined ? undefined : compileTemplate(spec[name], [...path, name], { names: names.image, report, required: true });
  const images = whole("images");
  const [url, base64, revisedPrompt] = [single("url"), single("base64"), single("revised_prompt")];
  const rule = spec.each_error && compileRule(spec.each_error, [...path, "each_error"], { names: names.image, report });
  const shared = [...facts, "metadata"].map((name) => [name, whole(name)] as const);

  const one = (variables: Variables, answer: Answer): Picture => {
    if (rule?.matches(variables)) throw rule.failure(variables, { status: answer.status });
    const picture = fromUrl(read(url, variables)) ?? fromBase64(read(base64, variables));
    if (!picture) throw new ProviderFailure("bad_response", "the provider's answer names a picture without giving it");
    const revised = read(revisedPrompt, variables);
    return typeof revised === "string" ? { ...picture, revisedPrompt: revised } : picture;
  };

  return (variables, answer) => {
    const list = read(images, variables);
    if (!Array.isArray(list) || list.length === 0) throw new ProviderFailure("bad_response", "the provider's answer holds no picture");
    const result: Result = { pictures: [], errors: [], facts: {} };
    const failures: ProviderFailure[] = [];
    for (const [index, image] of (list as unknown[]).entries()) {
      try {
        result.pictures.push(one({ ...variables, image, index }, answer));
      } catch (error) {
        if (!(error instanceof ProviderFailure)) throw error;
        failures.push(error);
        const { message, code } = clientError(error);
        result.errors.push({ message, code });
      }
    }
    // One that may have been paid for forbids another attempt; it speaks for all.
    const failure = failures.find(({ details }) => !details.notAccepted) ?? failures[0];
    if (failure && result.pictures.length === 0) throw failure;
    for (const [name, template] of shared) {
      const value = read(template, variables);
      if (name === "metadata" && isPlainObject(value)) result.metadata = value;
      else if (value !== undefined) result.facts[name] = value;
    }
    return result;
  };
}

/** A value of the answer; absent, null and empty are all undefined. A field that must be there and is not is the provider's fault. */
function read(template: Template | undefined, variables: Variables): unknown {
  try {
    const value = template?.({ variables, used: new Set(), mapped: () => undefined });
    return value === missing || value === null || value === "" ? undefined : value;
  } catch (error) {
    const what = error instanceof MissingValue ? `no ${error.text}` : "another shape than expected";
    throw new ProviderFailure("bad_response", `the provider's answer has ${what}`, { cause: error });
  }
}

function fromUrl(value: unknown): Picture | undefined {
  // Some providers put the picture itself where its URL belongs.
  if (value instanceof LongText || (typeof value === "string" && /^data:/i.test(value))) return fromBase64(value);
  if (value === undefined) return undefined;
  if (typeof value === "string" && /^https?:\/\//i.test(value) && URL.canParse(value)) return { data: { kind: "url", url: value } };
  throw new ProviderFailure("bad_response", "the provider's answer gives an address of a picture that is not a URL");
}

function fromBase64(value: unknown): Picture | undefined {
  if (value === undefined) return undefined;
  const ascii = value instanceof LongText ? value.ascii : typeof value === "string" ? Buffer.from(value) : undefined;
  const found = ascii && readBase64(ascii);
  const seen = found && sniff(headOf({ kind: "base64", ascii: found.ascii }));
  if (!seen) throw new ProviderFailure("bad_response", "what the provider gave as a picture is neither PNG, JPEG, WebP, GIF nor AVIF");
  return { ...seen, data: { kind: "base64", ascii: found.ascii } };
}
