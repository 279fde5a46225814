// How many cases a fuzzer tries.

/** `PICTOR_FUZZ_RUNS` where it is set, as a soak or CI does; else the given number, which suits the everyday run of all tests. */
export function runs(usual = 3000): number {
  const told = Number(process.env.PICTOR_FUZZ_RUNS);
  return Number.isInteger(told) && told > 0 ? told : usual;
}
