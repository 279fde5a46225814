// Writes into the ledger how a request ended, and reads it back.
import { clientError, GatewayError, ProviderFailure } from "../errors.ts";
import { Unavailable } from "../ledger/database.ts";
import type { Ledger } from "../ledger/ledger.ts";
import type { PictureReference, RequestPatch, RequestRow } from "../ledger/row.ts";
import { unpriced, type Cost } from "../money/cost.ts";
import type { PictureStore } from "../picture/store.ts";
import type { Change } from "../plugin/context.ts";
import { costOf, type Attempt } from "./generate.ts";
import { readKeptAnswer, type Made } from "./kept-answer.ts";
import { withoutPrompt } from "./without-prompt.ts";

/** How a request ended. */
export interface Outcome {
  /** The answer; its pictures can be read as often as needed while somebody waits. */
  made?: Made;
  /** The client's error where nothing was. */
  error?: GatewayError;
  /** True where a picture was made, or may have been. */
  mayCost: boolean;
  channel?: string;
  attempts?: string;
  cost?: Cost;
}

/** The state of a request after its attempts so far. */
export interface Seen {
  channel?: string;
  attempts: string[];
  /** Those of them that were made here. */
  tried: Pick<Attempt, "cost">[];
  mayCost: boolean;
}

/** Facts of pictures that were made. */
export interface MadeFacts {
  pictures: PictureReference[];
  usage?: unknown;
  changes: readonly Change[];
}

const final = new Set<RequestRow["status"]>(["completed", "failed", "cancelled", "unknown"]);

export function isOver({ status }: RequestRow): boolean {
  return final.has(status);
}

/** Write that pictures were made. */
export async function endWell(
  row: RequestRow,
  made: Made,
  { document, references, seen, ledger }: { document?: string; references: PictureReference[]; seen: Seen; ledger: Ledger },
): Promise<Outcome> {
  const told = { channel: seen.channel ?? row.channel, attempts: seen.attempts.join(", ") || row.attempts };
  const { usage } = made.result.facts;
  const cost = made.cost?.();
  const patch = { ...told, ...madePatch({ pictures: references, usage, changes: made.changes }), ...billOf(cost), answer: document };
  // Also where another process took it over, or gave it up: what is there was paid for.
  await settle(row, patch, (patch) => ledger.update(row.id, patch, ["queued", "in_progress", "unknown"]), ledger);
  return { made, mayCost: true, ...told, cost };
}

/** The members of a row that say what its request cost. */
export function billOf(cost: Cost | undefined): Pick<RequestPatch, "costNanos" | "costFrom"> {
  return { costNanos: cost?.nanos, costFrom: cost?.from };
}

/** The end of a request whose pictures were made, for its row. */
export function madePatch({ pictures, usage, changes }: MadeFacts): RequestPatch & Pick<RequestRow, "status"> {
  return {
    status: "completed",
    endedAt: Date.now(),
    pictures,
    made: pictures.length,
    usage,
    // A change of the prompt would show it.
    changes: changes.filter(({ field }) => !field.includes("prompt")),
    httpStatus: 200,
  };
}

/** The end of a request that failed, for its row: the prompt, if there is one, is taken out of the error's words. */
export function failedPatch(told: GatewayError, { mayCost, isHungUp, prompt }: Failed): RequestPatch & Pick<RequestRow, "status"> {
  const error = told.toJSON();
  error.error.message = withoutPrompt(error.error.message, prompt);
  return { status: mayCost ? "unknown" : isHungUp ? "cancelled" : "failed", endedAt: Date.now(), error, httpStatus: told.status };
}

interface Failed {
  mayCost: boolean;
  /** True where nothing went wrong but that the client has gone. */
  isHungUp: boolean;
  prompt: string;
}

/** Write that nothing was made, or that nobody knows. What is proven to have cost nothing may be ordered again under the same name. */
export async function endBadly(
  row: RequestRow,
  { error, signal, seen, prompt, ledger }: { error: unknown; signal: AbortSignal; seen: Seen; prompt: string; ledger: Ledger },
): Promise<Outcome> {
  const isHungUp = signal.aborted && !(signal.reason instanceof GatewayError);
  const told = isHungUp ? hungUp() : toldOf(signal.aborted ? signal.reason : error);
  const { mayCost } = seen;
  const channel = seen.channel ?? row.channel;
  const attempts = seen.attempts.join(", ") || row.attempts;
  // Nobody here knows the orders of a process that has gone.
  const cost = mayCost && seen.tried.length === 0 ? unpriced : costOf(seen.tried);
  const failed = { ...failedPatch(told, { mayCost, isHungUp, prompt }), ...billOf(cost) };
  const patch = { ...failed, channel, attempts, ...(!mayCost && { idempotency: undefined }) };
  await settle(row, patch, (patch) => ledger.update(row.id, patch, ["queued", "in_progress"], row.owner), ledger);
  return { error: told, mayCost, channel, attempts, cost };
}

/** The client's error for whatever was thrown. */
export function toldOf(error: unknown): GatewayError {
  if (error instanceof GatewayError) return error;
  return error instanceof ProviderFailure ? clientError(error) : new GatewayError("internal_error", "internal error", { cause: error });
}

/** The client's error where there is no client any more. */
export function hungUp(): GatewayError {
  return new GatewayError("upstream_error", "the client's connection was closed before the answer came");
}

/** Write how a request ended; where the database is away, later. */
async function settle(
  row: RequestRow,
  patch: RequestPatch,
  write: (patch: RequestPatch) => Promise<boolean>,
  ledger: Ledger,
): Promise<void> {
  try {
    await write(patch);
  } catch (error) {
    if (!(error instanceof Unavailable)) throw error;
    ledger.record({ ...row, ...patch });
  }
}

/** How a request ended whose row is final. */
export async function outcomeOf(
  { status, answer, error, httpStatus, channel, attempts }: RequestRow,
  store: PictureStore,
): Promise<Outcome> {
  const mayCost = status === "completed" || status === "unknown";
  if (status !== "completed") return { error: rebuilt(error, httpStatus), mayCost, channel, attempts };
  const made = answer === undefined ? undefined : await readKeptAnswer(store, answer);
  if (made) return { made, mayCost, channel, attempts };
  const words = "the picture of this request was made, and is no longer kept; to order another, send a new Idempotency-Key";
  return { error: new GatewayError("no_longer_kept", words), mayCost, channel, attempts };
}

function rebuilt(body: RequestRow["error"], status = 500): GatewayError {
  const { message = "internal error", param = null, code = "internal_error" } = body?.error ?? {};
  return new GatewayError("upstream_error", message, { param, providerCode: code ?? undefined, status });
}
