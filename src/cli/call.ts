// Calls a running gateway for the operator's commands.
import got, { type Response } from "got";
import { trimmed } from "../channels/settings.ts";
import { agent } from "../http/version.ts";

/** The operator's key, as it stands in the environment. */
export function operatorKey(env: Readonly<Record<string, string | undefined>>): string | undefined {
  return trimmed(env.PICTOR_ADMIN_KEY ?? "") || undefined;
}

/** A method, or one with the body that goes with it. */
type How = "GET" | "POST" | "DELETE" | { method: "POST" | "PATCH"; json: object };

/** The answer to a call; undefined where there is none. */
export async function call(url: string, path: string, key: string | undefined, how: How = "GET"): Promise<Response<string> | undefined> {
  return got(`${url.replace(/\/$/, "")}${path}`, {
    ...(typeof how === "string" ? { method: how } : how),
    headers: { "user-agent": agent, ...(key && { authorization: `Bearer ${key}` }) },
    throwHttpErrors: false,
    retry: { limit: 0 },
    followRedirect: false,
    timeout: { request: 5000 },
  }).catch(() => undefined);
}

/** The body of an answer; nothing of one that is no JSON. */
export function parsed<T>(answer: Response<string> | undefined): Partial<T> {
  try {
    return (JSON.parse(answer?.body ?? "") ?? {}) as Partial<T>;
  } catch {
    // Something else than a gateway answered, or nothing; the caller says so.
    return {};
  }
}

/** The error where no gateway answers. */
export const nobody = (url: string) => new Error(`no gateway answers at ${url}; start it, or name another address with --url`);

/** Calls a gateway with the operator's key; resolves with the answer's body. Throws an Error where there is no key, where no gateway answers, or where it refuses. */
export async function asOperator<T>(url: string, path: string, how: How, env: Readonly<Record<string, string | undefined>>): Promise<T> {
  const key = operatorKey(env);
  if (!key) throw new Error("this needs the operator's key; set PICTOR_ADMIN_KEY to what the gateway has");
  const answer = await call(url, path, key, how);
  const body = parsed<T & { error: { message: string } }>(answer);
  // A request that failed has an error of its own.
  if (answer?.ok) return body as T;
  throw body.error ? new Error(body.error.message) : nobody(url);
}

/** A time of the gateway's answers, which are in Unix seconds. */
export function dateOf(seconds: number): string {
  return new Date(seconds * 1000).toISOString().replace(".000", "");
}
