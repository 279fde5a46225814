// Adds up how requests ended on each channel, and how long they took.
import type { Database } from "./database.ts";

/** The ends of requests for one model whose last channel was this one. */
export interface Outcomes {
  channel: string;
  model: string;
  completed: number;
  failed: number;
  /** Milliseconds that a completed one took on average, from when it was given to a channel; undefined where none was completed. */
  took: number | undefined;
}

const sql = `select channel, model,
  cast(count(case when status = 'completed' then 1 end) as text) as completed,
  cast(count(case when status in ('failed', 'unknown') then 1 end) as text) as failed,
  cast(avg(case when status = 'completed' then ended_at - coalesce(started_at, created_at) end) as text) as took
  from requests where created_at >= ?1 and channel is not null and ended_at is not null and repeats is null
  group by channel, model order by channel, model`;

/** The outcomes of requests that began since then, in epoch milliseconds. Rejects with `Unavailable`. */
export async function outcomesIn({ run }: Pick<Database, "run">, since: number): Promise<Outcomes[]> {
  // As texts: the databases have numbers that JavaScript has not.
  return (await run([{ sql, parameters: [since] }])).map(({ channel, model, completed, failed, took }) => ({
    channel: String(channel),
    model: String(model),
    completed: Number(completed),
    failed: Number(failed),
    took: took === null || took === undefined ? undefined : Number(took),
  }));
}
