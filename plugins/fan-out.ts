import { clientError, GatewayError, ProviderFailure } from "../src/errors.ts";
import type { ItemError, Result } from "../src/plugin/context.ts";
import { definePlugin } from "../src/plugin/define.ts";

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
      if (n <= max) return next();
      const calls = Array.from({ length: Math.ceil(n / max) }, (_, call) => ({
        n: Math.min(max, n - call * max),
        // The same seed in every call would give the same picture n times.
        ...(seed === undefined ? {} : { seed: seed + call * max }),
      }));
      if (seed !== undefined) ctx.change("seed", { from: seed, to: `${seed}..${seed + (calls.length - 1) * max}` });
      const outcomes = await inTurn(
        calls,
        concurrency,
        (fields) => branch(fields),
        (outcome) => "error" in outcome && partial === "fail",
      );
      const failures = outcomes.flatMap((outcome) => ("error" in outcome ? [outcome.error] : []));
      const results = outcomes.flatMap((outcome) => ("result" in outcome ? [outcome.result] : []));
      const [first] = failures;
      if (first && (results.length === 0 || partial === "fail")) throw first;
      ctx.result = merge(results, failures.map(itemError));
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
        (error: unknown) => ({ error: error instanceof Error ? error : new Error(String(error)) }),
      );
      outcomes[index] = outcome;
      stopped ||= enough(outcome);
    }
  };
  await Promise.all(Array.from({ length: width }, worker));
  // A call that was never begun leaves a hole.
  return Object.values(outcomes);
}

function merge(results: Result[], failed: ItemError[]): Result {
  const [first] = results;
  return {
    pictures: results.flatMap((result) => result.pictures),
    errors: [...results.flatMap((result) => result.errors), ...failed],
    facts: { ...first?.facts, usage: sum(results.map((result) => result.facts.usage)) },
    metadata: first?.metadata,
  };
}

/** Add up the numbers of the calls' `usage`, key by key and level by level. */
function sum(values: unknown[]): unknown {
  const present = values.filter((value) => value !== undefined);
  if (present.every((value) => typeof value === "number"))
    return present.length > 0 ? present.reduce((total, value) => total + value, 0) : undefined;
  const objects = present.filter(
    (value): value is Record<string, unknown> => typeof value === "object" && value !== null && !Array.isArray(value),
  );
  if (objects.length === 0) return present[0];
  return Object.fromEntries([...new Set(objects.flatMap(Object.keys))].map((key) => [key, sum(objects.map((value) => value[key]))]));
}

function itemError(error: Error): ItemError {
  const shown = error instanceof ProviderFailure ? clientError(error) : error;
  return shown instanceof GatewayError
    ? { message: shown.message, code: shown.code }
    : { message: "internal error", code: "internal_error" };
}
