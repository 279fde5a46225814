import { messageOf, ProviderFailure, withoutProof } from "../errors.ts";
import type { Variables } from "../expression/cel.ts";
import type { Path } from "../expression/rendering.ts";
import { compileTemplate } from "../expression/template.ts";
import { bodyOf, type IncomingAnswer } from "../net/send.ts";
import { readEvents } from "../net/sse.ts";
import { passingRoom } from "../picture/spool.ts";
import { emptyResult, type Events } from "../plugin/compose.ts";
import type { PluginContext, Result } from "../plugin/context.ts";
import { itemError } from "../plugin/outcomes.ts";
import { answerLimit, readData, type Answer } from "./answer.ts";
import type { LaidOver } from "./call.ts";
import { saidBy } from "./failure.ts";
import { compileResult, type ResultOptions, type ResultSpec } from "./result.ts";

/** How a provider is asked for a stream, and what its events say. */
export interface StreamSpec {
  /** Laid over the submission. */
  request?: LaidOver;
  /** Unfinished pictures; what is not said here is as in `result`. */
  partial?: ResultSpec & { index?: string };
  result?: ResultSpec | ResultSpec[];
}

interface Listening {
  ctx: Pick<PluginContext, "request" | "spool" | "signal" | "log">;
  show: NonNullable<Events["show"]>;
  scope: Variables;
  /** Throws for an event that tells of a failure. */
  judge: (answer: Answer) => void;
}

/**
 * Read a provider's events and show the pictures as they come. Resolves with what was said beside them. Throws `ProviderFailure` where
 * no finished one came: `bad_response` for a stream that is cut or ends too early.
 */
export type ReadStream = (incoming: IncomingAnswer, listening: Listening) => Promise<Result>;

const done = Buffer.from("[DONE]");

export function compileStream(spec: StreamSpec, path: Path, options: ResultOptions): ReadStream {
  const compile = (form: ResultSpec, at: Path) => compileResult(form, at, { ...options, isEvent: true });
  const specs = [spec.result ?? []].flat();
  if (specs.length === 0) options.report(path, "result is missing, where an event has the finished picture");
  const forms = specs.map((form, place) => compile(form, [...path, "result", ...(Array.isArray(spec.result) ? [place] : [])]));
  const { index, ...sketch }: NonNullable<StreamSpec["partial"]> = { ...specs[0], when: undefined, usage: undefined, ...spec.partial };
  const partial = spec.partial && compile(sketch, [...path, "partial"]);
  const place =
    index === undefined ? undefined : compileTemplate(index, [...path, "partial", "index"], { ...options, names: options.names.answer });

  return async (incoming, { ctx, show, scope, judge }) => {
    const result = emptyResult();
    const failures: ProviderFailure[] = [];
    let [heard, sketches, shown] = [0, 0, 0];

    const hear = async (answer: Answer, variables: Variables): Promise<void> => {
      const form = forms.find(({ applies }) => applies(variables));
      if (partial?.applies(variables)) {
        const at = Number(saidBy(place, variables) ?? sketches);
        sketches += 1;
        // One that cannot be shown is no reason to lose the finished picture.
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
            const { pictures, errors, facts, metadata } = form.extract(variables, answer);
            result.errors.push(...errors);
            Object.assign(result.facts, facts);
            if (metadata) result.metadata = { ...result.metadata, ...metadata };
            for (const picture of pictures) {
              await show({ picture, facts });
              shown += 1;
            }
          },
          (failure) => failures.push(withoutProof(failure)),
        );
      } else judge(answer);
      heard += 1;
    };

    await unlessFailed(
      async () => {
        await ctx.spool.room(passingRoom, ctx.signal);
        for await (const { name, data } of readEvents(bodyOf(incoming, answerLimit, ctx.signal))) {
          if (data.equals(done)) break;
          const answer: Answer = { status: incoming.status, headers: incoming.headers, body: await readData(data, ctx) };
          await hear(answer, { ...scope, ...answer, event: name });
        }
      },
      (failure) => {
        // Only a refusal in place of the very first event may prove that nothing was made. After the last picture nothing is missing.
        if (shown < ctx.request.n) failures.push(heard === 0 ? failure : withoutProof(failure));
      },
    );
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
