// Says an error as a door's API does.
import type { Context } from "koa";
import type { GatewayError } from "../errors.ts";
import type { Variables } from "../expression/cel.ts";
import { rendered } from "../door/understand.ts";
import { foreignQuery, type AtDoor } from "./doors.ts";
import type { RequestState } from "./gateway.ts";

/**
 * The status and the body of an error; undefined where the door says nothing of errors, or cannot say this one. Some APIs answer a refusal with a 200:
 * then the body of a stream is an event.
 */
export function doorError(ctx: Context, { door, path }: AtDoor, error: GatewayError): [status: number, body: string] | undefined {
  if (!door.errors) return undefined;
  const { id, events } = ctx.state as RequestState;
  const variables = { id, path, query: foreignQuery(ctx, door), ...errorVariables(error) };
  try {
    const said = door.errors.status && rendered(door.errors.status, variables);
    const status = typeof said === "number" && said >= 200 && said < 600 ? said : error.status;
    const body = JSON.stringify(rendered(door.errors.body, variables) ?? null);
    const isEvent = events !== undefined && status < 400;
    ctx.set("content-type", isEvent ? "text/event-stream" : "application/json; charset=utf-8");
    return [status, isEvent ? `data: ${body}\n\n` : body];
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
