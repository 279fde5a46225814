// Builds a call's address from the channel's base URL, a path or a whole URL, and the query.
import { ExpressionFailure } from "../expression/cel.ts";

/** Returns the path unchanged. Throws if it has a segment `.` or `..`, which would lead elsewhere even when it is percent-encoded. */
export function plainPath(path: string, spec: string): string {
  if (/(?:^|\/)(?:\.|%2e){1,2}(?:[/?#]|$)/i.test(path)) throw new ExpressionFailure(spec, "it climbs out of its place");
  return path;
}

/** A channel's base URL without its query and final slash; paths are appended to it. */
export function withoutQuery(baseUrl: string): string {
  return baseUrl.replace(/\?.*$/s, "").replace(/\/+$/, "");
}

/**
 * Makes `target` a whole URL. A path is appended to the base URL; parameters of the base URL's query are added unless the path sets them itself. A
 * whole URL is kept. In both cases `query` is set. Throws `ExpressionFailure` if the result is not a URL.
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
