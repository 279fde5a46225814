// Lets in those who have a key, to whatever is not open to all.
import type { Context, Next } from "koa";
import { GatewayError } from "../errors.ts";
import type { Client } from "../gateway/client.ts";
import { keyIn } from "./client-keys.ts";
import { doorKeyIn, keyHint } from "./doors.ts";
import type { Gateway, RequestState } from "./gateway.ts";
import { createGuesses, tooManyGuesses, type Guesses } from "./guesses.ts";
import { isOperatorsKey } from "./operator.ts";

// Routes take paths in either case.
const open = /^\/(|livez|readyz|metrics|openapi\.json|(docs|console)(\/.*)?|images\/[^/]*)$/i;

/** True for what clients may read of their own, and the operator of all; nothing of it orders anything. */
const isOperators = ({ method, path }: Context) =>
  method === "POST" ? /^\/v1\/images\/(estimate|explain)$/i.test(path) : /^\/v1\/(requests(\/[^/]*)?|models(\/.*)?|usage)$/i.test(path);

/**
 * Finds the client by its key, or knows the operator by theirs. Throws a 401 where the key is neither's, a 429 where too many of that address
 * were not, and a 503 where nobody can say at the moment.
 */
export function authenticate(gateway: Gateway) {
  // Wrong keys are counted apart where the operator's is judged: a client that has lost its key keeps no operator out.
  const [operators, clients] = [createGuesses(), createGuesses()];

  function refuseGuessers(ctx: Context, guesses: Guesses): void {
    const seconds = guesses.wait(ctx.ip);
    if (seconds !== undefined) throw tooManyGuesses(seconds);
  }

  /** True for the operator's key, where it is judged. One that is nobody's is counted. Throws a 429, whatever the key, where too many were. */
  function judge(ctx: Context, key: string, guesses: Guesses): boolean {
    refuseGuessers(ctx, guesses);
    const isOwn = guesses === operators && isOperatorsKey(key, gateway);
    if (!isOwn && gateway.keys.find(key) === undefined && guesses.count(ctx.ip))
      gateway.log.warn({ address: ctx.ip }, "too many wrong keys came from this address; for a minute no more of them are judged");
    return isOwn;
  }

  /** The client of a key. One that is known is let in however many wrong keys came from its address. */
  async function clientOf(ctx: Context, key: string, guesses: Guesses): Promise<Client | undefined> {
    const client = gateway.keys.find(key);
    if (client) return client;
    refuseGuessers(ctx, guesses);
    return gateway.keys.seek?.(key);
  }

  return async function authenticate(ctx: Context, next: Next): Promise<void> {
    const state = ctx.state as RequestState;
    const { door } = state;
    const key = door ? doorKeyIn(ctx, door) : keyIn(ctx.req.headers);
    if (/^\/admin\//i.test(ctx.path)) {
      if (gateway.adminKey === undefined)
        throw new GatewayError("not_found", "this gateway has no operator's key; set PICTOR_ADMIN_KEY where it runs");
      state.isOperator = key !== undefined && judge(ctx, key, operators);
      if (!state.isOperator)
        throw new GatewayError("invalid_api_key", "this is for the operator; send the header Authorization: Bearer <PICTOR_ADMIN_KEY>");
    } else if (ctx.method === "POST" || !open.test(ctx.path)) {
      // Open paths are only read; orders for pictures have paths of the same form.
      if (key === undefined)
        throw new GatewayError("invalid_api_key", `no API key; send ${door ? keyHint(door) : "the header Authorization: Bearer <key>"}`);
      const guesses = isOperators(ctx) ? operators : clients;
      const client = await clientOf(ctx, key, guesses);
      if (client) state.client = unexpired(client);
      else {
        state.isOperator = judge(ctx, key, guesses);
        if (!state.isOperator) throw new GatewayError("invalid_api_key", "the API key is not one of this gateway's");
      }
    } else if (/^\/readyz$/i.test(ctx.path) && gateway.adminKey !== undefined && key !== undefined) {
      // Balancers are answered whatever key they send.
      state.isOperator = operators.wait(ctx.ip) === undefined && judge(ctx, key, operators);
    }
    await next();
  };
}

/** The client. Throws a 401 where its key has expired. */
function unexpired(client: Client): Client {
  if (client.expires !== undefined && client.expires <= Date.now())
    throw new GatewayError(
      "invalid_api_key",
      `the API key expired at ${new Date(client.expires).toISOString()}; ask the operator for a new one`,
    );
  return client;
}
