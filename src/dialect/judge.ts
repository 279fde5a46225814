// Judges an answer: success as the channel says it, then the channel's rules, the status, and an error inside a 200.
import { ProviderFailure } from "../errors.ts";
import { isPlainObject, type Variables } from "../expression/cel.ts";
import type { Answer } from "./answer.ts";
import { usualFailure, type Rule } from "./failure.ts";
import { withoutAnswersPrompts } from "./quoted.ts";
import { textIn, usualOf } from "./usual.ts";

/** How to judge the answers of one kind of call. */
export interface Judging {
  /** The channel's `errors`, compiled. */
  rules: readonly Rule[];
  /** The values that rules read beside the answer. */
  scope: Variables;
  /** The answer must be JSON or a picture. */
  needsJson?: boolean;
  /** The channel's own condition of success. An answer of 2xx is a failure where it does not hold, and good, whatever rules say, where it does. */
  succeeded?: (variables: Variables) => boolean;
}

/** A failure that an answer reports, and the part of the answer that reports it. */
export interface Judgement {
  failure: ProviderFailure;
  by: "rule" | "status" | "body";
}

/** Find the failure that an answer reports; undefined for an answer that reports none. */
export function judge(answer: Answer, judging: Judging): Judgement | undefined {
  const judgement = judgementOf(answer, judging);
  return judgement && { ...judgement, failure: withoutAnswersPrompts(judgement.failure, answer.body) };
}

function judgementOf(answer: Answer, { rules, scope, needsJson, succeeded }: Judging): Judgement | undefined {
  const variables = { ...scope, ...answer };
  const isGood = answer.status >= 200 && answer.status <= 299 && succeeded?.(variables) === true;
  const rule = isGood ? undefined : rules.find((candidate) => candidate.matches(variables));
  if (rule) return { by: "rule", failure: rule.failure(variables, usualOf(answer)) };
  if (answer.status < 200 || answer.status > 299) return { by: "status", failure: usualFailure(usualOf(answer)) };
  if (needsJson && typeof answer.body === "string") {
    const { status } = answer;
    return { by: "body", failure: new ProviderFailure("bad_response", "the provider's answer is not JSON", { status }) };
  }
  const hasFailed = succeeded ? !succeeded(variables) : saysError(answer.body);
  return hasFailed ? { by: "body", failure: failureInside(answer) } : undefined;
}

/** The answer itself, if it reports no failure. Throws the `ProviderFailure` that `judge` finds. */
export function accept(answer: Answer, judging: Judging): Answer {
  const judgement = judge(answer, judging);
  if (judgement) throw judgement.failure;
  return answer;
}

/**
 * Many relays put an error into an answer of 200, or into an event of a stream: as `error`, as `success: false`, as an event's type, or as a code
 * and a message beside empty data.
 */
function saysError(body: unknown): boolean {
  if (!isPlainObject(body) || (Array.isArray(body.data) && body.data.length > 0)) return false;
  const isFailedEvent = typeof body.type === "string" && /^(?:.+\.)?(?:error|failed)$/.test(body.type);
  const isEmpty = "data" in body && (body.data === null || body.data === "");
  const isCode = isEmpty && typeof body.message === "string" && isFailureCode(body.code);
  return Boolean(body.error) || body.success === false || isFailedEvent || isCode;
}

/** Codes of success are 0, 200 and words. */
function isFailureCode(code: unknown): boolean {
  const text = textIn(code);
  return text !== undefined && !/^(?:0|200|ok|success)$/i.test(text);
}

/** The status of a 200 says nothing of its error: unless the code says more, the provider failed. */
function failureInside(answer: Answer): ProviderFailure {
  const usual = usualFailure(usualOf(answer));
  return usual.kind === "bad_response" ? new ProviderFailure("failed", usual.message, usual.details) : usual;
}
