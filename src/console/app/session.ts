// The key of this tab, and what it may see. It is kept for as long as the tab is open, and nowhere else.
import { createStore } from "./store.ts";

export interface Session {
  key: string;
  /** The requests that the key sees: its client's own, or as the operator's key those of all. */
  scope: "own" | "all";
}

const name = "pictor-session";

/** The session of this tab; undefined where no key was given. */
export const session = createStore(kept());

/** The reason for which the last key was given up, for the one who has to give another. */
export const reasonToLeave = createStore("");

function kept(): Session | undefined {
  try {
    const { key, scope } = JSON.parse(sessionStorage.getItem(name) ?? "{}") as Partial<Session>;
    return key === undefined || scope === undefined ? undefined : { key, scope };
  } catch {
    return undefined;
  }
}

export function enter(entered: Session): void {
  sessionStorage.setItem(name, JSON.stringify(entered));
  reasonToLeave.set("");
  session.set(entered);
}

export function leave(reason = ""): void {
  sessionStorage.clear();
  reasonToLeave.set(reason);
  session.set(undefined);
}
