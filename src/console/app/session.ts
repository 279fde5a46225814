// The key of this tab, and what it may see. It is kept for as long as the tab is open, and nowhere else.
import { forgetAll, keep, kept } from "./storage.ts";
import { createStore } from "./store.ts";

export interface Session {
  key: string;
  /** The requests that the key sees: its client's own, or as the operator's key those of all. */
  scope: "own" | "all";
}

const name = "pictor-session";

/** The session of this tab; undefined where no key was given. */
export const session = createStore(begun());

/** The reason for which the last key was given up, for the one who has to give another. */
export const reasonToLeave = createStore("");

function begun(): Session | undefined {
  const { key, scope } = (kept(name) ?? {}) as Partial<Session>;
  return key === undefined || scope === undefined ? undefined : { key, scope };
}

export function enter(entered: Session): void {
  keep(name, entered);
  reasonToLeave.set("");
  session.set(entered);
}

/** Forget the key, and all that the tab keeps of what was done with it. */
export function leave(reason = ""): void {
  forgetAll();
  reasonToLeave.set(reason);
  session.set(undefined);
}
