// `pictor webhooks`: the events of jobs, and what has become of them.
import { colours } from "../process/colours.ts";
import { asOperator, dateOf } from "./call.ts";

type Env = Readonly<Record<string, string | undefined>>;
type Say = (line: string) => void;

export interface ListOptions {
  json?: boolean;
  status?: string;
  limit?: string;
}

interface Shown {
  id: string;
  job: string;
  webhook: string;
  type: string;
  status: "waiting" | "delivered" | "failed";
  attempts: number;
  created_at: number;
  next_at?: number;
  reason?: string;
}

/** `pictor webhooks list`: the newest events. Throws an Error where no gateway answers, or where it refuses. */
export async function listDeliveries(url: string, { json, status, limit = "50" }: ListOptions, env: Env, say: Say): Promise<void> {
  const query = new URLSearchParams({ limit, ...(status !== undefined && { status }) });
  const { data } = await asOperator<{ data: Shown[] }>(url, `/admin/webhooks/deliveries?${query.toString()}`, "GET", env);
  if (json) say(JSON.stringify(data, null, 2));
  else if (data.length === 0) say("no events");
  else for (const one of data) say(lineOf(one));
}

/** `pictor webhooks redeliver`: send an event once more. Throws as `listDeliveries` does. */
export async function redeliver(url: string, { id, json }: { id: string; json?: boolean }, env: Env, say: Say): Promise<void> {
  const answer = await asOperator<object>(url, `/admin/webhooks/deliveries/${encodeURIComponent(id)}/redeliver`, "POST", env);
  say(json ? JSON.stringify(answer) : `${id} is sent once more`);
}

const colour = { waiting: colours.dim, delivered: colours.green, failed: colours.red };

function lineOf({ id, job, webhook, type, status, attempts, created_at, next_at, reason }: Shown): string {
  const told = [
    `${attempts} ${attempts === 1 ? "attempt" : "attempts"}`,
    ...(reason === undefined ? [] : [reason]),
    ...(next_at === undefined ? [] : [`next ${dateOf(next_at)}`]),
  ];
  return `${dateOf(created_at)} ${colour[status](status)} ${id} ${type} ${job} to ${webhook}: ${told.join(", ")}`;
}
