// Puts a call's address together: the channel's base URL, a path or a whole URL, and the query.
import { ExpressionFailure } from "../expression/cel.ts";

/** The path, unless a value in it would lead elsewhere: `..` climbs even where it is percent-encoded. */
export function plainPath(path: string, spec: string): string {
  if (/(?:^|\/)(?:\.|%2e){1,2}(?:[/?#]|$)/i.test(path)) throw new ExpressionFailure(spec, "it climbs out of its place");
  return path;
}

/** The address of a channel without its query and the slash at its end: what paths are put behind. */
export function withoutQuery(baseUrl: string): string {
  return baseUrl.replace(/\?.*$/s, "").replace(/\/+$/, "");
}

/**
 * A path is put behind the base URL, whose query follows it, unless the path has such parameters itself; a whole URL stands for itself. Throws
 * `ExpressionFailure` for what is no URL.
 */
export function absolute(baseUrl: string, target: string, query: Record<string, string>): string {
  const whole = /^https?:\/\//.test(target);
  const text = whole ? target : `${withoutQuery(baseUrl)}/${target.replace(/^\//, "")}`;
  if (!URL.canParse(text)) throw new ExpressionFailure(target, "it is no URL");
  const url = new URL(text);
  if (!whole && baseUrl.includes("?"))
    for (const [name, value] of new URL(baseUrl).searchParams) if (!url.searchParams.has(name)) url.searchParams.append(name, value);
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
  return url.href;
}
