// Sends a submission and gets its pictures: from the answer, a stream of events, or a task that is polled.
import { ProviderFailure, withoutProof } from "../errors.ts";
import { isPlainObject, type Variables } from "../expression/cel.ts";
import type { Names, Place } from "../expression/names.ts";
import type { Path, Report, TemplateOptions } from "../expression/rendering.ts";
import type { Events } from "../plugin/compose.ts";
import type { Result } from "../plugin/context.ts";
import type { FromSchema } from "../schema/from-schema.ts";
import { closed, text } from "../schema/parts.ts";
import { again, stop } from "./after.ts";
import { open, readAnswer, type Answer, type Early, type Opened } from "./answer.ts";
import { callSchema, compileCall, type Render, type Rendered } from "./call.ts";
import { variablesOf, type CallContext } from "./context.ts";
import { answerCondition, type Rule } from "./failure.ts";
import { accept } from "./judge.ts";
import { call } from "./make-call.ts";
import type { AcceptedTask } from "./orders.ts";
import { compilePoll, pollSchema, type Poll } from "./poll.ts";
import { compileResult, isPlain, resultSchema, type Form, type ResultSpec } from "./result.ts";
import { masked, maskedResult, withoutPrivate } from "./secrets.ts";
import { compileStream, streamSchema, usualStream, type ReadStream } from "./stream.ts";

export const submissionSchema = closed({
  success: text(
    "A condition over a 2xx answer to the submission: where it holds the answer is good, and no rule of `errors` is asked; where it does not, the answer is a failure.",
  ),
  poll: { ...pollSchema, description: "How to wait where the provider answers with a task." },
  cancel: { ...callSchema, description: "Made when nobody waits for the task any more." },
  result: { ...resultSchema, description: "Where the pictures are in the answer; a list has one form for each kind of answer." },
  stream: { ...streamSchema, description: "How the provider is asked for a stream, and what its events say, where the client wants one." },
});

/** The part of an operation that says how the pictures are got after the submission is sent. `result` is required. */
export type SubmissionSpec = FromSchema<typeof submissionSchema> & { result: ResultSpec | ResultSpec[] };

/** A rendered submission. */
export interface Prepared extends Rendered {
  /** The bodies of the answers to the calls before the submission, by name. */
  before: Record<string, unknown>;
  /** The fields of the unified request that the calls use; undefined if a call sends the whole request. */
  fields: ReadonlySet<string> | undefined;
  /** True if the provider is asked for a stream. */
  streamed: boolean;
}

/** A submission, compiled. */
export interface Submission {
  /** Sends the submission, waits if the provider answers with a task, and reads the pictures. Rejects with `ProviderFailure`. */
  run: (prepared: Prepared, context: CallContext) => Promise<Result>;
  /** Waits for a task that was accepted earlier, perhaps by another process, and reads the pictures. Rejects with `ProviderFailure`. */
  resume: (task: AcceptedTask, context: CallContext) => Promise<Result>;
}

interface Options {
  rules: readonly Rule[];
  /** The members of a body that decide whether an answer is a failure. */
  decisive: readonly string[];
  names: Record<Place, Names>;
  report: Report;
  readDocument?: TemplateOptions["readDocument"];
  /** Collects the names that the calls after a submission read. */
  uses: Set<string>;
}

/** The steps after a submission, compiled. */
interface Parts {
  rules: readonly Rule[];
  succeeded?: (variables: Variables) => boolean;
  poll?: Poll;
  cancel?: Render;
  forms: readonly (Form & { from?: Render })[];
  readStream: ReadStream;
  /** The members of a body that must have arrived before its first picture may be passed on; absent if the whole answer must have arrived. */
  decisive?: readonly string[];
}

/** A submission under way. */
interface Order {
  parts: Parts;
  prepared: Prepared;
  context: CallContext;
  /** The values that templates and rules can read besides an answer. */
  scope: Variables;
}

/** Compiles the steps after a submission. */
export function compileSubmission(spec: SubmissionSpec, path: Path, { rules, decisive, ...options }: Options): Submission {
  const { names, report, readDocument, uses } = options;
  const ofAnswer = { report, readDocument, names: names.answer };
  const parts: Parts = {
    rules,
    succeeded:
      spec.success === undefined ? undefined : answerCondition(spec.success, [...path, "success"], { names: names.answer, report }),
    poll: spec.poll && compilePoll(spec.poll, rules, [...path, "poll"], { ...ofAnswer, uses }),
    cancel: spec.cancel && compileCall(spec.cancel, [...path, "cancel"], ofAnswer),
    forms: compileForms(spec.result, [...path, "result"], options),
    readStream: compileStream(spec.stream ?? usualStream, [...path, "stream"], { ...options, uses: new Set() }),
    decisive: !spec.poll && spec.success === undefined && isPlain(spec.result) ? decisive : undefined,
  };
  const orderOf = (context: CallContext, before: Record<string, unknown>): Omit<Order, "prepared"> => ({
    parts,
    context,
    scope: { ...variablesOf(context), before },
  });
  return {
    run: (prepared, context) => submit({ ...orderOf(context, prepared.before), prepared }),
    resume: ({ submission, before }, context) => masking(followOn(submission, orderOf(context, before)), context),
  };
}

function compileForms(spec: ResultSpec | ResultSpec[], path: Path, options: Omit<Options, "rules" | "decisive">): Parts["forms"] {
  const one = (form: ResultSpec, at: Path) => ({
    ...compileResult(form, at, options),
    from: form.from && compileCall(form.from, [...at, "from"], { ...options, names: options.names.answer }),
  });
  return Array.isArray(spec) ? spec.map((form, index) => one(form, [...path, index])) : [one(spec, path)];
}

/** Sends a submission. Resolves with its pictures, or with one that is still arriving; in that case `rest` resolves with the whole result. */
function submit(order: Order): Promise<Result> {
  const { parts, context } = order;
  return new Promise((resolve, reject) => {
    const early: Early = (answer) => {
      const result = begun(answer, order);
      if (result) resolve({ ...masked(result, context), rest: whole });
      return result !== undefined;
    };
    const whole = masking(read(order, parts.decisive && context.ctx.early ? early : undefined), context);
    whole.then(resolve, reject);
  });
}

/** Removes secrets from the result, or from the failure. */
function masking(result: Promise<Result>, context: CallContext): Promise<Result> {
  return result.then(
    (whole) => maskedResult(whole, context),
    (error: unknown) => {
      throw withoutPrivate(error, context);
    },
  );
}

async function read(order: Order, early?: Early): Promise<Result> {
  const { prepared, context } = order;
  const opened = await open(await call(prepared.request, context, { sent: context.events?.accepted }), context);
  return opened.isEvents && opened.status < 300 ? readEvents(opened, order) : finish(await readAnswer(opened, context, early), order);
}

function readEvents(opened: Opened, order: Order): Promise<Result> {
  const { parts, prepared, context, scope } = order;
  const show: Events["show"] = prepared.streamed ? context.events?.show : undefined;
  const showMasked: typeof show = ({ picture, facts, ...shown }) => {
    const hidden = masked({ pictures: [picture], facts }, context);
    return show?.({ ...shown, picture: hidden.pictures[0] ?? picture, facts: hidden.facts }) ?? Promise.resolve();
  };
  return parts.readStream(opened, {
    context,
    show: show && showMasked,
    scope,
    judge: (event) => void accept(event, { rules: parts.rules, scope }),
    isWhole: (answer) => hasPictures(answer, order),
    read: (answer) => finish(answer, order),
  });
}

/** True for an event that is a whole answer with pictures, as it would come without a stream. */
function hasPictures(answer: Answer, { parts, scope }: Order): boolean {
  try {
    const variables = submissionScope(answer, scope);
    const form = parts.forms.find(({ applies }) => applies(variables));
    return form !== undefined && form.extract(variables, answer).pictures.length > 0;
  } catch {
    return false;
  }
}

/** Judges the answer to a submission, and gets the pictures. */
async function finish(submission: Answer, order: Order): Promise<Result> {
  const { rules, succeeded } = order.parts;
  accept(submission, { rules, scope: order.scope, needsJson: true, succeeded });
  return followOn(submission, order);
}

/** Gets the pictures of a submission that was accepted. */
async function followOn(submission: Answer, order: Omit<Order, "prepared">): Promise<Result> {
  try {
    return await follow(submission, order);
  } catch (error) {
    // After the submission was accepted, no failure of any class proves that nothing was made, so no other channel is tried.
    throw error instanceof ProviderFailure ? withoutProof(error) : error;
  }
}

async function follow(submission: Answer, { parts, context, scope }: Omit<Order, "prepared">): Promise<Result> {
  const { rules, poll, cancel, forms } = parts;
  const { signal } = context.ctx;
  const variables = submissionScope(submission, scope);
  const tellProvider =
    cancel &&
    (() => {
      if (!context.orders?.outlives(signal.reason)) void stop(cancel, context, variables);
    });
  if (tellProvider) signal.addEventListener("abort", tellProvider, { once: true });
  try {
    const last = poll ? await poll(submission, context, variables) : submission;
    const form = forms.find(({ applies }) => applies({ ...variables, ...last }));
    if (!form) throw new ProviderFailure("bad_response", "the provider's answer has a shape that the channel does not list");
    const answer = form.from ? accept(await again(form.from, context, { ...variables, ...last }), { rules, scope, needsJson: true }) : last;
    return form.extract({ ...variables, ...answer }, answer);
  } finally {
    if (tellProvider) signal.removeEventListener("abort", tellProvider);
  }
}

/** The result of an answer that is still arriving, if the part that has arrived is valid and holds exactly one picture. */
function begun(answer: Answer, { parts, scope }: Order): Result | undefined {
  try {
    const body = isPlainObject(answer.body) ? answer.body : {};
    if (!answer.picture && !parts.decisive?.every((field) => Object.hasOwn(body, field))) return undefined;
    accept(answer, { rules: parts.rules, scope, needsJson: true });
    const result = parts.forms[0]?.extract(submissionScope(answer, scope), answer);
    const [only, ...others] = result?.pictures ?? [];
    // A picture that is arriving must be read to its end. It is not passed on if the result took another one, for example a URL next to it.
    return only?.data.kind === "stream" && others.length === 0 && result?.errors.length === 0 ? result : undefined;
  } catch {
    return undefined; // The error shows again when the whole answer is read.
  }
}

function submissionScope(submission: Answer, scope: Variables): Variables {
  return { ...scope, submitted: submission.body, submission, ...submission };
}
