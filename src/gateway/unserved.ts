// Finds requests that the ledger gave to this process and that nobody here serves: the ledger went away just then.

export interface Unserved {
  /** It is not known whether this request was given to this process, or whether its end was written. */
  doubt: (id: string) => void;
  /** It is known now. */
  sure: (id: string) => void;
  /**
   * Those of the ids that this process holds of which nobody serves any; `now` is in milliseconds of a clock that never jumps. `isDoubtful`
   * where there was a doubt; the others were unserved for the whole `patience`.
   */
  among: (held: Iterable<string>, isServed: (id: string) => boolean, now: number) => { id: string; isDoubtful: boolean }[];
}

/** `patience` in milliseconds is longer than a request takes from the ledger's answer to its being served. */
export function watchUnserved(patience: number): Unserved {
  const doubtful = new Set<string>();
  let since = new Map<string, number>();
  return {
    doubt: (id) => void doubtful.add(id),
    sure: (id) => void doubtful.delete(id),
    among: (held, isServed, now) => {
      const before = since;
      since = new Map();
      for (const id of held) if (!isServed(id)) since.set(id, before.get(id) ?? now);
      return [...since]
        .filter(([id, at]) => doubtful.has(id) || now - at >= patience)
        .map(([id]) => ({ id, isDoubtful: doubtful.delete(id) }));
    },
  };
}
