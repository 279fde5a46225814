import { ConfigError, messageOf } from "../errors.ts";

/** How a reload ended. */
export interface Reload {
  ok: boolean;
  at: Date;
  /** What was wrong, each as `file:line:column: message` where it has a place; empty where it went well. */
  problems: readonly string[];
}

/** Something that is in force until something whole can take its place. */
export interface Reloadable<T> {
  current: () => T;
  /** How the last reload ended; absent before the first. */
  last: () => Reload | undefined;
  /** Build anew and put it in force, or keep what is there. Calls follow one another; those that come while one waits share it. */
  reload: () => Promise<Reload>;
}

/** `build` is given what is in force, and throws where what it read cannot be; `tell` hears how every reload ended. */
export function createReloadable<T>(first: T, build: (current: T) => Promise<T>, tell: (reload: Reload) => void): Reloadable<T> {
  let current = first;
  let last: Reload | undefined;
  let running: Promise<unknown> = Promise.resolve();
  let waiting: Promise<Reload> | undefined;

  async function once(): Promise<Reload> {
    const problems = await build(current).then(
      (next) => {
        current = next;
        return [];
      },
      (error: unknown) => problemsOf(error),
    );
    last = { ok: problems.length === 0, at: new Date(), problems };
    tell(last);
    return last;
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
  if (!(error instanceof ConfigError)) return [messageOf(error)];
  return error.problems.map(({ file, line, column, message }) => `${file}:${line}:${column}: ${message}`);
}
