/** Memory at a moment: seconds since the load began, and bytes. */
export interface Sample {
  seconds: number;
  resident: number;
  heap: number;
}

/** Seconds after which memory is to be flat, and those that it takes at least to tell. */
export const settling = 60;
export const leastJudged = 180;

// What a process has grown to once it has seen everything may still move by this much, as a share and in bytes.
const tolerance = { share: 0.15, bytes: 24 * 2 ** 20 };

export interface Growth {
  what: "resident" | "heap";
  before: number;
  after: number;
  limit: number;
}

/**
 * Memory in the first third of what follows the first minute, and in the last third: of the resident memory the median, of the heap the
 * lower quartile, since what the collector has not yet taken says nothing. `limit` is what the last third may come to. Gives nothing where
 * there is too little to judge.
 */
export function growthOf(samples: readonly Sample[]): Growth[] {
  const last = samples.at(-1)?.seconds ?? 0;
  if (last < leastJudged) return [];
  const third = (last - settling) / 3;
  const early = samples.filter(({ seconds }) => seconds >= settling && seconds < settling + third);
  const late = samples.filter(({ seconds }) => seconds >= last - third);
  return (["resident", "heap"] as const).map((what) => {
    const share = what === "heap" ? 0.25 : 0.5;
    const [before = 0, after = 0] = [early, late].map((list) =>
      quantile(
        list.map((sample) => sample[what]),
        share,
      ),
    );
    return { what, before, after, limit: Math.max(before * (1 + tolerance.share), before + tolerance.bytes) };
  });
}

/** The value below which this share of a list lies; 0 for an empty one. */
export function quantile(list: readonly number[], share: number): number {
  return list.toSorted((a, b) => a - b)[Math.floor((list.length - 1) * share)] ?? 0;
}

/** A metric in Prometheus' text, added up over its labels; 0 where it is not there. */
export function valueOf(page: string, name: string): number {
  const lines = page.split("\n").filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`));
  return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" ") + 1)), 0);
}
