// Reads a provider's stream of events, in the form that the channel describes or that most providers use.
import { messageOf, ProviderFailure, withoutProof } from "../errors.ts";
import { isPlainObject, type Variables } from "../expression/cel.ts";
import type { Path } from "../expression/rendering.ts";
import { compileTemplate } from "../expression/template.ts";
import { emptyResult, type Events } from "../plugin/compose.ts";
import type { Result } from "../plugin/context.ts";
import { itemError } from "../plugin/outcomes.ts";
import type { FromSchema } from "../schema/from-schema.ts";
import { closed, text } from "../schema/parts.ts";
import { eventsOf, type Answer, type Opened } from "./answer.ts";
import { mostPictures } from "./bounds.ts";
import { layerSchema } from "./call.ts";
import type { CallContext } from "./context.ts";
import { saidBy } from "./failure.ts";
import { compileResult, eventsSchema, unfinishedParts, type ResultOptions, type ResultSpec } from "./result.ts";

export const streamSchema = closed({
  request: { ...layerSchema, description: "Laid over the submission: `json: { stream: true }`." },
  partial: {
    ...closed({ ...unfinishedParts, index: text("Its place among the unfinished ones; counted when omitted.") }),
    description: "The events with an unfinished picture, by `when`; what is not said here is as in `result`.",
  },
  result: {
    ...eventsSchema,
    description:
      "The events with a finished picture, by `when`: `event` is the event's name, `body` its data. A form without `url` and `base64` tells of the whole.",
  },
});

/** The request for a stream, and the meaning of its events. */
export type StreamSpec = FromSchema<typeof streamSchema>;

interface Listening {
  context: CallContext;
  /** Shows a picture as it comes; absent if the client wants all pictures at once. */
  show: Events["show"];
  scope: Variables;
  /** Throws for an event that reports a failure. */
  judge: (answer: Answer) => void;
  /** True for an event that is a whole answer with pictures. */
  isWhole: (answer: Answer) => boolean;
  /** Reads a whole answer. If no event has pictures and no stream was requested, the last event that is an object is read as the answer. */
  read: (answer: Answer) => Promise<Result>;
}

/**
 * Reads a provider's events and shows the pictures as they come. Resolves with everything else: facts, errors, and pictures if they were not shown.
 * Rejects with `ProviderFailure` if no finished picture came: `bad_response` for a stream that is cut or ends too early.
 */
export type ReadStream = (opened: Opened, listening: Listening) => Promise<Result>;

/** The events as most providers write them, for a channel that describes none: some providers send events even when none were requested. */
export const usualStream: StreamSpec = {
  partial: { when: 'body.type.endsWith(".partial_image")', index: "${body.?partial_image_index}" },
  result: {
    when: 'body.type.endsWith(".completed")',
    url: "${image.?url}",
    base64: "${image.?b64_json}",
    revised_prompt: "${image.?revised_prompt}",
    created: "${body.?created_at}",
    usage: "${body.?usage}",
    size: "${body.?size}",
    quality: "${body.?quality}",
    output_format: "${body.?output_format}",
    background: "${body.?background}",
  },
};

export function compileStream(spec: StreamSpec, path: Path, options: ResultOptions): ReadStream {
  const compile = (form: ResultSpec, at: Path) => compileResult(form, at, { ...options, isEvent: true });
  const specs = [spec.result ?? []].flat();
  if (specs.length === 0) options.report(path, "result is missing, where an event has the finished picture");
  const forms = specs.map((form, place) => compile(form, [...path, "result", ...(Array.isArray(spec.result) ? [place] : [])]));
  const { index, ...own } = spec.partial ?? {};
  const sketch: ResultSpec = { ...specs[0], when: undefined, usage: undefined, ...own };
  const partial = spec.partial && compile(sketch, [...path, "partial"]);
  const place =
    index === undefined ? undefined : compileTemplate(index, [...path, "partial", "index"], { ...options, names: options.names.answer });

  return async (opened, { context, show: showNow, scope, judge, isWhole, read }) => {
    const { ctx } = context;
    const result = emptyResult();
    const failures: ProviderFailure[] = [];
    const most = mostPictures(ctx.request.n);
    let [heard, sketches, shown] = [0, 0, 0];
    let whole: Answer | undefined;
    let last: Answer | undefined;
    const keep: typeof showNow = ({ picture }) => Promise.resolve(void result.pictures.push(picture));
    const show = showNow ?? keep;

    const hear = async (answer: Answer, variables: Variables): Promise<void> => {
      const form = forms.find(({ applies }) => applies(variables));
      if (partial?.applies(variables)) {
        const at = Number(saidBy(place, variables) ?? sketches);
        sketches += 1;
        if (sketches > most || !showNow) return;
        // An unfinished picture that cannot be shown must not make the whole stream fail.
        try {
          const { pictures, facts } = partial.extract(variables, answer);
          for (const picture of pictures) await show({ picture, facts, partial: at });
        } catch (error) {
          ctx.signal.throwIfAborted();
          ctx.log.warn({ reason: messageOf(error) }, "an unfinished picture could not be shown");
        }
      } else if (form) {
        await unlessFailed(
          async () => {
            const { pictures, errors, facts, metadata, cost } = form.extract(variables, answer);
            result.errors.push(...errors);
            Object.assign(result.facts, facts);
            result.cost = cost ?? result.cost;
            if (metadata) result.metadata = { ...result.metadata, ...metadata };
            for (const picture of pictures) {
              if (shown === most) throw new ProviderFailure("bad_response", `the provider's stream has more than ${most} pictures`);
              await show({ picture, facts });
              shown += 1;
            }
          },
          (failure) => failures.push(withoutProof(failure)),
        );
      } else {
        judge(answer);
        if (isPlainObject(answer.body)) last = answer;
        if (isWhole(answer)) whole = answer;
      }
      heard += 1;
    };

    await unlessFailed(
      async () => {
        for await (const { name, body } of eventsOf(opened, context)) {
          const said = isPlainObject(body) ? body : {};
          // The type of an event is its name, a member of its data, or both.
          const type = typeof said.type === "string" ? said.type : name;
          const typed = isPlainObject(body) && body.type === undefined && name !== "" ? { ...body, type: name } : body;
          const answer: Answer = { status: opened.status, headers: opened.headers, body: typed };
          await hear(answer, { ...scope, ...answer, event: name || type });
        }
      },
      (failure) => {
        // After all pictures have come, a failure is ignored. Only a failure in place of the first event can prove that nothing was made.
        if (shown < ctx.request.n) failures.push(heard === 0 ? failure : withoutProof(failure));
      },
    );
    // If no stream was requested, the last event is the answer, for example with the id of a task.
    const answer = whole ?? (showNow ? undefined : last);
    if (shown === 0 && failures.length === 0 && answer) return read(answer);
    if (shown === 0) throw failures[0] ?? new ProviderFailure("bad_response", "the provider's stream ended without a picture");
    result.errors.push(...failures.map(itemError));
    return result;
  };
}

async function unlessFailed(work: () => Promise<void>, failed: (failure: ProviderFailure) => void): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof ProviderFailure)) throw error;
    failed(error);
  }
}
