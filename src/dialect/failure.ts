import { GatewayError, ProviderFailure, type FailureClass, type Then } from "../errors.ts";
import { isPlainObject, type Variables } from "../expression/cel.ts";
import type { Path, Template, TemplateOptions } from "../expression/rendering.ts";
import { compileTemplate } from "../expression/template.ts";
import { compileCondition } from "../expression/text.ts";
import type { Answer } from "./answer.ts";

/** One rule of a channel's `errors`: what an answer that matches it means. */
export interface RuleSpec {
  when: string;
  class: FailureClass;
  message?: string;
  code?: string;
  param?: string;
  retry_after?: string | number;
  then?: Then;
}

/** What an answer tells in the shapes that most providers use. */
export interface Usual {
  status: number;
  message?: string;
  code?: string;
  param?: string;
  retryAfter?: number;
}

export interface Rule {
  matches(variables: Variables): boolean;
  /** What the rule makes of an answer. What it does not say stands as `usual` has it. */
  failure(variables: Variables, usual: Usual): ProviderFailure;
}

const texts = ["message", "code", "param", "retry_after"] as const;

export function compileRule(spec: RuleSpec, path: Path, options: TemplateOptions): Rule {
  const matches = answerCondition(spec.when, [...path, "when"], options);
  const templates = new Map<string, Template>();
  for (const name of texts) if (spec[name] !== undefined) templates.set(name, compileTemplate(spec[name], [...path, name], options));
  return {
    matches,
    failure: (variables, usual) => {
      const said = (name: (typeof texts)[number]) => saidBy(templates.get(name), variables);
      return failureOf(spec.class, said("message") ?? usual.message, {
        status: usual.status,
        code: said("code") ?? usual.code,
        param: said("param") ?? usual.param,
        retryAfter: seconds(said("retry_after")) ?? usual.retryAfter,
        then: spec.then,
      });
    },
  };
}

/**
 * The members of a body by which rules tell that an answer of 200 is a failure: until they have come, a picture that has begun may be none.
 * An `error` stands in place of pictures.
 */
export function tellingFields(rules: readonly RuleSpec[]): string[] {
  const ofGood = rules.filter(({ when }) => !/\bstatus\b/.test(when) || /\b2\d\d\b/.test(when));
  const fields = ofGood.flatMap(({ when }) => [...when.matchAll(/\bbody\.\??(\w+)/g)].map(([, field = ""]) => field));
  return fields.filter((field) => field !== "error");
}

/** A condition over a provider's answer. An answer of another shape does not meet it. */
export function answerCondition(condition: string, path: Path, options: TemplateOptions): (variables: Variables) => boolean {
  const holds = compileCondition(condition, path, options);
  return (variables) => unlessOther(() => holds(variables)) ?? false;
}

/** What a template finds in an answer, as text; nothing in one of another shape. */
export function saidBy(template: Template | undefined, variables: Variables): string | undefined {
  const value = unlessOther(() => template?.({ variables, used: new Set(), mapped: () => undefined }));
  if (typeof value === "object" && value !== null) return JSON.stringify(value);
  return typeof value === "number" || typeof value === "boolean" ? String(value) : text(value);
}

function unlessOther<T>(evaluate: () => T): T | undefined {
  try {
    return evaluate();
  } catch {
    return undefined;
  }
}

/**
 * What an answer that is no success means, from its status and the shapes most providers use:
 * `{error: {message, code, param}}`, `{error: "text"}`, `{message}`, `{detail: "text" | [{msg, loc}]}`, `{errors: [...]}`, `{title}`, and each in a list of one.
 */
export function usualFailure(usual: Usual): ProviderFailure {
  return failureOf(usualClass(usual.status, usual.code), usual.message, usual);
}

/** What an answer says of its failure, in the shapes most providers use. */
export function usualOf({ status, headers, body }: Answer): Usual {
  return { status, ...usualShape(body, status), retryAfter: retryAfter(headers) };
}

const refusals = new Set(["content_policy_violation", "moderation_blocked", "content_filter", "contentfilter"]);
const empties = new Set(["insufficient_quota", "billing_hard_limit_reached", "insufficient_user_quota"]);

function usualClass(status: number, code: string | undefined): FailureClass {
  const known = code?.toLowerCase() ?? "";
  if (refusals.has(known)) return "refused";
  if (empties.has(known) || status === 402) return "quota";
  if (status === 401 || status === 403) return "auth";
  if (status === 429) return "rate_limit";
  if (status === 408 || status === 504 || status === 524) return "timeout";
  if (status === 503 || status === 529) return "overloaded";
  // A wrong address or model name is the operator's mistake, not the client's; who answers 425 did not read the request.
  if (status >= 500 || status === 404 || status === 405 || status === 425) return "failed";
  if (status >= 400) return "invalid_request";
  return "bad_response";
}

// A provider that answers so has made nothing: the next key or channel may be tried.
const proofs = new Set([401, 402, 403, 404, 405, 425, 429, 503, 529]);

/** A failure of this class, with a plain sentence where the provider said nothing. */
export function failureOf(
  kind: FailureClass,
  message: string | undefined,
  details: { status: number; code?: string; param?: string; retryAfter?: number; then?: Then },
): ProviderFailure {
  const byClass =
    kind === "auth" ||
    kind === "quota" ||
    kind === "rate_limit" ||
    (proofs.has(details.status) && kind !== "refused" && kind !== "invalid_request");
  const notAccepted = details.then === undefined ? byClass : details.then !== "fail";
  return new ProviderFailure(kind, message ?? plainSentences[kind], { ...details, notAccepted });
}

const plainSentences: Record<FailureClass, string> = {
  invalid_request: "the provider refused the request's values",
  refused: "the provider's moderation refused the request",
  auth: "the provider refused the key",
  quota: "the provider's account has no credit left",
  rate_limit: "the provider takes no more requests for now",
  overloaded: "the provider is overloaded",
  failed: "the provider failed",
  timeout: "the provider did not finish in time",
  bad_response: "the provider's answer was not understood",
};

function usualShape(body: unknown, status: number): { message?: string; code?: string; param?: string } {
  if (typeof body === "string") return { message: plainText(body) };
  // Some gateways wrap their error into a list of one.
  if (Array.isArray(body) && body.length === 1) return usualShape(body[0], status);
  if (!isPlainObject(body)) return {};
  const inner = [body.error, body.detail, body.errors].find((value) => value !== undefined && value !== null) ?? body;
  const first: unknown = Array.isArray(inner) ? inner[0] : inner;
  if (!isPlainObject(first))
    return {
      message: text(Array.isArray(inner) ? inner.filter((item) => typeof item === "string").join("; ") : first) ?? text(body.message),
      code: text(body.code),
    };
  return {
    message: text(first.message) ?? text(first.msg) ?? text(first.error) ?? text(body.message) ?? text(first.title),
    // The status once more says nothing.
    code: [text(first.code), text(first.type)].find((code) => code !== undefined && code !== String(status)),
    param: text(first.param),
  };
}

function text(value: unknown): string | undefined {
  if (typeof value === "number") return String(value);
  return typeof value === "string" && value !== "" ? value : undefined;
}

/** A page of HTML explains nothing to a client. */
function plainText(body: string): string | undefined {
  return body.trimStart().startsWith("<") || body.trim() === "" ? undefined : body;
}

/** Seconds to wait, from `retry-after-ms` or `retry-after` in seconds or as a date. */
function retryAfter(headers: Record<string, string>): number | undefined {
  const milliseconds = Number(headers["retry-after-ms"]);
  return seconds(milliseconds > 0 ? String(milliseconds / 1000) : headers["retry-after"]);
}

/** Seconds; who names more does not mean it. */
const longestWait = 30 * 24 * 3600;

function seconds(value: string | undefined): number | undefined {
  if (value === undefined) return undefined;
  const plain = Number(value.replace(/s$/, ""));
  const wait = Number.isNaN(plain) ? (Date.parse(value) - Date.now()) / 1000 : plain;
  return Number.isFinite(wait) && wait < longestWait ? Math.max(1, Math.ceil(wait)) : undefined;
}

/** A template that cannot work with what the client sent is the client's to mend. */
export function unfit(error: Error): GatewayError {
  const field = /request\.(\w+)/.exec(error.message)?.[1] ?? (error.message.includes("size.") ? "size" : null);
  return new GatewayError("invalid_value", `${field ?? "a field"} has a value that this model's channel cannot send`, {
    param: field,
    cause: error,
  });
}
