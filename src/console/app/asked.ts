// Remembers what this tab asked for: the gateway keeps no prompts.
const name = "pictor-asked";

/** Requests that are remembered, at most. */
const most = 100;

type Asked = Record<string, unknown>;

function all(): [id: string, asked: Asked][] {
  try {
    return JSON.parse(sessionStorage.getItem(name) ?? "[]") as [string, Asked][];
  } catch {
    return [];
  }
}

export function remember(id: string, asked: Asked): void {
  sessionStorage.setItem(name, JSON.stringify([[id, asked], ...all()].slice(0, most)));
}

/** The fields of a request that this tab has sent; undefined for any other. */
export function askedFor(id: string): Asked | undefined {
  return all().find(([own]) => own === id)?.[1];
}
