// Polls a task until it is finished.
import { ProviderFailure, type FailureClass } from "../errors.ts";
import type { Variables } from "../expression/cel.ts";
import type { Names } from "../expression/names.ts";
import type { Path, Report, TemplateOptions } from "../expression/rendering.ts";
import { compileTemplate } from "../expression/template.ts";
import type { FromSchema } from "../schema/from-schema.ts";
import { closed, text } from "../schema/parts.ts";
import { traced, type Span } from "../trace.ts";
import { duration, milliseconds } from "./duration.ts";
import type { Answer } from "./answer.ts";
import type { OutgoingRequest } from "../net/send.ts";
import { callParts, compileCall } from "./call.ts";
import type { CallContext } from "./context.ts";
import { callAndRead } from "./make-call.ts";
import { answerCondition, failureOf, saidBy, type Rule } from "./failure.ts";
import { judge } from "./judge.ts";
import { withoutAnswersPrompts } from "./quoted.ts";
import { hiddenFrom, hide } from "./secrets.ts";
import { usualOf } from "./usual.ts";

const pace = {
  description: "How long to wait before each poll: `2s`, or growing: `{ first: 500ms, grow: 1.5, max: 5s }`.",
  type: ["string", "object"],
  if: { type: "string" },
  then: duration,
  else: closed({
    first: { ...duration, description: "Before the first poll." },
    grow: { type: "number", minimum: 1, description: "How much longer each wait is than the one before." },
    max: { ...duration, description: "The longest wait." },
  }),
} as const;

const states = (description: string) => ({ type: "array", items: { type: ["string", "integer", "boolean"] }, description }) as const;

export const pollSchema = closed({
  ...callParts,
  when: text("A condition over the submission's answer: polled only if it holds."),
  every: pace,
  state: text("The task's state: `${body.status}`, or `${status}` where the HTTP status tells it."),
  pending: states("States that are waited on. So is one that no list names, with a warning."),
  done: states("States of a task that is finished."),
  refused: states("States of a task that the moderation refused."),
  failed: states("States of a task that failed."),
  progress: text(
    "How much of the task is done, in percent, where the provider says so: `${body.progress}`; `45` and `45%` are understood.",
  ),
  message: text("What is told of a task that was refused or failed."),
});

export type PollSpec = FromSchema<typeof pollSchema>;

/** The waits before the polls, in milliseconds. */
export function* waits(pace: PollSpec["every"] = {}): Generator<number, never> {
  const { first = "1s", grow = 1.5, max = "5s" } = typeof pace === "string" ? { first: pace, grow: 1, max: pace } : pace;
  const longest = Math.max(milliseconds(max), milliseconds(first));
  for (let wait = milliseconds(first); ; wait = Math.min(wait * grow, longest)) yield wait;
}

/** Polls until the task is finished. Resolves with the answer that reports the end. Rejects with the `ProviderFailure` of a task that failed. */
export type Poll = (submission: Answer, context: CallContext, scope: Variables) => Promise<Answer>;

const outcomes = ["pending", "done", "refused", "failed"] as const;

const examples = { state: "${body.status}", done: "[succeeded]" };

/** Polls that may fail in a row before the task is given up: the task may be done, and paid for. */
export const patience = 10;

export function compilePoll(
  spec: PollSpec,
  rules: readonly Rule[],
  path: Path,
  options: { names: Names; report: Report; uses: Set<string>; readDocument?: TemplateOptions["readDocument"] },
): Poll {
  const call = compileCall(spec, path, options);
  const applies = spec.when === undefined ? undefined : answerCondition(spec.when, [...path, "when"], options);
  for (const part of ["state", "done"] as const)
    if (spec[part] === undefined) options.report(path, `${part} is missing, without which a task has no end: ${part}: ${examples[part]}`);
  const read = new Set<string>();
  const state = compileTemplate(spec.state, [...path, "state"], { ...options, uses: read });
  for (const name of read) options.uses.add(name);
  const progress = spec.progress === undefined ? undefined : compileTemplate(spec.progress, [...path, "progress"], options);
  const message = spec.message === undefined ? undefined : compileTemplate(spec.message, [...path, "message"], options);
  const table = stateTable(spec, path, options.report);

  return async (submission, context, scope) => {
    if (applies && !applies(scope)) return submission;
    const { status, headers, body } = submission;
    await context.orders?.accepted({ submission: { status, headers, body }, before: scope.before as Record<string, unknown> });
    const unknown = new Set<string>();
    const done = doneIn(context);
    let failures = 0;
    for (const pace = waits(spec.every); ;) {
      await context.wait(pace.next().value, context.ctx.signal);
      const { request } = await call(context, scope);
      const outcomeOf = (answer: Answer) => table.get(saidBy(state, { ...scope, ...answer }) ?? "");
      const tells = (answer: Answer) => (read.has("status") || isClientError(answer)) && outcomeOf(answer) !== undefined;
      const asked = await ask(() => traced(context.ctx.trace, { name: "poll", calls: true }, (span) => followed(request, context, span)), {
        rules,
        scope,
        tells,
      });
      const isState = (answer: Answer) => saidBy(state, { ...scope, ...answer }) !== undefined || outcomeOf(answer) !== undefined;
      const attempt = asked instanceof ProviderFailure || asked.isResult || isState(asked) ? asked : stateless(asked);
      if (attempt instanceof ProviderFailure) {
        failures += 1;
        // The task may be done and paid for, so a temporary failure is followed by another poll.
        if (failures >= patience || !mayPass(attempt)) throw attempt;
        continue;
      }
      failures = 0;
      const variables = { ...scope, ...attempt };
      const said = saidBy(state, variables);
      const outcome = said === undefined && attempt.isResult ? "done" : outcomeOf(attempt);
      if (outcome === "done") return attempt;
      if (outcome === "refused" || outcome === "failed") {
        const told = saidBy(message, variables);
        throw withoutAnswersPrompts(failureOf(outcome, told ?? usualOf(attempt).message, { status: attempt.status }), attempt.body);
      }
      done(saidBy(progress, variables));
      if (outcome === undefined && !unknown.has(said ?? "")) {
        unknown.add(said ?? "");
        context.ctx.log.warn(
          { state: said === undefined ? null : hide(said, hiddenFrom(context)) },
          "the provider tells a state that the channel does not list; it is waited on",
        );
      }
    }
  };
}

/** Reports the progress of a task as its provider states it. A text that is not a percentage is ignored. */
function doneIn({ ctx, orders }: CallContext): (said: string | undefined) => void {
  const report = orders?.follow();
  let last: number | undefined;
  return (said) => {
    const [, number] = /^(\d+(?:\.\d+)?) ?%?$/.exec(said ?? "") ?? [];
    const percent = Math.min(100, Math.floor(Number(number)));
    if (number === undefined || percent === last) return;
    last = percent;
    ctx.log.debug({ percent }, "the provider says how much of the task is done");
    report?.(percent);
  };
}

/** A poll's answer. `isResult` is set if a 303 led to it: that status redirects from a task to its result (RFC 9110, 15.4.4). */
type Polled = Answer & { isResult?: true };

/** Polls once, and follows a 303. Any other redirect is a failed poll. */
async function followed(request: OutgoingRequest, context: CallContext, span?: Span): Promise<Polled> {
  const answer = await callAndRead(request, context, span);
  span?.set({ "http.response.status_code": answer.status });
  if (answer.status >= 400) span?.fail(String(answer.status));
  if (answer.status < 300 || answer.status > 399) return answer;
  const { location } = answer.headers;
  if (answer.status !== 303 || location === undefined || !URL.canParse(location, request.url))
    throw new ProviderFailure("bad_response", `the provider answered a poll with a redirect (${answer.status})`, {
      status: answer.status,
      location,
    });
  const url = new URL(location, request.url).href;
  return { ...(await callAndRead({ method: "GET", url, headers: { accept: "application/json" } }, context, span)), isResult: true };
}

/** The failure of a poll whose answer names no state. It includes the answer's message, which is reported if the polls keep failing. */
function stateless(answer: Answer): ProviderFailure {
  const { message } = usualOf(answer);
  const words = "the provider's answer to a poll names no state of the task";
  return new ProviderFailure("bad_response", message === undefined ? words : `${words}: ${message}`, { status: answer.status });
}

const passing = new Set<FailureClass>(["overloaded", "rate_limit"]);

/** True for a temporary failure, even inside a 200, and for a failure that a rule marks with `then: retry`. */
function passes({ kind, details }: ProviderFailure): boolean {
  return details.then === "retry" || passing.has(kind);
}

/** True for a 4xx that concerns the task. A 408, 429 or 5xx concerns the provider. */
function isClientError({ status }: Answer): boolean {
  return status >= 400 && status < 500 && status !== 408 && status !== 429;
}

/** True for a failure after which polling goes on: a temporary one, an error status, or a network error. */
function mayPass(failure: ProviderFailure): boolean {
  const { kind } = failure;
  return passes(failure) || kind === "failed" || kind === "timeout" || kind === "bad_response";
}

/**
 * Polls once. Resolves with the answer, or with the failure of the poll, after which polling may go on. Rejects with a final failure of the task:
 * one that a rule with `then: fail` finds, or that any rule finds in an answer below 400, unless it is temporary or the rule says `then: retry`.
 * An error status counts as an answer if it `tells` a state.
 */
async function ask(
  call: () => Promise<Polled>,
  { rules, scope, tells }: { rules: readonly Rule[]; scope: Variables; tells: (answer: Answer) => boolean },
): Promise<Polled | ProviderFailure> {
  let answer: Polled;
  try {
    answer = await call();
  } catch (error) {
    if (error instanceof ProviderFailure) return error;
    throw error;
  }
  // An answer below 400 counts for its state, even if it holds an error as well.
  const { by, failure } = judge(answer, { rules, scope }) ?? {};
  const isRule = by === "rule" && failure !== undefined;
  if (isRule && (failure.details.then === "fail" || (answer.status < 400 && !passes(failure)))) throw failure;
  const isAnswer = answer.status < 400 ? !isRule : tells(answer);
  return isAnswer ? answer : (failure ?? answer);
}

function stateTable(spec: PollSpec, path: Path, report: Report): Map<string, (typeof outcomes)[number]> {
  const table = new Map<string, (typeof outcomes)[number]>();
  for (const outcome of outcomes) {
    for (const [index, name] of (spec[outcome] ?? []).entries()) {
      const known = table.get(String(name));
      if (known) report([...path, outcome, index], `the state ${String(name)} is in ${known} already`);
      table.set(String(name), outcome);
    }
  }
  return table;
}
