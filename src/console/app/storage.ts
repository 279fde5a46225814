// Keeps values for as long as the tab is open, and nowhere else.

/** Keep a value. False where the tab has no room for it: then nothing is kept under its name. */
export function keep(name: string, value: unknown): boolean {
  try {
    sessionStorage.setItem(name, JSON.stringify(value));
    return true;
  } catch {
    sessionStorage.removeItem(name);
    return false;
  }
}

/** The value that is kept under a name, in the shape in which this page kept it; undefined where none is. */
export function kept(name: string): unknown {
  try {
    return JSON.parse(sessionStorage.getItem(name) ?? "null") ?? undefined;
  } catch {
    return undefined;
  }
}

export const forgetAll = () => sessionStorage.clear();
