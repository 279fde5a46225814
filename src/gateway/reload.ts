// Replaces a configuration in force by a new one as a whole, or keeps it where the new one is wrong.
import { ConfigError, messageOf, type Problem } from "../errors.ts";

/** The outcome of a reload. */
export interface Reload {
  /** True where everything that was read is in force. */
  ok: boolean;
  at: Date;
  /** The time since which every reload has found problems; absent where this one found none. */
  since?: Date;
  /** The problems, as `file:line:column: message` where they have a position; empty where there are none. */
  problems: readonly string[];
}

/** A value that stays in force until a complete one can replace it. */
export interface Reloadable<T> {
  current: () => T;
  /** The outcome of the last reload; before the first, the problems of the first value, if it has any. */
  last: () => Reload | undefined;
  /** Build a new value and put it in force, or keep the present one. Calls run one after the other; calls made while one waits share it. */
  reload: () => Promise<Reload>;
}

/**
 * `build` gets the value in force, and throws where the new one would be invalid; `report` gets the outcome of every reload. `wrongWith`
 * lists the problems of a value that can be in force all the same.
 */
export function createReloadable<T>(
  first: T,
  build: (current: T) => Promise<T>,
  report: (reload: Reload) => void,
  wrongWith: (value: T) => readonly Problem[] = () => [],
): Reloadable<T> {
  let current = first;
  const outcome = (problems: readonly string[], before?: Reload): Reload => {
    const at = new Date();
    return { ok: problems.length === 0, at, problems, ...(problems.length > 0 && { since: before?.since ?? at }) };
  };
  let last = wrongWith(first).length > 0 ? outcome(linesOf(wrongWith(first))) : undefined;
  let running: Promise<unknown> = Promise.resolve();
  let waiting: Promise<Reload> | undefined;

  async function once(): Promise<Reload> {
    const problems = await build(current).then(
      (next) => {
        current = next;
        return linesOf(wrongWith(next));
      },
      (error: unknown) => problemsOf(error),
    );
    const ended = outcome(problems, last);
    last = ended;
    report(ended);
    return ended;
  }

  return {
    current: () => current,
    last: () => last,
    reload: () => {
      waiting ??= running.then(() => {
        waiting = undefined;
        return once();
      });
      running = waiting;
      return waiting;
    },
  };
}

function problemsOf(error: unknown): string[] {
  return error instanceof ConfigError ? linesOf(error.problems) : [messageOf(error)];
}

function linesOf(problems: readonly Problem[]): string[] {
  return problems.map(({ file, line, column, message }) => `${file}:${line}:${column}: ${message}`);
}
