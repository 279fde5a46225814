// The span of an attempt, for whoever collects traces.
import type { Route } from "../channels/route.ts";
import type { Cost } from "../money/cost.ts";
import type { Result } from "../plugin/context.ts";
import { errorType, type Attributes, type Span, type Trace } from "../trace.ts";
import type { Attempt } from "./generate.ts";

/** The attributes that each span of something that makes pictures has, by OpenTelemetry's conventions for generative AI. */
export const makesPictures = { "gen_ai.operation.name": "generate_content", "gen_ai.output.type": "image" } as const;

/** Begins the span of an attempt, where somebody collects it. */
export function beginAttempt(trace: Trace | undefined, { channel, model }: Route): Span | undefined {
  return trace?.begin?.({
    name: `attempt ${channel.name}`,
    calls: true,
    attributes: { ...makesPictures, "gen_ai.provider.name": channel.name, "gen_ai.request.model": model.upstream },
  });
}

/** End it, once the provider's whole answer is here. */
export function endAttempt(span: Span | undefined, { outcome, cost }: Attempt, result?: Pick<Result, "rest" | "facts">): void {
  if (!span) return;
  const end = (usage: unknown, failure?: string) => {
    span.set({ "pictor.outcome": outcome, ...billAttributes(cost(), usage) });
    if (failure !== undefined) span.fail(failure);
    span.end();
  };
  if (outcome !== "ok") end(undefined, outcome);
  else if (!result?.rest) end(result?.facts.usage);
  else
    void result.rest.then(
      ({ facts }) => end(facts.usage),
      (error: unknown) => end(undefined, errorType(error)),
    );
}

/** The cost of something, and the tokens that its provider counted. */
export function billAttributes(cost: Cost | undefined, usage: unknown): Attributes {
  const { input_tokens, output_tokens } = (usage ?? {}) as Record<string, unknown>;
  const count = (tokens: unknown) => (typeof tokens === "number" ? tokens : undefined);
  return {
    "gen_ai.usage.input_tokens": count(input_tokens),
    "gen_ai.usage.output_tokens": count(output_tokens),
    "pictor.cost_usd": cost?.nanos === undefined ? undefined : cost.nanos / 1e9,
    "pictor.cost_from": cost?.from,
  };
}
