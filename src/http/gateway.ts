// Names what the HTTP floor is given to serve with.
import type { Logger } from "pino";
import type { GatewayError } from "../errors.ts";
import type { Client } from "../gateway/client.ts";
import type { MadeFacts } from "../gateway/ending.ts";
import type { Reload } from "../gateway/reload.ts";
import type { Routing } from "../gateway/routing.ts";
import type { Table } from "../gateway/table.ts";
import type { Choices } from "../ledger/choices.ts";
import type { Made } from "../gateway/kept-answer.ts";
import type { Cost } from "../money/cost.ts";
import type { PictureFetcher } from "../net/fetch-picture.ts";
import type { PictureStore } from "../picture/store.ts";
import type { Spool } from "../picture/spool.ts";
import type { OperationName } from "../schema/models.ts";
import type { Span, Trace, Traces } from "../trace.ts";
import type { DurableService } from "./durable.ts";
import type { AnswerBody, Passing } from "./answer.ts";
import type { AtDoor } from "./doors.ts";
import type { EventAnswer } from "./events.ts";
import type { ClientKeys } from "./client-keys.ts";
import type { KeyDesk } from "./admin-keys.ts";
import type { Life } from "./life.ts";
import type { Metrics } from "./metrics.ts";
import type { InputLimits } from "./input-limits.ts";

/** Everything the HTTP floor serves with. */
export interface Gateway {
  /** The table in force; taken once at a request's start. */
  table(): Table;
  /** State shared by requests; one for the process, whatever the table. */
  routing: Routing;
  keys: ClientKeys;
  /** Everything that adds and revokes keys at run time; none are when absent. */
  keyDesk?: KeyDesk;
  /** The life of the process. */
  life?: Life;
  /** How the operator's files stand; all is well when absent. */
  config?: () => ConfigState;
  /** The operator's own key; nobody is the operator when absent. */
  adminKey?: string;
  /** Gives the client key that was made for an operator who set none. */
  ownKey?: () => string | undefined;
  /** Serves requests that outlive their connections; all live as long as these when absent. */
  durable?: DurableService;
  /** Keeps what clients choose at doors for their later requests; nothing is kept when absent. */
  choices?: Choices;
  store: PictureStore;
  spool: Spool;
  fetchPicture: PictureFetcher;
  log: Logger;
  traces: Traces;
  metrics: Metrics;
  /** The page of metrics of all processes, where there are several. */
  metricsOfAll?: () => Promise<string>;
  /** Limits for clients. */
  inputLimits?: InputLimits;
  /** False where the operator wants no console. */
  hasConsole?: boolean;
  /** The beginning of stored pictures' URLs; the request's own host when absent. */
  publicUrl?: string;
  /** Believe `X-Forwarded-*`. */
  trustProxy?: boolean;
  /** Origins that browsers may call from. */
  corsOrigins?: readonly string[];
  /** Milliseconds between two signs of life of a stream; 10 seconds when absent. */
  heartbeat?: number;
}

/** How the operator's files stand. */
export interface ConfigState {
  /** How they were read last; absent where they are as they were at the start, and right. */
  reload?: Reload;
  /** The channels whose files are broken; `serves` where the last good version is still in force. */
  broken: readonly { channel: string; serves: boolean }[];
}

/** State of a request, for the log, the metrics and the headers. */
export interface RequestState {
  id: string;
  /** Aborts when the client hangs up before it has its answer, or, with a `GatewayError`, when the process ends. */
  signal: AbortSignal;
  /** Epoch milliseconds at which it came. */
  createdAt: number;
  /** The place in the trace that it belongs to, if any. */
  trace?: Trace;
  /** Its own span, where somebody collects it. */
  span?: Span;
  client?: Client;
  /** True for a request of the operator, who may see what all clients may. */
  isOperator?: boolean;
  model?: string;
  /** The request itself, once the model is known; the prompt only to take it out of what is written of an error. */
  asked?: { operation: OperationName; n: number; prompt: string; startedAt?: number };
  /** The pictures that were made for it. */
  made?: MadeFacts;
  /** The error that it ended with. */
  error?: GatewayError;
  /** Set where the ledger has its row already. */
  hasRow?: boolean;
  channel?: string;
  attempts?: string;
  /** A header of the operator's that has the cost too. */
  costHeader?: string;
  /** Gives what it cost so far. */
  cost?: () => Cost;
  /** The door that it came through, if any. */
  door?: AtDoor;
  /** Puts the answer together where the client speaks another API. */
  answer?: { mayBegin: boolean; of: (made: Made, spool?: Passing) => Promise<AnswerBody> };
  /** Says what a job is, as JSON, where the client speaks another API that has jobs. */
  accepted?: (job: object) => string;
  /** Set where the client wants a stream. */
  events?: EventAnswer;
  /** Set by an attempt with which a picture was ordered, or may have been: the same request once more could be paid for twice. */
  mayCost?: boolean;
  /** The id of the request that this one repeats, whose outcome it was given. */
  repeats?: string;
  /** Set where the work goes on though the request has been answered. */
  late?: boolean;
  /** Counts the request out of those that are under way. */
  leave?: () => void;
  /** The status that says what became of an answer that had begun when it failed. */
  failed?: number;
}

/** True where the same request once more could be paid for twice, as far as is known now. */
export function mayBePaid({ mayCost = false, late = false }: RequestState): boolean {
  return mayCost || late;
}
