// Remembers what this tab asked for: the gateway keeps no prompts.
import { keep, kept } from "./storage.ts";

const name = "pictor-asked";

/** Requests that are remembered, at most. */
const most = 100;

type Asked = Record<string, unknown>;

const all = () => (kept(name) ?? []) as [id: string, asked: Asked][];

export function remember(id: string, asked: Asked): void {
  keep(name, [[id, asked], ...all()].slice(0, most));
}

/** The fields of a request that this tab has sent; undefined for any other. */
export function askedFor(id: string): Asked | undefined {
  return all().find(([own]) => own === id)?.[1];
}
