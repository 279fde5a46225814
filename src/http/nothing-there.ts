// Answers for paths and methods that are not served, and says which are.
import type Router from "@koa/router";
import type { Context } from "koa";
import { GatewayError } from "../errors.ts";

/** Throws a 405 with the methods that a path takes, or a 404 with the address that was meant, where that can be guessed. */
export function nothingThere(router: Router) {
  return function nothingThere(ctx: Context): void {
    const allowed = [...new Set(router.match(ctx.path, ctx.method).path.flatMap((layer) => layer.methods))];
    if (allowed.length === 0)
      throw new GatewayError("not_found", `there is nothing at ${ctx.path.slice(0, 200)}; ${meant(ctx.path.slice(0, 1000))}`);
    ctx.set("allow", allowed.join(", "));
    throw new GatewayError("method_not_allowed", `the method ${ctx.method} is not allowed here; use ${allowed.join(" or ")}`);
  };
}

/** A base URL that was pasted with too much, or with too little, is what most wrong paths come from. */
function meant(path: string): string {
  const [, known] = /.*\/(images\/+(?:generations|edits|variations)|models)(?:\/|$)/i.exec(path) ?? [];
  if (known !== undefined) return `the right address is /v1/${known.toLowerCase().replaceAll(/\/+/g, "/")}: the base URL ends with /v1`;
  return "GET /docs describes what there is, such as POST /v1/images/generations";
}
