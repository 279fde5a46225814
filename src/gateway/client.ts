// A client, and what the operator allows it.
/** Who calls, and what the operator lets them do. */
export interface Client {
  name: string;
  /** Whether they may use a model, by its public name. */
  allows: (model: string) => boolean;
  /** Pictures that may be begun in a minute; no limit when absent. */
  imagesPerMinute?: number;
  /** Requests at once; no limit when absent. */
  concurrency?: number;
  /** Whether they may name the channel. */
  mayPin: boolean;
  /** When their key ends, in epoch milliseconds; never when absent. */
  expires?: number;
}

/** A client of whom nothing is known but a key. */
export function unlimitedClient(name: string): Client {
  return Object.freeze({ name, allows: () => true, mayPin: true });
}

/** Whether a model's name is one of these, in which `*` stands for anything. */
export function allowsOnly(patterns: readonly string[]): (model: string) => boolean {
  const wholes = patterns.map(
    (pattern) => new RegExp(`^${pattern.replaceAll(/[.+?^${}()|[\]\\]/g, "\\$&").replaceAll(/\*+/g, ".*")}$`, "s"),
  );
  return (model) => wholes.some((whole) => whole.test(model));
}
