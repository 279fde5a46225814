import { setTimeout } from "node:timers/promises";
import { messageOf, ProviderFailure, withoutProof } from "../errors.ts";
import { isPlainObject, type Variables } from "../expression/cel.ts";
import type { Names, Place } from "../expression/names.ts";
import type { Path, Report, TemplateOptions } from "../expression/rendering.ts";
import type { Result } from "../plugin/context.ts";
import { open, readAnswer, type Answer, type Early } from "./answer.ts";
import { compileBefore, type BeforeSpec } from "./before.ts";
import { compileCall, compileOver, fieldOf, type CallSpec, type Rendered } from "./call.ts";
import { variablesOf, type CallContext } from "./context.ts";
import { call, callAndRead } from "./make-call.ts";
import { answerCondition, compileRule, failedInside, saysError, tellingFields, usualFailure, type RuleSpec } from "./failure.ts";
import { usualOf } from "./usual.ts";
import { compilePoll, type PollSpec } from "./poll.ts";
import { rehearse, type Rehearsal } from "./rehearse.ts";
import { compileResult, isPlain, type ResultSpec } from "./result.ts";
import { hide, hiddenFrom, masked, withoutSecrets } from "./secrets.ts";
import { compileStream, usualStream, type StreamSpec } from "./stream.ts";

export interface OperationSpec {
  /** Calls made before the submission, such as an upload; their answers' bodies are `before.<name>`. */
  before?: Record<string, BeforeSpec>;
  request: CallSpec;
  success?: string;
  poll?: PollSpec;
  cancel?: CallSpec;
  result: ResultSpec | ResultSpec[];
  /** How a client's wish for a stream is passed on, where the provider has streams. */
  stream?: StreamSpec;
}

/** A channel's operation for one model, compiled: the provider's dialect and nothing else. */
export interface Operation {
  /** Make the calls before the submission; resolves with their answers' bodies by name. */
  begin(context: CallContext): Promise<Record<string, unknown>>;
  /** The calls before the submission and after it, rendered and not sent; names stand for what their answers would say. */
  rehearse(context: CallContext): Promise<Rehearsal>;
  /** Render the submission. Throws a 400 where a value cannot be sent. */
  render(context: CallContext, before: Record<string, unknown>): Promise<Prepared>;
  /** Submit, wait where the provider answers with a task, and read the pictures. Throws `ProviderFailure`. */
  run(prepared: Prepared, context: CallContext): Promise<Result>;
}

export interface Prepared extends Rendered {
  before: Record<string, unknown>;
  /** Fields of the unified request that some call uses; `undefined` where one takes the whole request. */
  fields: ReadonlySet<string> | undefined;
  /** Whether it asks the provider for a stream. */
  streamed: boolean;
}

/** Milliseconds that a provider gets to hear that its task is not wanted any more. */
const cancelTime = 10_000;

/** Compile an operation of a channel for one model. Mistakes go to `report`. */
export function compileOperation(
  spec: OperationSpec,
  rules: readonly RuleSpec[],
  path: Path,
  names: Record<Place, Names>,
  report: Report,
  readDocument?: TemplateOptions["readDocument"],
): Operation {
  // What is rendered after the submission must be known before it, to tell what nothing uses.
  const uses = new Set<string>();
  const options = { report, readDocument };
  const before = Object.entries(spec.before ?? {}).map(([name, call]) =>
    compileBefore(name, call, [...path, "before", name], { ...options, names: names.request, uses }),
  );
  const submit = compileCall(spec.request, [...path, "request"], { ...options, names: names.request });
  const errors = rules.map((rule, index) => compileRule(rule, ["errors", index], { names: names.errors, report }));
  const success =
    spec.success === undefined ? undefined : answerCondition(spec.success, [...path, "success"], { names: names.answer, report });
  const poll = spec.poll && compilePoll(spec.poll, errors, [...path, "poll"], { ...options, names: names.answer, uses });
  const cancel = spec.cancel && compileCall(spec.cancel, [...path, "cancel"], { ...options, names: names.answer });
  const forms = compileForms(spec.result, [...path, "result"], { ...options, names, uses });
  const plain = !poll && !success && isPlain(spec.result);
  const telling = tellingFields(rules);
  const over =
    spec.stream &&
    compileOver(spec.stream.request ?? {}, spec.request, [...path, "stream", "request"], { ...options, names: names.request });
  const listen = compileStream(spec.stream ?? usualStream, [...path, "stream"], { ...options, names, uses: new Set() });

  const begin = async (context: CallContext): Promise<Record<string, unknown>> => {
    const bodies: Record<string, unknown> = {};
    try {
      for (const { name, call, scopes, each } of before) {
        const answers: unknown[] = [];
        for (const scope of scopes({ ...variablesOf(context), before: bodies })) {
          const { request } = await call(context, scope);
          const answer = await callAndRead(request, context);
          // An upload may be answered with nothing, or with XML.
          answers.push((typeof answer.body === "string" ? accept(answer, context) : good(answer, context)).body);
        }
        if (each) bodies[name] = answers;
        else if (answers.length > 0) [bodies[name]] = answers;
      }
      return bodies;
    } catch (error) {
      throw error instanceof ProviderFailure ? withoutSecrets(nothingMade(error), hiddenFrom(context)) : error;
    }
  };

  const render = async (context: CallContext, bodies: Record<string, unknown>): Promise<Prepared> => {
    const streamed = over !== undefined && context.events?.show !== undefined;
    const rendered = await submit(context, { before: bodies }, streamed ? over : undefined);
    return { ...rendered, before: bodies, fields: fieldsOf([...rendered.used, ...uses]), streamed };
  };

  /** Throws what an answer says, unless it is a 2xx that no rule matches. */
  const accept = (answer: Answer, context: CallContext): Answer => {
    judge(answer, context);
    if (answer.status < 200 || answer.status > 299) throw usualFailure(usualOf(answer));
    return answer;
  };

  const judge = (answer: Answer, context: CallContext): void => {
    if (errors.length === 0) return;
    const variables = { ...variablesOf(context), ...answer };
    const rule = errors.find((candidate) => candidate.matches(variables));
    if (rule) throw rule.failure(variables, usualOf(answer));
  };

  const good = (answer: Answer, context: CallContext, succeeded?: (variables: Variables) => boolean): Answer => {
    accept(answer, context);
    if (typeof answer.body === "string")
      throw new ProviderFailure("bad_response", "the provider's answer is not JSON", { status: answer.status });
    if (succeeded ? !succeeded({ ...variablesOf(context), ...answer }) : saysError(answer.body))
      throw failedInside(usualFailure(usualOf(answer)));
    return answer;
  };

  const finish = async (submission: Answer, context: CallContext, bodies: Record<string, unknown>): Promise<Result> => {
    const base = { ...variablesOf(context), before: bodies, submitted: submission.body, submission };
    const tellProvider = cancel && (() => void stop(cancel, context, { ...base, ...submission }));
    if (tellProvider) context.ctx.signal.addEventListener("abort", tellProvider, { once: true });
    try {
      const last = poll ? await poll(submission, context, { ...base, ...submission }) : submission;
      const form = forms.find(({ applies }) => applies({ ...base, ...last }));
      if (!form) throw new ProviderFailure("bad_response", "the provider's answer has a shape that the channel does not list");
      const answer = form.from ? good(await again(form.from, context, { ...base, ...last }), context) : last;
      return form.extract({ ...base, ...answer }, answer);
    } finally {
      if (tellProvider) context.ctx.signal.removeEventListener("abort", tellProvider);
    }
  };

  const submitted = async (prepared: Prepared, context: CallContext, early?: Early): Promise<Result> => {
    const { request, before: bodies, streamed } = prepared;
    const opened = await open(await call(request, context, context.events?.accepted), context);
    const read = (answer: Answer) => finish(good(answer, context, success), context, bodies).catch(accepted);
    if (!opened.isEvents || opened.status >= 300) return read(await readAnswer(opened, context, early));
    const scope = { ...variablesOf(context), before: bodies };
    const isWhole = (answer: Answer): boolean => {
      try {
        const variables = { ...scope, submitted: answer.body, submission: answer, ...answer };
        return (forms.find(({ applies }) => applies(variables))?.extract(variables, answer).pictures.length ?? 0) > 0;
      } catch {
        return false;
      }
    };
    const judgeEvent = (event: Answer): void => {
      judge(event, context);
      if (saysError(event.body)) throw failedInside(usualFailure(usualOf(event)));
    };
    const show = streamed ? context.events?.show : undefined;
    const showMasked: typeof show = ({ picture, facts, ...shown }) => {
      const told = masked({ pictures: [picture], facts }, context);
      return show?.({ ...shown, picture: told.pictures[0] ?? picture, facts: told.facts }) ?? Promise.resolve();
    };
    return listen(opened, { context, show: show && showMasked, scope, judge: judgeEvent, isWhole, read });
  };

  const order = async (prepared: Prepared, context: CallContext, early?: Early): Promise<Result> => {
    try {
      const result = masked(await submitted(prepared, context, early), context);
      if (result.errors.length === 0) return result;
      const hidden = hiddenFrom(context);
      for (const told of result.errors) Object.assign(told, { message: hide(told.message, hidden), code: hide(told.code, hidden) });
      return result;
    } catch (error) {
      throw error instanceof ProviderFailure ? withoutSecrets(error, hiddenFrom(context)) : error;
    }
  };

  /** The result of an answer that is still arriving, if what is here of it is good and has one picture. */
  const begun = (answer: Answer, context: CallContext, bodies: Record<string, unknown>): Result | undefined => {
    try {
      const base = { ...variablesOf(context), before: bodies, submitted: answer.body, submission: answer, ...answer };
      const said = isPlainObject(answer.body) ? answer.body : {};
      if (!answer.picture && !telling.every((field) => Object.hasOwn(said, field))) return undefined;
      const result = forms[0]?.extract(base, good(answer, context));
      const [only, ...others] = result?.pictures ?? [];
      // Nobody would read one that is arriving where another has been taken, such as the URL beside it.
      return only?.data.kind === "stream" && others.length === 0 && result?.errors.length === 0 ? result : undefined;
    } catch {
      return undefined; // Whatever it is, the whole answer will tell.
    }
  };

  return {
    begin,
    rehearse: (context) => rehearse({ spec, path, names: names.answer, before, readDocument }, context),
    render,
    run: (prepared, context) =>
      new Promise((resolve, reject) => {
        const early: Early = (answer) => {
          const result = begun(answer, context, prepared.before);
          if (result) resolve({ ...masked(result, context), rest: whole });
          return result !== undefined;
        };
        const whole = order(prepared, context, plain && context.ctx.early ? early : undefined);
        whole.then(resolve, reject);
      }),
  };
}

function compileForms(spec: ResultSpec | ResultSpec[], path: Path, options: Parameters<typeof compileResult>[2]) {
  const one = (form: ResultSpec, at: Path) => ({
    ...compileResult(form, at, options),
    from: form.from && compileCall(form.from, [...at, "from"], { ...options, names: options.names.answer }),
  });
  return Array.isArray(spec) ? spec.map((form, index) => one(form, [...path, index])) : [one(spec, path)];
}

/** Statuses below 500 that pass by themselves, and the longest pause that a provider may ask for meanwhile, in seconds. */
const passing = new Set([408, 425, 429]);
const longestPause = 30;

/** A further call of something that was ordered and may be paid for: three tries, with growth. */
async function again(from: ReturnType<typeof compileCall>, context: CallContext, variables: Variables): Promise<Answer> {
  const { request } = await from(context, variables);
  for (let attempt = 1; ; attempt += 1) {
    const answer = await callAndRead(request, context).catch((error: unknown) => {
      if (error instanceof ProviderFailure && attempt < 3) return undefined;
      throw error;
    });
    if (answer && (attempt === 3 || !(answer.status >= 500 || passing.has(answer.status)))) return answer;
    const seconds = (answer && usualOf(answer).retryAfter) ?? attempt;
    await context.wait(1000 * Math.min(seconds, longestPause), context.ctx.signal);
  }
}

/** Tell the provider that nobody waits for its task. Nobody waits for the answer either. */
async function stop(cancel: ReturnType<typeof compileCall>, context: CallContext, variables: Variables): Promise<void> {
  try {
    const { request } = await cancel(context, variables);
    await callAndRead(request, { ...context, ctx: { ...context.ctx, signal: AbortSignal.timeout(cancelTime) } });
  } catch (error) {
    context.ctx.log.warn({ reason: messageOf(error) }, "the provider could not be told to cancel");
  }
}

/** What fails once a submission was accepted is no proof that nothing was made, whatever its class: no other is asked. */
function accepted(error: unknown): never {
  throw error instanceof ProviderFailure ? withoutProof(error) : error;
}

/** What fails before the submission has ordered nothing; what the client did wrong would be wrong elsewhere too. */
function nothingMade(failure: ProviderFailure): ProviderFailure {
  const { kind, details } = failure;
  const notAccepted = details.then === undefined ? kind !== "invalid_request" && kind !== "refused" : details.notAccepted;
  return new ProviderFailure(kind, failure.message, { ...details, notAccepted });
}

function fieldsOf(names: readonly string[]): ReadonlySet<string> | undefined {
  if (names.includes("request")) return undefined;
  return new Set(names.map(fieldOf).filter((field) => field !== undefined));
}

/** Wait for real time. */
export async function wait(milliseconds: number, signal: AbortSignal): Promise<void> {
  try {
    await setTimeout(milliseconds, undefined, { signal });
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  }
}
