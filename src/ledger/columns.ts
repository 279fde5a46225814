// Turns a request's row into the columns of its table, and back.
import type { Row, Value } from "./database.ts";
import type { RequestPatch, RequestRow } from "./row.ts";

type Member = keyof RequestRow;

/** The members that are kept as JSON text. */
const structured = new Set<Member>(["pictures", "usage", "changes", "error", "task", "job"]);

/** The members of a row and their columns. */
const columnOf: Readonly<Record<Member, string>> = {
  id: "id",
  client: "client",
  model: "model",
  operation: "operation",
  status: "status",
  phase: "phase",
  createdAt: "created_at",
  startedAt: "started_at",
  endedAt: "ended_at",
  expiresAt: "expires_at",
  channel: "channel",
  attempts: "attempts",
  n: "n",
  made: "made",
  pictures: "pictures",
  usage: "usage",
  costNanos: "cost_nanos",
  costFrom: "cost_from",
  reservedNanos: "reserved_nanos",
  changes: "changes",
  error: "error",
  httpStatus: "http_status",
  idempotency: "idempotency",
  firstUntil: "first_until",
  fingerprint: "fingerprint",
  task: "task",
  repeats: "repeats",
  traceId: "trace_id",
  input: "input",
  answer: "answer",
  job: "job",
  webhook: "webhook",
  progress: "progress",
  wantedUntil: "wanted_until",
  owner: "owner",
  leaseUntil: "lease_until",
};

const members = Object.entries(columnOf) as [Member, string][];

/** The columns of a whole row. */
export const columns: readonly string[] = members.map(([, column]) => column);

/** The columns that a row fills, with their values: most rows fill half of them, and each that is bound costs. */
export function filledBy(row: RequestRow): { columns: string[]; values: Value[] } {
  const filled: { columns: string[]; values: Value[] } = { columns: [], values: [] };
  for (const [member, column] of members) {
    const value = valueOf(member, row[member]);
    if (value === null) continue;
    filled.columns.push(column);
    filled.values.push(value);
  }
  return filled;
}

/** The columns that a patch sets, with their values. A member that is `undefined` is set to null. */
export function assignmentsOf(patch: RequestPatch): { column: string; value: Value }[] {
  return members
    .filter(([member]) => Object.hasOwn(patch, member))
    .map(([member, column]) => ({ column, value: valueOf(member, patch[member as keyof RequestPatch]) }));
}

/** The request that a row of the table holds. */
export function rowOf(row: Row): RequestRow {
  const found: [Member, unknown][] = [];
  for (const [member, column] of members) {
    const value = row[column];
    if (value !== null && value !== undefined) found.push([member, structured.has(member) ? JSON.parse(String(value)) : value]);
  }
  return Object.fromEntries(found) as unknown as RequestRow;
}

function valueOf(member: Member, value: unknown): Value {
  if (value === undefined || value === null) return null;
  return structured.has(member) ? JSON.stringify(value) : (value as Value);
}
