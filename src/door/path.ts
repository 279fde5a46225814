// Reads the paths of a door's routes, and finds their parameters in a request's path.

/** A route's path, compiled. */
export interface PathPattern {
  /** The address as it is written. */
  written: string;
  /** The path without the query, with `{name}` for each parameter. */
  template: string;
  parameters: readonly { name: string; mayHoldSlashes: boolean }[];
  /** The decoded parameters of a request's path; undefined if the path does not match. */
  parametersOf: (path: string) => Record<string, string> | undefined;
  /** Parameters of the query that a request must have, with their values. */
  query: readonly (readonly [name: string, value: string])[];
  /** A path that matches, with `x` for each parameter. */
  example: string;
}

const parameter = /\{(\w+)(\.\.\.)?\}/g;

/**
 * Compiles an address: a path, and perhaps a query that a request must have. `{name}` stands for a segment or a part of one, `{name...}` for any
 * number of segments. Like the gateway's own paths, a path matches in upper and lower case, and with or without a slash at its end.
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
        // A path with invalid percent-encoding matches no route.
        return undefined;
      }
    },
  };
}
