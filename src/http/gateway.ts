import type { Logger } from "pino";
import type { Table } from "../gateway/table.ts";
import type { PictureFetcher } from "../net/fetch-picture.ts";
import type { PictureStore } from "../picture/store.ts";
import type { Spool } from "../picture/spool.ts";
import type { ClientKeys } from "./client-keys.ts";
import type { Metrics } from "./metrics.ts";

/** Everything the HTTP floor serves with. */
export interface Gateway {
  /** The table in force; taken once at a request's start. */
  table(): Table;
  keys: ClientKeys;
  store: PictureStore;
  spool: Spool;
  fetchPicture: PictureFetcher;
  log: Logger;
  metrics: Metrics;
  /** Where stored pictures' URLs begin; the request's own host when absent. */
  publicUrl?: string;
  /** Believe `X-Forwarded-*`. */
  trustProxy?: boolean;
  /** Origins that browsers may call from. */
  corsOrigins?: readonly string[];
}

/** What is known of a request once it is parsed, for the log, the metrics and the headers. */
export interface RequestState {
  id: string;
  /** Aborts when the client hangs up before it has its answer. */
  signal: AbortSignal;
  client?: string;
  model?: string;
  channel?: string;
  attempts?: string;
  /** Whether the answer had begun when a picture of it broke off. */
  brokeOff?: boolean;
}
