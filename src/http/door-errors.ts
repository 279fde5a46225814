// Says an error as a door's API does.
import type { Context } from "koa";
import type { GatewayError } from "../errors.ts";
import type { Variables } from "../expression/cel.ts";
import type { Door } from "../door/compile.ts";
import { rendered } from "../door/understand.ts";
import { foreignQuery, type AtDoor } from "./doors.ts";
import type { RequestState } from "./gateway.ts";

/** The status and the body of an error; undefined where the door says nothing of errors, or cannot say this one. */
export function doorError(ctx: Context, { door, path }: AtDoor, error: GatewayError): [status: number, body: string] | undefined {
  const { id, events } = ctx.state as RequestState;
  const said = saidError(door, { id, path, query: foreignQuery(ctx, door) }, error);
  if (!said) return undefined;
  const [status, body] = said;
  // Some APIs answer a refusal with a 200: then the body of a stream is an event.
  const isEvent = events !== undefined && status < 400;
  ctx.set("content-type", isEvent ? "text/event-stream" : "application/json; charset=utf-8");
  return [status, isEvent ? `data: ${body}\n\n` : body];
}

/** An error as a door says it to a request of which this is known: its status, and its body as JSON. Undefined as above. */
export function saidError({ errors }: Door, known: Variables, error: GatewayError): [status: number, body: string] | undefined {
  if (!errors) return undefined;
  const variables = { ...known, ...errorVariables(error) };
  try {
    const said = errors.status && rendered(errors.status, variables);
    const status = typeof said === "number" && said >= 200 && said < 600 ? said : error.status;
    return [status, JSON.stringify(rendered(errors.body, variables) ?? null)];
  } catch {
    // A template that fails must not hide the error that it was to say.
    return undefined;
  }
}

/** An error as templates see it. */
export function errorVariables({ status, code, message, param, type, retryAfter }: GatewayError): Variables {
  return {
    error: { status, code, message, type, ...(param !== null && { param }), ...(retryAfter !== undefined && { retry_after: retryAfter }) },
  };
}
