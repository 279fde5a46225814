// Declares the metrics.
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from "prom-client";

export interface Metrics {
  registry: Registry;
  /** Sets what is so at the moment and not counted as it happens, each time that the metrics are read. */
  measure: () => void;
  /** Sets how many events wait. */
  measureWebhooks: () => Promise<void>;
  /** Sets how much of budgets is left. */
  measureBudgets: () => Promise<void>;
  /** Sets how the store's disk is. */
  measureStore: () => Promise<void>;
  requests: Counter<"path" | "model" | "status">;
  seconds: Histogram<"path" | "model">;
  inFlight: Gauge;
  attempts: Counter<"channel" | "model" | "outcome">;
  attemptSeconds: Histogram<"channel" | "model">;
  redisUp: Gauge;
  channelInFlight: Gauge<"channel">;
  channelWaiting: Gauge<"channel">;
  coolDown: Gauge<"channel" | "what">;
  modelRetires: Gauge<"channel" | "model">;
  channelsBroken: Gauge;
  ledgerUp: Gauge;
  ledgerRowsLost: Counter;
  webhookAttempts: Counter<"webhook" | "outcome">;
  webhooksWaiting: Gauge;
  storeWritable: Gauge;
  storeFreeBytes: Gauge;
  pictures: Counter<"channel" | "model">;
  costUsd: Counter<"channel" | "model">;
  unpriced: Counter<"channel" | "model">;
  budgetLeftUsd: Gauge<"key">;
  changes: Counter<"channel" | "model" | "field">;
  sentBytes: Counter<"path">;
  reloads: Counter<"outcome">;
  configOk: Gauge;
}

// Pictures take from a second to some minutes.
const buckets = [0.05, 0.25, 1, 2.5, 5, 10, 20, 40, 60, 120, 300, 600];

/**
 * The gateway's metrics. Labels hold only names from the operator's files and our own routes, never what a client wrote. `ofProcess` adds those
 * of the process itself, whose probes stay for as long as it lives.
 */
export function createMetrics({ ofProcess = false } = {}): Metrics {
  const registry = new Registry();
  const registers = [registry];
  if (ofProcess) collectDefaultMetrics({ register: registry });
  const metrics: Metrics = {
    registry,
    measure: () => undefined,
    measureStore: () => Promise.resolve(),
    measureWebhooks: () => Promise.resolve(),
    measureBudgets: () => Promise.resolve(),
    ...metricsOfRequests(registers),
    ...metricsOfChannels(registers, () => metrics.measure()),
    ...metricsOfProcess(registers, () => metrics.measureStore()),
    ...metricsOfWebhooks(registers, () => metrics.measureWebhooks()),
    ...metricsOfBudgets(registers, () => metrics.measureBudgets()),
  };
  return metrics;
}

function metricsOfRequests(registers: Registry[]) {
  return {
    requests: new Counter({
      name: "pictor_requests_total",
      help: "Requests answered.",
      labelNames: ["path", "model", "status"],
      registers,
    }),
    seconds: new Histogram({
      name: "pictor_request_seconds",
      help: "Seconds from a request to the end of its answer.",
      labelNames: ["path", "model"],
      buckets,
      registers,
    }),
    inFlight: new Gauge({ name: "pictor_requests_in_flight", help: "Requests under way.", registers }),
  };
}

/** `measure` is called before the gauges are read. */
function metricsOfChannels(registers: Registry[], measure: () => void) {
  return {
    attempts: new Counter({
      name: "pictor_attempts_total",
      help: "Attempts on channels, by how they ended.",
      labelNames: ["channel", "model", "outcome"],
      registers,
    }),
    attemptSeconds: new Histogram({
      name: "pictor_attempt_seconds",
      help: "Seconds of one attempt.",
      labelNames: ["channel", "model"],
      buckets,
      registers,
    }),
    // The first of those that are measured: the others are read after it.
    redisUp: new Gauge({
      name: "pictor_redis_up",
      help: "1 while Redis is reached, 0 while it cannot be; there is no value without REDIS_URL.",
      aggregator: "min",
      registers,
      collect: measure,
    }),
    channelInFlight: new Gauge({ name: "pictor_channel_in_flight", help: "Attempts under way.", labelNames: ["channel"], registers }),
    channelWaiting: new Gauge({
      name: "pictor_channel_waiting",
      help: "Requests that stand in line for a place.",
      labelNames: ["channel"],
      registers,
    }),
    coolDown: new Gauge({
      name: "pictor_cooldown_seconds",
      help: "Seconds until a channel, a key or a model of it is asked again after failures.",
      aggregator: "max",
      labelNames: ["channel", "what"],
      registers,
    }),
    modelRetires: new Gauge({
      name: "pictor_model_retires_timestamp_seconds",
      help: "When the provider shuts down a model that is on, in Unix seconds.",
      aggregator: "max",
      labelNames: ["channel", "model"],
      registers,
    }),
    costUsd: new Counter({
      name: "pictor_cost_usd_total",
      help: "USD that attempts cost, with the most that those can have cost of which nobody knows.",
      labelNames: ["channel", "model"],
      registers,
    }),
    unpriced: new Counter({
      name: "pictor_unpriced_total",
      help: "Attempts that made a picture, or may have, of which nobody knows what it costs.",
      labelNames: ["channel", "model"],
      registers,
    }),
    pictures: new Counter({
      name: "pictor_pictures_total",
      help: "Pictures handed to clients.",
      labelNames: ["channel", "model"],
      registers,
    }),
    changes: new Counter({
      name: "pictor_changes_total",
      help: "Requests in which a field was changed or dropped.",
      labelNames: ["channel", "model", "field"],
      registers,
    }),
  };
}

/** `measureBudgets` is called before the gauge is read. */
function metricsOfBudgets(registers: Registry[], measureBudgets: () => Promise<void>) {
  return {
    budgetLeftUsd: new Gauge({
      name: "pictor_budget_left_usd",
      help: "USD that are left of the budget of a key, of several of the one of which the least is left; what is reserved for requests under way is not.",
      aggregator: "min",
      labelNames: ["key"],
      registers,
      collect: measureBudgets,
    }),
  };
}

/** `measureWebhooks` is called before the gauge is read. */
function metricsOfWebhooks(registers: Registry[], measureWebhooks: () => Promise<void>) {
  return {
    webhookAttempts: new Counter({
      name: "pictor_webhook_attempts_total",
      help: "Attempts to deliver events of jobs: `delivered`, `failed`, or `given_up` where no other follows; `webhook` is `url` where a client named it by its URL.",
      labelNames: ["webhook", "outcome"],
      registers,
    }),
    webhooksWaiting: new Gauge({
      name: "pictor_webhooks_waiting",
      help: "Events that are not delivered yet, of all instances.",
      aggregator: "max",
      registers,
      collect: measureWebhooks,
    }),
  };
}

/** `measureStore` is called before the store's gauges are read. */
function metricsOfProcess(registers: Registry[], measureStore: () => Promise<void>) {
  return {
    reloads: new Counter({
      name: "pictor_reloads_total",
      help: "Reloads of the operator's files, by how they ended.",
      labelNames: ["outcome"],
      registers,
    }),
    configOk: new Gauge({
      name: "pictor_config_ok",
      help: "Whether the operator's files, as they are now, are in force.",
      aggregator: "min",
      registers,
    }),
    channelsBroken: new Gauge({
      name: "pictor_channels_broken",
      help: "Channels whose files are wrong: off, or in force as their last good version says.",
      aggregator: "max",
      registers,
    }),
    // Measured with the channels, which are read before.
    ledgerUp: new Gauge({
      name: "pictor_ledger_up",
      help: "1 while the ledger is reached, 0 while it cannot be.",
      aggregator: "min",
      registers,
    }),
    ledgerRowsLost: new Counter({
      name: "pictor_ledger_rows_lost_total",
      help: "Rows that could neither be written nor be kept until the ledger was back.",
      registers,
    }),
    storeWritable: new Gauge({
      name: "pictor_store_writable",
      help: "Whether pictures can be stored: 0 where the disk is full, read-only or gone.",
      aggregator: "min",
      registers,
      collect: measureStore,
    }),
    storeFreeBytes: new Gauge({
      name: "pictor_store_free_bytes",
      help: "Bytes that are free on the disk of the stored pictures.",
      aggregator: "min",
      registers,
      collect: measureStore,
    }),
    sentBytes: new Counter({ name: "pictor_sent_bytes_total", help: "Bytes of answers sent.", labelNames: ["path"], registers }),
  };
}
