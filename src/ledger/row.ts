// The row that the ledger keeps of a request.

/**
 * `queued` waits to be served, `in_progress` is being served; the others are final. `unknown`: something may have been made and paid for,
 * and nobody will ever know.
 */
export type RequestStatus = "queued" | "in_progress" | "completed" | "failed" | "cancelled" | "unknown";

/** `sending` is written before the first byte of an order leaves, `accepted` with the provider's task before its first poll. */
export type OrderPhase = "sending" | "accepted";

/** A picture that was made. It is kept in the store, never in the ledger. */
export interface PictureReference {
  /** Its id in the store, where it is kept there. */
  stored?: string;
  /** The URL that the client was given, where it is the provider's own. */
  url?: string;
  mediaType?: string;
  width?: number;
  height?: number;
  bytes?: number;
  /** SHA-256, in hex. */
  sha256?: string;
}

/** A task that a provider has accepted, so that another process can go on with it. */
export interface TaskHandle {
  channel: string;
  model: string;
  /** The key of the channel's that ordered it: a hash, since keys are kept nowhere. */
  key: string;
  /** The document of each call's task. */
  documents: string[];
}

/** A request. Times are epoch milliseconds; money is in nano-dollars. */
export interface RequestRow {
  id: string;
  /** The client's name. */
  client: string;
  model: string;
  operation: "generate" | "edit";
  status: RequestStatus;
  phase?: OrderPhase;
  createdAt: number;
  startedAt?: number;
  endedAt?: number;
  /** When the row may be deleted. */
  expiresAt: number;
  channel?: string;
  /** Each attempt as `x-pictor-attempts` lists it. */
  attempts?: string;
  /** Pictures asked for. */
  n: number;
  /** Pictures made. */
  made?: number;
  pictures?: PictureReference[];
  usage?: unknown;
  costNanos?: number;
  /** How the cost was found, as `src/money/cost.ts` names it; `unpriced` where nobody knows it, and then there is none. */
  costFrom?: string;
  /** The most that it could cost, reserved of its client's budgets until it ends; absent where the client has none. */
  reservedNanos?: number;
  changes?: unknown[];
  /** The body of the client's error. */
  error?: { error: { message: string; type: string; param: string | null; code: string | null } };
  /** The HTTP status that the client got, or gets. */
  httpStatus?: number;
  /** The name by which the client's retries are known: see `Claim`. */
  idempotency?: string;
  /** There where it was begun by a retry whose first attempt had not come: until when that counts as this request if it still comes. */
  firstUntil?: number;
  fingerprint?: string;
  task?: TaskHandle;
  /** How much of the provider's task is done, in percent, where it says so. */
  progress?: number;
  /** The request whose outcome this one was given. */
  repeats?: string;
  /** The id of the trace that it belongs to, in hex; absent where it belongs to none. */
  traceId?: string;
  /** The document of what was asked: fields and images. With one, the request is served without its client. */
  input?: string;
  /** The document of what was made, or a short answer itself, as JSON. */
  answer?: string;
  /** True for a request that was sent as a job. */
  job?: boolean;
  /** The webhook that hears of the job's end: its name in `gateway.yaml`, or a URL. */
  webhook?: string;
  /** Until when a client of another process waits for it. */
  wantedUntil?: number;
  /** The process that serves it, and until when it may without renewing. */
  owner?: string;
  leaseUntil?: number;
}

/** The members of a row that change while a request is served. */
export type RequestPatch = Partial<Omit<RequestRow, "id" | "client" | "createdAt">>;
