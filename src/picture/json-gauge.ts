// Counts the values of a JSON text while it arrives: a small text can hold millions of values, which would be costly to parse.
/** Limits of a JSON document. `text` is in bytes, not counting the long texts that are lifted out. */
export interface JsonBounds {
  text: number;
  values: number;
  depth: number;
}

/** Thrown for JSON that exceeds its limits. */
export class TooMuchJson extends Error {
  constructor(message: string) {
    super(message);
    this.name = "TooMuchJson";
  }
}

export interface JsonGauge {
  /** Counts the values in the bytes from `start` to `end`, which lie between two texts. Throws `TooMuchJson`. */
  between(bytes: Buffer, start: number, end: number): void;
  /** Counts `length` bytes as kept in memory. Throws `TooMuchJson`. */
  kept(length: number): void;
  /** The brackets that close the lists and objects still open. */
  closing(): string;
}

const [comma, openList, closeList, openObject, closeObject] = Buffer.from(",[]{}");

/** Measure one document. */
export function createGauge({ text, values, depth }: JsonBounds): JsonGauge {
  const open: string[] = [];
  let count = 1;
  let length = 0;
  return {
    between: (bytes, start, end) => {
      for (let at = start; at < end; at += 1) {
        const sign = bytes[at];
        if (sign === comma) count += 1;
        else if (sign === openList || sign === openObject) {
          count += 1;
          if (open.push(sign === openList ? "]" : "}") > depth) throw new TooMuchJson(`is nested deeper than ${depth} levels`);
        } else if (sign === closeList || sign === closeObject) open.pop();
      }
      if (count > values) throw new TooMuchJson(`has more than ${values} values`);
    },
    kept: (more) => {
      length += more;
      if (length > text) throw new TooMuchJson(`has more than ${text} bytes beside its pictures`);
    },
    closing: () => open.toReversed().join(""),
  };
}

/** Applies the same limits to a value that was parsed already. Throws `TooMuchJson`. */
export function judgeJson(value: unknown, { values, depth }: Pick<JsonBounds, "values" | "depth">): void {
  let level = [value];
  let count = 1;
  for (let at = 0; level.length > 0; at += 1) {
    if (at > depth) throw new TooMuchJson(`is nested deeper than ${depth} levels`);
    level = level.flatMap((item) => (typeof item === "object" && item !== null ? (Object.values(item) as unknown[]) : []));
    count += level.length;
    if (count > values) throw new TooMuchJson(`has more than ${values} values`);
  }
}
