// Judges an answer, in this order: the channel's condition of success, its rules, the status, and an error inside a 200.
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
  /** The values that rules can read besides the answer. */
  scope: Variables;
  /** Requires the answer to be JSON or a picture. */
  needsJson?: boolean;
  /**
   * The channel's own condition of success. It decides about a 2xx answer: if it holds, the answer is good whatever the rules say; if not,
   * a failure.
   */
  succeeded?: (variables: Variables) => boolean;
}

/** A failure that an answer reports, and the part of the answer that reports it. */
export interface Judgement {
  failure: ProviderFailure;
  by: "rule" | "status" | "body";
}

/** Finds the failure that an answer reports; undefined if it reports none. */
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

/** Returns the answer if it reports no failure. Throws the `ProviderFailure` that `judge` finds. */
export function accept(answer: Answer, judging: Judging): Answer {
  const judgement = judge(answer, judging);
  if (judgement) throw judgement.failure;
  return answer;
}

/**
 * True for a body that reports an error. Many relays put an error into an answer of 200 or an event of a stream: as `error`, as `success: false`, as
 * an event's type, or as a code and a message next to empty data.
 */
function saysError(body: unknown): boolean {
  if (!isPlainObject(body) || (Array.isArray(body.data) && body.data.length > 0)) return false;
  const isFailedEvent = typeof body.type === "string" && /^(?:.+\.)?(?:error|failed)$/.test(body.type);
  const isEmpty = "data" in body && (body.data === null || body.data === "");
  const isCode = isEmpty && typeof body.message === "string" && isFailureCode(body.code);
  return Boolean(body.error) || body.success === false || isFailedEvent || isCode;
}

/** True unless the code is missing or means success: 0, 200, ok or success. */
function isFailureCode(code: unknown): boolean {
  const text = textIn(code);
  return text !== undefined && !/^(?:0|200|ok|success)$/i.test(text);
}

/** The failure inside a 200, whose status says nothing about it: `failed`, unless the error's code gives another class. */
function failureInside(answer: Answer): ProviderFailure {
  const usual = usualFailure(usualOf(answer));
  return usual.kind === "bad_response" ? new ProviderFailure("failed", usual.message, usual.details) : usual;
}
