// Reads the paths of a door's routes, and finds their parameters in a request's path.

/** A route's path, compiled. */
export interface PathPattern {
  /** The address as it is written. */
  written: string;
  /** The path without the query, with `{name}` for each parameter. */
  template: string;
  parameters: readonly { name: string; mayHoldSlashes: boolean }[];
  /** The parameters that a request's path has, decoded; undefined where it is another path. */
  parametersOf: (path: string) => Record<string, string> | undefined;
  /** Parameters of the query that a request must have, with their values. */
  query: readonly (readonly [name: string, value: string])[];
  /** A path that fits, with `x` for each parameter. */
  example: string;
}

const parameter = /\{(\w+)(\.\.\.)?\}/g;

/**
 * Compile an address, a path with or without a query that it must have: `{name}` stands for a part of one segment, with text before and behind it, and `{name...}` for any number of segments. Paths fit in
 * either case, with and without a slash at the end, as those of the gateway itself do.
 */
export function compilePath(address: string): PathPattern {
  const [written = "", query = ""] = address.split("?");
  const parameters = [...written.matchAll(parameter)].map(([, name = "", rest]) => ({ name, mayHoldSlashes: rest !== undefined }));
  const literals = written.split(/\{\w+(?:\.\.\.)?\}/).map((text) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  const groups = parameters.map(({ mayHoldSlashes }) => (mayHoldSlashes ? "(.+)" : "([^/]+)"));
  const whole = new RegExp(`^${literals.map((text, index) => text + (groups[index] ?? "")).join("")}/?$`, "i");
  return {
    written: address,
    template: written.replace(parameter, "{$1}"),
    parameters,
    query: [...new URLSearchParams(query)],
    example: written.replace(parameter, "x"),
    parametersOf: (path) => {
      const found = whole.exec(path);
      if (!found) return undefined;
      try {
        return Object.fromEntries(parameters.map(({ name }, index) => [name, decodeURIComponent(found[index + 1] ?? "")]));
      } catch {
        // It is no path of ours that is not valid percent-encoding.
        return undefined;
      }
    },
  };
}
