// How many cases a random test tries.

/** What `PICTOR_FUZZ_RUNS` is in an everyday run: CI and a long search set more, and every random test tries more in proportion. */
const usual = 3000;

/** The cases to try, of which there are `everyday` in an everyday run. */
export function runs(everyday: number): number {
  const wanted = Number(process.env.PICTOR_FUZZ_RUNS ?? usual);
  return wanted > 0 ? Math.ceil((everyday * wanted) / usual) : everyday;
}
