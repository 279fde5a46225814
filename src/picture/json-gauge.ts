// Counts what JSON holds while it arrives: a small text can stand for millions of values, and nobody wants them parsed.
/** Limits of a JSON text. `text` is in bytes, without the long texts that are lifted out of it. */
export interface JsonBounds {
  text: number;
  values: number;
  depth: number;
}

/** JSON holds more than it may. */
export class TooMuchJson extends Error {
  constructor(message: string) {
    super(message);
    this.name = "TooMuchJson";
  }
}

export interface JsonGauge {
  /** Count the bytes from `start` to `end`, which stand between two texts. Throws `TooMuchJson`. */
  between(bytes: Buffer, start: number, end: number): void;
  /** Count so many bytes that are kept. Throws `TooMuchJson`. */
  kept(length: number): void;
  /** Closes the lists and objects that are open. */
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

/** The same for what was parsed already. */
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
