// Classifies a provider's failure, and says whether a picture may have been made.
import { failureClasses, ProviderFailure, thens, type FailureClass, type Then } from "../errors.ts";
import type { Variables } from "../expression/cel.ts";
import type { Path, Template, TemplateOptions } from "../expression/rendering.ts";
import { compileTemplate } from "../expression/template.ts";
import type { FromSchema } from "../schema/from-schema.ts";
import { closed, text } from "../schema/parts.ts";
import { secondsOf, textIn, type Usual } from "./usual.ts";
import { compileCondition } from "../expression/text.ts";

const meaningParts = {
  class: {
    enum: failureClasses,
    description: "What it means. The class decides the client's answer and whether another channel is tried.",
  },
  message: text("What the client is told; the usual places of a message when omitted."),
  code: text("The code the client is told, where the provider judged the request."),
  param: {
    type: ["string", "object"],
    description: 'The field that was wrong, by our name: `size`, or `{ $map: "${body.field}", to: { canvas: size } }`.',
  },
} as const;
const ruleParts = { when: text("A condition over `status`, `headers` and `body`: `status == 402`."), ...meaningParts };

const rule = closed({
  ...ruleParts,
  on: text("In place of `class`: what the answer says, to be looked up in `to`: `${body.code}`."),
  to: {
    type: "object",
    minProperties: 1,
    additionalProperties: { enum: failureClasses },
    description: "The class of each thing that it may say: `{ 1026: refused, 1002: rate_limit }`. Anything else does not match.",
  },
  retry_after: { type: ["string", "integer"], description: "Seconds to wait." },
  then: {
    enum: thens,
    description:
      "What comes next where the class's own rule does not fit. `fail`: the request is over, also where a poll would be asked again. The others say that nothing was made: `retry` the same key (a poll is asked again), `next_key`, or `next_channel`.",
  },
});

/** The schema of a rule: a condition with its class, or a table of classes. */
export const ruleSchema = {
  ...rule,
  if: { type: "object", anyOf: [{ required: ["on"] }, { required: ["to"] }] },
  then: { type: "object", required: ["on", "to"] },
  else: { type: "object", required: ["when", "class"] },
} as const;

/** The schema of the failure that a missing value means. */
export const missingSchema = closed(meaningParts, ["class"]);

/** The schema of a rule about one element of a list. It has no `then`, since the order has been placed. */
export const itemRuleSchema = closed(ruleParts, ["when", "class"]);

/** A rule of a channel's `errors`: the meaning of an answer that matches it. */
export type RuleSpec = FromSchema<typeof rule>;

export interface Rule {
  matches(variables: Variables): boolean;
  /** The failure that the rule makes of an answer. Parts that the rule does not set are taken from `usual`. */
  failure(variables: Variables, usual: Usual): ProviderFailure;
}

const texts = ["message", "code", "param", "retry_after"] as const;

export function compileRule(spec: RuleSpec, path: Path, options: TemplateOptions): Rule {
  const holds = spec.when === undefined ? () => true : answerCondition(spec.when, [...path, "when"], options);
  const classOf = compileClass(spec, path, options);
  const templates = new Map<string, Template>();
  for (const name of texts) if (spec[name] !== undefined) templates.set(name, compileTemplate(spec[name], [...path, name], options));
  return {
    matches: (variables) => holds(variables) && classOf(variables) !== undefined,
    failure: (variables, usual) => {
      const said = (name: (typeof texts)[number]) => saidBy(templates.get(name), variables);
      return failureOf(classOf(variables) ?? "failed", said("message") ?? usual.message, {
        status: usual.status,
        code: said("code") ?? usual.code,
        param: said("param") ?? usual.param,
        retryAfter: secondsOf(said("retry_after")) ?? usual.retryAfter,
        location: usual.location,
        then: spec.then,
      });
    },
  };
}

/** The class that a rule gives to an answer: the rule's own `class`, or the one found in its table. */
function compileClass(spec: RuleSpec, path: Path, options: TemplateOptions): (variables: Variables) => FailureClass | undefined {
  if (spec.on === undefined) return () => spec.class;
  if (spec.class !== undefined) options.report([...path, "class"], "a rule has a class or a table of them; take out class, or on and to");
  const on = compileTemplate(spec.on, [...path, "on"], options);
  const classes = new Map(Object.entries(spec.to ?? {}));
  return (variables) => classes.get(saidBy(on, variables) ?? "");
}

/**
 * The members of a body by which rules recognise a failure in an answer of 200. A picture must not be passed on before these members have arrived.
 * `error` is left out, since it comes in place of pictures.
 */
export function tellingFields(rules: readonly RuleSpec[]): string[] {
  const read = rules.map(({ when = "", on = "" }) => `${when} ${on}`);
  const ofGood = read.filter((text) => !/\bstatus\b/.test(text) || /\b2\d\d\b/.test(text));
  const fields = ofGood.flatMap((text) => [...text.matchAll(/\bbody\.\??(\w+)/g)].map(([, field = ""]) => field));
  return fields.filter((field) => field !== "error");
}

/** A condition over a provider's answer. It is false if it cannot be evaluated because the answer has another shape. */
export function answerCondition(condition: string, path: Path, options: TemplateOptions): (variables: Variables) => boolean {
  const holds = compileCondition(condition, path, options);
  return (variables) => unlessOther(() => holds(variables)) ?? false;
}

/** The text that a template finds in an answer; undefined if the answer has another shape. */
export function saidBy(template: Template | undefined, variables: Variables): string | undefined {
  const value = unlessOther(() => template?.({ variables, used: new Set(), mapped: () => undefined }));
  if (typeof value === "object" && value !== null) return JSON.stringify(value);
  return typeof value === "number" || typeof value === "boolean" ? String(value) : textIn(value);
}

function unlessOther<T>(evaluate: () => T): T | undefined {
  try {
    return evaluate();
  } catch {
    return undefined;
  }
}

/**
 * The failure that an error answer means, from its status and the shapes that most providers use:
 * `{error: {message, code, param}}`, `{error: "text"}`, `{message}`, `{detail: "text" | [{msg, loc}]}`, `{errors: [...]}`, `{title}`, and each in a list of one.
 */
export function usualFailure(usual: Usual): ProviderFailure {
  const kind = usualClass(usual);
  const misconfigured = kind === "failed" && usual.status >= 400 && usual.status < 500 && usual.status !== 425;
  return failureOf(kind, usual.message, { ...usual, misconfigured: misconfigured || undefined });
}

const refusals = new Set(["content_policy_violation", "moderation_blocked", "content_filter", "contentfilter"]);

/** Codes and types of errors for an account without credit. Some of them come with status 429. */
const unpaid =
  /^(?:insufficient_(?:user_)?(?:quota|credits?|balance|funds)|(?:billing_hard|(?:project|organization)_(?:spend|usage))_limit_(?:reached|exceeded)|credit_balance_(?:exhausted|too_low)|credits?_exhausted)$/;

/** Error codes for a model that the provider does not have, or not for this account. */
const noModel = /^(?:model_not_(?:found|available)|model_deprecated|operationnotsupported|deploymentnotfound|invalid_model)$/;

// Statuses of a proxy that could not reach the provider behind it. 520 and 524 are left out: with them the provider had received the request.
const unreached = [521, 522, 523, 525, 526, 530];

function usualClass({ status, code, type }: Usual): FailureClass {
  const said = [code, type].map((text) => text?.toLowerCase() ?? "");
  const says = (pattern: RegExp) => said.some((text) => pattern.test(text));
  if (said.some((text) => refusals.has(text))) return "refused";
  if (says(unpaid) || status === 402) return "quota";
  if (status === 401 || status === 403) return "auth";
  if (status === 429) return "rate_limit";
  if (status === 408 || status === 504 || status === 524) return "timeout";
  if (status === 503 || status === 529) return "overloaded";
  // A wrong address or model name is the operator's mistake, not the client's. 425 means that the request was not processed (RFC 8470, 5.2).
  if (status >= 500 || [404, 405, 410, 425].includes(status) || (status >= 400 && says(noModel))) return "failed";
  if (status >= 400) return "invalid_request";
  return "bad_response";
}

/** Statuses that prove that the provider has made nothing, so the next key or channel may be tried. docs/operate.md lists them. */
export const proofs = new Set([401, 402, 403, 404, 405, 410, 425, 429, 503, ...unreached, 529]);

/** Makes a failure of this class. Without a message of the provider it gets a plain sentence. */
export function failureOf(
  kind: FailureClass,
  message: string | undefined,
  details: Usual & { then?: Then; misconfigured?: true },
): ProviderFailure {
  const { status, code, param, retryAfter, location, then, misconfigured } = details;
  const byClass =
    kind === "auth" ||
    kind === "quota" ||
    kind === "rate_limit" ||
    ((proofs.has(status) || misconfigured === true) && kind !== "refused" && kind !== "invalid_request");
  const notAccepted = then === undefined ? byClass : then !== "fail";
  return new ProviderFailure(kind, message ?? plainSentences[kind], {
    status,
    code,
    param,
    retryAfter,
    location,
    then,
    misconfigured,
    notAccepted,
  });
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
