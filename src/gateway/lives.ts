// Requests under way in this process that outlive the connections of their clients.

/** A request that is served, however many clients wait for it. */
export interface Live<Outcome> {
  id: string;
  /** How it ended. */
  outcome: Promise<Outcome>;
  /** Wait for it; the function says that one waits no longer. */
  join: () => () => void;
  /** True where nobody waits for it. */
  isAlone: () => boolean;
  /** Let it go on to its end, also where nobody waits. */
  keep: () => void;
  /** End it, for a reason. */
  end: (reason?: unknown) => void;
  /** Resolves when it has ended and nobody waits any more. */
  left: Promise<void>;
}

export interface Lives<Outcome, One extends Live<Outcome>> {
  find: (id: string) => One | undefined;
  all: () => One[];
  /**
   * Begin one. It goes on for `patience` milliseconds after the last client has gone, and then for as long as `isWanted` says that one waits
   * elsewhere; then its signal aborts. `more` are members of its own.
   */
  begin(
    id: string,
    how: { patience: number; isWanted: () => Promise<boolean>; more: Omit<One, keyof Live<Outcome>> },
    work: (signal: AbortSignal, end: (reason?: unknown) => void) => Promise<Outcome>,
  ): One;
}

// Made once: an error's stack is expensive.
const hungUp = new Error("the client hung up");

export function createLives<Outcome, One extends Live<Outcome>>(): Lives<Outcome, One> {
  const lives = new Map<string, One>();
  return {
    find: (id) => lives.get(id),
    all: () => [...lives.values()],
    begin: (id, { patience, isWanted, more }, work) => {
      const controller = new AbortController();
      const end = (reason?: unknown) => controller.abort(reason);
      let clients = 0;
      let isKept = patience === Infinity;
      let isOver = false;
      let timer: NodeJS.Timeout | undefined;
      let leave!: () => void;
      const left = new Promise<void>((resolve) => (leave = resolve));

      const judge = () => {
        clearTimeout(timer);
        if (clients > 0) return;
        if (isOver) leave();
        else if (!isKept) timer = setTimeout(() => void giveUp(), patience);
      };
      const giveUp = async () => {
        const isWantedElsewhere = await isWanted().catch(() => true);
        if (clients > 0 || isKept || isOver) return;
        if (isWantedElsewhere) judge();
        else end(hungUp);
      };
      const outcome = work(controller.signal, end).finally(() => {
        isOver = true;
        lives.delete(id);
        judge();
      });
      // Nobody may be waiting for it.
      outcome.catch(() => undefined);
      const join = () => {
        let isHere = true;
        clients += 1;
        judge();
        return () => {
          if (!isHere) return;
          isHere = false;
          clients -= 1;
          judge();
        };
      };
      const keep = () => {
        isKept = true;
        judge();
      };
      const live = { id, outcome, join, isAlone: () => clients === 0, keep, end, left, ...more } as unknown as One;
      lives.set(id, live);
      judge();
      return live;
    },
  };
}
