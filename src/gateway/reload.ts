// Something in force that is replaced as a whole, or stays.
import { ConfigError, messageOf, type Problem } from "../errors.ts";

/** How a reload ended. */
export interface Reload {
  /** Whether everything that was read is in force. */
  ok: boolean;
  at: Date;
  /** Since when something has been wrong without a break; absent where nothing is. */
  since?: Date;
  /** What was wrong, each as `file:line:column: message` where it has a place; empty where it went well. */
  problems: readonly string[];
}

/** Something that is in force until something whole can take its place. */
export interface Reloadable<T> {
  current: () => T;
  /** How the last reload ended; before the first, what was wrong with what it began with, if anything was. */
  last: () => Reload | undefined;
  /** Build anew and put it in force, or keep what is there. Calls follow one another; those that come while one waits share it. */
  reload: () => Promise<Reload>;
}

/**
 * `build` is given what is in force, and throws where what it read cannot be; `tell` hears how every reload ended. `wrongWith` says what is
 * wrong with something that can be in force all the same.
 */
export function createReloadable<T>(
  first: T,
  build: (current: T) => Promise<T>,
  tell: (reload: Reload) => void,
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
    tell(ended);
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
