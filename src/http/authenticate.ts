// Lets in those who have a key, to whatever is not open to all.
import type { Context, Next } from "koa";
import { GatewayError } from "../errors.ts";
import { keyIn } from "./client-keys.ts";
import { doorKeyIn, keyHint } from "./doors.ts";
import type { Gateway, RequestState } from "./gateway.ts";
import { isOperator, requireOperator } from "./operator.ts";

// Routes take paths in either case.
const open = /^\/(|livez|readyz|metrics|openapi\.json|(docs|console)(\/.*)?|images\/[^/]*)$/i;

/** True for what clients may read of their own, and the operator of all; nothing of it orders anything. */
const isOperators = ({ method, path }: Context) =>
  method === "POST" ? /^\/v1\/images\/(estimate|explain)$/i.test(path) : /^\/v1\/(requests(\/[^/]*)?|models(\/.*)?|usage)$/i.test(path);

/** Finds the client by its key. Throws a 401 where there is none, and a 503 where nobody can say at the moment. */
export function authenticate(gateway: Gateway) {
  return async function authenticate(ctx: Context, next: Next): Promise<void> {
    if (/^\/admin\//i.test(ctx.path)) requireOperator(ctx, gateway);
    // Open paths are only read; orders for pictures have paths of the same form.
    else if (ctx.method === "POST" || !open.test(ctx.path)) {
      const { door } = ctx.state as RequestState;
      const key = door ? doorKeyIn(ctx, door) : keyIn(ctx.req.headers);
      const client = key === undefined ? undefined : (gateway.keys.find(key) ?? (await gateway.keys.seek?.(key)));
      if (client === undefined && isOperators(ctx) && isOperator(ctx, gateway)) {
        (ctx.state as RequestState).isOperator = true;
        await next();
        return;
      }
      if (client === undefined) {
        throw new GatewayError(
          "invalid_api_key",
          key === undefined
            ? `no API key; send ${door ? keyHint(door) : "the header Authorization: Bearer <key>"}`
            : "the API key is not one of this gateway's",
        );
      }
      if (client.expires !== undefined && client.expires <= Date.now())
        throw new GatewayError(
          "invalid_api_key",
          `the API key expired at ${new Date(client.expires).toISOString()}; ask the operator for a new one`,
        );
      (ctx.state as RequestState).client = client;
    }
    await next();
  };
}
