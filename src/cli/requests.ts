// `pictor requests`: the requests of all clients, and what came of them.
import { colours } from "../process/colours.ts";
import { asOperator, dateOf } from "./call.ts";

type Env = Readonly<Record<string, string | undefined>>;
type Say = (line: string) => void;

export interface RequestsOptions {
  json?: boolean;
  /** Only those that failed, also those of which nobody knows what was made. */
  failed?: boolean;
  status?: string;
  client?: string;
  model?: string;
  channel?: string;
  /** The id of a trace, in hex. */
  trace?: string;
  /** Unix seconds, or a date. */
  since?: string;
  until?: string;
  limit?: string;
}

interface Shown {
  id: string;
  status: string;
  client: string;
  model: string;
  operation: string;
  created_at: number;
  seconds?: number;
  http_status?: number;
  attempts?: string;
  made?: number;
  n: number;
  cost?: number;
  cost_from?: string;
  error?: { message: string; code: string | null };
}

/** `pictor requests`: the newest requests. Throws an Error where no gateway answers, or where it refuses. */
export async function listRequests(url: string, options: RequestsOptions, env: Env, say: Say): Promise<void> {
  const { json, failed, limit = "50", status = failed ? "failed" : undefined, client, model, channel, trace, since, until } = options;
  const given = Object.entries({ limit, status, client, model, channel, trace_id: trace, since, until }).filter(
    ([, value]) => value !== undefined,
  );
  const query = new URLSearchParams(given as [string, string][]);
  const { data } = await asOperator<{ data: Shown[] }>(url, `/v1/requests?${query.toString()}`, "GET", env);
  if (json) for (const one of data) say(JSON.stringify(one));
  else if (data.length === 0) say("no requests");
  else for (const one of data) say(lineOf(one));
}

/** `pictor requests ID`: all that is known of one, as JSON. Throws as `listRequests` does. */
export async function showRequest(url: string, id: string, env: Env, say: Say): Promise<void> {
  say(JSON.stringify(await asOperator<object>(url, `/v1/requests/${encodeURIComponent(id)}`, "GET", env), null, 2));
}

const paints: Readonly<Record<string, (text: string) => string>> = {
  completed: colours.green,
  failed: colours.red,
  cancelled: colours.dim,
};

function lineOf({ id, status, client, model, operation, created_at, seconds, http_status, attempts, made, n, ...rest }: Shown): string {
  const { cost, cost_from, error } = rest;
  const facts = [
    `${made ?? 0} of ${n}`,
    ...(seconds === undefined ? [] : [`${seconds.toFixed(1)} s`]),
    ...(cost === undefined ? [cost_from ?? "no cost"] : [`$${cost}`]),
    ...(attempts === undefined ? [] : [attempts]),
    ...(error ? [`${http_status ?? ""} ${error.code ?? "error"}: ${error.message}`.trim()] : []),
  ];
  return `${dateOf(created_at)} ${(paints[status] ?? String)(status)} ${id} ${client} ${operation} ${model}: ${facts.join(", ")}`;
}
