// Makes something when it is first asked for.

/** A function that makes its value once, at the first call. Where `make` throws, the next call tries again. */
export function lazily<T>(make: () => T): () => T {
  let made: { value: T } | undefined;
  return () => (made ??= { value: make() }).value;
}
