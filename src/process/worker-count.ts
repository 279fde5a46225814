// How many processes serve. It needs nothing else, so that the first process stays small.

/** The number that `PICTOR_WORKERS` holds. Throws an Error that says what it takes. */
export function workerCount(env: Readonly<Record<string, string | undefined>>): number {
  const text = env.PICTOR_WORKERS?.trim() || "1";
  const count = Number(text);
  if (Number.isInteger(count) && count >= 0 && count <= 256) return count;
  throw new Error(`PICTOR_WORKERS is ${text}; it must be a whole number from 0 to 256`);
}
