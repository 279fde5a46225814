// The shapes of the gateway's answers, as `/openapi.json` describes them.

export interface MatrixRow {
  id: string;
  channels: { name: string; deprecated?: string; shutdown_date?: string }[];
  operations: string[];
  input_images?: number;
  mask: boolean;
  n: { min: number; max: number };
  size: { words: string; values?: string[]; default?: string };
  /** Values that the model's channels have a use for; none where the list is empty, any where there is no list. */
  qualities?: string[];
  formats?: string[];
  backgrounds?: string[];
  streams: boolean;
  deprecated?: string;
  shutdown_date?: string;
  instead?: string;
  limits?: "unknown";
}

export interface Change {
  field: string;
  /** The change in words, where no value was replaced. */
  what?: string;
  from?: unknown;
  to?: unknown;
}

export interface RequestError {
  message: string;
  code: string | null;
  param: string | null;
}

export interface ShownPicture {
  url?: string;
  media_type?: string;
  width?: number;
  height?: number;
  bytes?: number;
}

/** A request and its outcome. Times are Unix seconds, money is USD. */
export interface RequestRow {
  id: string;
  status: string;
  uncertain?: boolean;
  job?: boolean;
  repeats?: string;
  trace_id?: string;
  client?: string;
  model: string;
  operation: "generate" | "edit";
  created_at: number;
  started_at?: number;
  ended_at?: number;
  seconds?: number;
  http_status?: number;
  expires_at: number;
  channel?: string;
  attempts?: string;
  n: number;
  made?: number;
  pictures?: ShownPicture[];
  usage?: Record<string, unknown>;
  cost?: number;
  cost_from?: string;
  changes?: Change[];
  error?: RequestError;
  progress?: number;
  result?: { data?: { url?: string; revised_prompt?: string }[] };
}

export interface Page<T> {
  data: T[];
  has_more: boolean;
  last_id: string | null;
}

export interface Cost {
  lowest: number;
  highest: number | null;
}

export interface Estimate {
  cost: Cost | null;
  channels: { channel: string; cost: Cost | null; refused?: RequestError }[];
}

export interface ProviderRequest {
  method: string;
  url: string;
  headers: Record<string, string>;
  body?: unknown;
}

export interface Explanation {
  model: string;
  channels: {
    channel: string;
    changes: Change[];
    cost: Cost | null;
    refused?: RequestError;
    requests?: ProviderRequest[];
    polls?: (ProviderRequest & { after: number[] })[];
  }[];
}

export interface ChannelRow {
  name: string;
  state: string;
  reason?: string;
  file?: "broken";
  resting?: { what: string; seconds: number }[];
  in_flight?: number;
  waiting?: number;
  models: {
    id: string;
    operations: string[];
    price?: Cost | null;
    completed?: number;
    failed?: number;
    seconds?: number;
    shutdown_date?: string;
    instead?: string;
  }[];
}

export interface Sums {
  requests: number;
  pictures: number;
  cost: number | null;
  unpriced_requests: number;
}

export interface Usage {
  today: Sums;
  month: Sums;
  by_day: (Sums & { date: string })[];
  by_model: (Sums & { model: string })[];
  by_client?: (Sums & { client: string })[];
  budgets?: { per: string; limit: number; spent: number; reserved: number; left: number }[];
}

export interface KeyBudget {
  usd: number;
  per: "day" | "month" | "total";
}

export interface KeyRow {
  name: string;
  source: string;
  status?: string;
  begins?: string;
  budget?: KeyBudget | KeyBudget[];
  models?: string[];
}
