// Makes several calls for several pictures.
import { ProviderFailure, withoutProof, withPicturesOf } from "../src/errors.ts";
import type { Result } from "../src/plugin/context.ts";
import { definePlugin, untouched } from "../src/plugin/define.ts";
import { mergeResults } from "../src/plugin/merge.ts";
import { itemError } from "../src/plugin/outcomes.ts";

export default definePlugin({
  name: "fan-out",
  summary: "Make n pictures with several calls where the provider makes fewer in one.",
  schema: {
    type: "object",
    additionalProperties: false,
    properties: {
      max: { type: "integer", minimum: 1, default: 1, description: "Pictures that the provider makes in one call." },
      concurrency: { type: "integer", minimum: 1, default: 4, description: "Calls of one request that run at the same time." },
      partial: {
        enum: ["keep", "fail"],
        default: "keep",
        description:
          "What a call that fails means when others worked: keep the pictures there are and tell the failures in metadata.errors, or fail the request.",
      },
    },
  },
  examples: [{ max: 1 }, { max: 4, concurrency: 2, partial: "fail" }],
  handles: ["n"],
  create: ({ max, concurrency, partial }) =>
    async function fanOut(ctx, next, branch) {
      const { n, seed } = ctx.request;
      if (n <= max) return next(untouched);
      // The same seed in every call would give the same picture n times. A negative one asks for chance, and a large one must not
      // grow past what the provider takes.
      const step = seed === undefined || seed < 0 ? 0 : seed > 1_000_000 ? -max : max;
      const calls = Array.from({ length: Math.ceil(n / max) }, (_, call) => ({
        n: Math.min(max, n - call * max),
        ...(seed === undefined ? {} : { seed: seed + call * step }),
      }));
      if (seed !== undefined && step !== 0) ctx.change("seed", { from: seed, to: `${seed}..${seed + (calls.length - 1) * step}` });
      const outcomes = await inTurn(
        calls,
        concurrency,
        (fields) => branch(fields),
        (outcome) => "error" in outcome && partial === "fail",
      );
      const failures = outcomes.flatMap((outcome) => ("error" in outcome ? [outcome.error] : []));
      const results = outcomes.flatMap((outcome) => ("result" in outcome ? [outcome.result] : []));
      const failure = worst(failures, results.length > 0);
      if (failure && (results.length === 0 || partial === "fail")) throw withPicturesOf(failure, failures);
      ctx.result = mergeResults(results, failures.map(itemError));
    },
});

type Outcome = { result: Result } | { error: Error };

/** Run the calls, at most `width` at once, results in the calls' order. No further call is begun once `enough` says so. */
async function inTurn<T>(
  calls: T[],
  width: number,
  run: (call: T) => Promise<Result>,
  enough: (outcome: Outcome) => boolean,
): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  const waiting = [...calls.entries()];
  let stopped = false;
  const worker = async () => {
    for (let entry = waiting.shift(); entry && !stopped; entry = waiting.shift()) {
      const [index, call] = entry;
      const outcome: Outcome = await run(call).then(
        (result) => ({ result }),
        (error: unknown) => ({ error: error as Error }),
      );
      outcomes[index] = outcome;
      stopped ||= enough(outcome);
    }
  };
  await Promise.all(Array.from({ length: Math.min(width, calls.length) }, worker));
  // A call that was never begun leaves a hole.
  return Object.values(outcomes);
}

/** The failure of the whole. It may lead to another attempt only if no call made a picture, nor may have made one. */
function worst(failures: Error[], somethingMade: boolean): Error | undefined {
  const first = failures.find((error) => !(error instanceof ProviderFailure) || !error.details.notAccepted) ?? failures[0];
  if (!somethingMade || !(first instanceof ProviderFailure)) return first;
  return withoutProof(first);
}
