// Merges the results of several calls into one.
import type { ItemError, Result } from "./context.ts";

/** The results of several calls of one request as one, in the calls' order; `failed` are the calls that made nothing. */
export function mergeResults(results: Result[], failed: ItemError[]): Result {
  return {
    pictures: results.flatMap((result) => result.pictures),
    errors: [...results.flatMap((result) => result.errors), ...failed],
    facts: { ...shared(results.map((result) => result.facts)), usage: sum(results.map((result) => result.facts.usage)) },
    metadata: together(results.map((result) => result.metadata)),
  };
}

/** A result with what its provider said behind the picture. What plugins made of it meanwhile stays. */
export function withRest({ pictures, errors, facts, metadata }: Result, rest: Result): Result {
  const [told] = rest.pictures;
  return {
    pictures: pictures.map((picture) => ({
      ...picture,
      revisedPrompt: picture.revisedPrompt ?? told?.revisedPrompt,
      metadata: picture.metadata ?? told?.metadata,
    })),
    errors: [...errors, ...rest.errors],
    facts: { ...rest.facts, ...facts },
    metadata: metadata || rest.metadata ? { ...rest.metadata, ...metadata } : undefined,
  };
}

/** The facts that all calls share; pictures of several sizes have no size in common. */
function shared(facts: Record<string, unknown>[]): Record<string, unknown> {
  const [first = {}, ...others] = facts;
  return Object.fromEntries(
    Object.entries(first).filter(([name, value]) => name === "created" || others.every((other) => other[name] === value)),
  );
}

/** The provider's metadata, which is kept whole: that of each call, in order, where they say different things. */
function together(metadata: Result["metadata"][]): Result["metadata"] {
  const texts = new Set(metadata.map((one) => JSON.stringify(one)));
  return texts.size > 1 ? { calls: metadata } : metadata[0];
}

// Names of amounts, which add up over calls: tokens, pictures, cost. All other numbers of `usage` describe a single call.
const amounts = /token|image|picture|count|total|amount|cost|price|credit|unit|pixel/i;
const measures = /width|height|(?:^|_)(?:size|ratio|rate|per)(?:_|$)/i;

/** Add up the amounts of the calls' `usage`, key by key and level by level; of the rest what all calls say alike is kept. */
function sum(values: unknown[], key = "", counts?: boolean): unknown {
  const numbers = values.filter((value) => typeof value === "number");
  if (numbers.length > 0 && counts !== false && !measures.test(key)) return numbers.reduce((total, value) => total + value, 0);
  if (numbers.length > 0) return numbers.every((value) => value === numbers[0]) ? numbers[0] : undefined;
  const objects = values.filter((value): value is object => typeof value === "object" && value !== null && !Array.isArray(value));
  if (objects.length === 0) return values.find((value) => value !== undefined);
  const columns = new Map<string, unknown[]>();
  for (const [key, value] of objects.flatMap((entry) => Object.entries(entry))) columns.set(key, [...(columns.get(key) ?? []), value]);
  return Object.fromEntries([...columns].map(([name, column]) => [name, sum(column, name, counts === true || amounts.test(name))]));
}
