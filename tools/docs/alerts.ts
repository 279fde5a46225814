// The alerts to begin with: the rules for Prometheus, and what each of them means.
import { stringify } from "yaml";

interface Alert {
  name: string;
  severity: "page" | "ticket";
  expr: string;
  /** Time for which the expression must hold. */
  for?: string;
  meaning: string;
  todo: string;
}

const alerts: readonly Alert[] = [
  {
    name: "PictorDown",
    severity: "page",
    expr: 'up{job="pictor"} == 0',
    for: "2m",
    meaning: "Prometheus gets no answer from an instance.",
    todo: "See whether the process runs and what it said last. It refuses to start with a broken `gateway.yaml`, and names the line.",
  },
  {
    name: "PictorFilesBroken",
    severity: "ticket",
    expr: "pictor_config_ok == 0 or pictor_channels_broken > 0",
    for: "5m",
    meaning: "A channel's file, a door or `gateway.yaml` is wrong. What was right last serves; after a restart it would be missing.",
    todo: "`pictor status`, or `/readyz` with the operator's key, has file and line; `pictor check` shows the place.",
  },
  {
    name: "PictorProviderAccount",
    severity: "page",
    expr: 'sum by (channel) (increase(pictor_attempts_total{outcome=~"auth|quota"}[10m])) > 0',
    meaning:
      "A provider turned a key away, or its account is empty. Other keys and channels are tried; where there are none, clients get errors.",
    todo: "`pictor verify CHANNEL` tries the keys for free. Replace the key or top up the account, then `pictor status --clear CHANNEL`.",
  },
  {
    name: "PictorProviderFails",
    severity: "ticket",
    expr: 'sum by (channel) (rate(pictor_attempts_total{outcome=~"failed|timeout|bad_response"}[10m])) / sum by (channel) (rate(pictor_attempts_total[10m])) > 0.1',
    for: "10m",
    meaning: "The provider breaks, is not reached in time or is not understood. Some of these orders may be paid for.",
    todo: "`pictor requests --failed --channel CHANNEL` shows the errors, and the log the provider's answers. Give the channel a higher `priority` number, or `enabled: false`, while it lasts.",
  },
  {
    name: "PictorChannelCoolsDown",
    severity: "ticket",
    expr: 'max by (channel) (pictor_cooldown_seconds{what="channel"}) > 0',
    for: "10m",
    meaning: "A channel has failed for ten minutes, and is tried with single requests only.",
    todo: "As for PictorProviderFails. It comes back by itself with the first request that succeeds.",
  },
  {
    name: "PictorModelRetires",
    severity: "ticket",
    expr: "min by (channel, model) (pictor_model_retires_timestamp_seconds) - time() < 30 * 86400",
    meaning: "A provider shuts a model down within 30 days, or has done so.",
    todo: "`pictor status` names the successor. Move the clients, or let `fallback` in `gateway.yaml` stand in.",
  },
  {
    name: "PictorQueueGrows",
    severity: "ticket",
    expr: "sum by (channel) (pictor_channel_waiting) > 50",
    for: "5m",
    meaning: "More requests come than the limits of a channel let through; clients wait, and get a 429 when they have waited too long.",
    todo: "Raise `limits.concurrency` if the provider allows more, add a key or a channel, or bound the clients' own `concurrency`.",
  },
  {
    name: "PictorClientsGetErrors",
    severity: "page",
    expr: 'sum(rate(pictor_requests_total{status=~"5.."}[10m])) / sum(rate(pictor_requests_total[10m])) > 0.05',
    for: "10m",
    meaning: "One request in twenty is answered with a 5xx.",
    todo: "`pictor requests --failed` says which channel or model it is. A 503 `ledger_unavailable` is the database, a 507 the disk.",
  },
  {
    name: "PictorSlow",
    severity: "ticket",
    expr: 'histogram_quantile(0.95, sum by (le, model) (rate(pictor_request_seconds_bucket{path=~".*/(generations|edits)"}[10m]))) > 240',
    for: "10m",
    meaning: "One request in twenty takes longer than four minutes; the gateway itself answers after 280 s.",
    todo: "Compare with `pictor_attempt_seconds`: if the provider is slow, let clients send jobs; if it is not, look for queues and retries.",
  },
  {
    name: "PictorDisk",
    severity: "page",
    expr: "pictor_store_writable == 0 or pictor_store_free_bytes < 2e9",
    for: "5m",
    meaning:
      "The disk of `PICTOR_DATA` is full, or nearly. Pictures go out as base64 or as the provider's URL while it lasts, and keyed requests may be refused.",
    todo: "Make room, set `PICTOR_DATA_MAX`, or shorten `PICTOR_PICTURE_LIFE` and `ledger.keep`.",
  },
  {
    name: "PictorRedisUnreachable",
    severity: "ticket",
    expr: "min(pictor_redis_up) == 0",
    for: "2m",
    meaning: "Limits and cool-downs are each instance's own, so that together they may send more than a provider allows.",
    todo: "Bring Redis back; the instances find it by themselves.",
  },
  {
    name: "PictorLedgerUnreachable",
    severity: "page",
    expr: "min(pictor_ledger_up) == 0 or increase(pictor_ledger_rows_lost_total[10m]) > 0",
    for: "1m",
    meaning:
      "The database is away: keyed requests, jobs and clients with a budget get a 503. Rows of the others wait in a file, and are lost once there is no room for them.",
    todo: "Bring PostgreSQL back, or make room for `PICTOR_DATA/ledger.db`; the instances go on by themselves.",
  },
  {
    name: "PictorWebhookFails",
    severity: "ticket",
    expr: 'sum by (webhook) (increase(pictor_webhook_attempts_total{outcome="given_up"}[1h])) > 0 or max(pictor_webhooks_waiting) > 1000',
    for: "5m",
    meaning: "A receiver did not take an event in all its attempts, or many events wait.",
    todo: "`pictor webhooks list --status failed` says why; `pictor webhooks redeliver ID` sends one again.",
  },
  {
    name: "PictorReloadFails",
    severity: "ticket",
    expr: 'increase(pictor_reloads_total{outcome="failed"}[15m]) > 0',
    meaning: "Files were changed and could not be put in force as a whole.",
    todo: "As for PictorFilesBroken.",
  },
];

/** The rules, as Prometheus reads them. */
export function alertRules(): string {
  const rules = alerts.map(({ name, severity, expr, for: time, meaning, todo }) => ({
    alert: name,
    expr,
    ...(time !== undefined && { for: time }),
    labels: { severity },
    annotations: { summary: meaning, description: todo },
  }));
  const head = "# Alerts to begin with. Written by `npm run docs`; docs/operate.md says what to do at each.\n";
  return head + stringify({ groups: [{ name: "pictor", rules }] }, { lineWidth: 0 });
}

/** What each alert means and what to do, for docs/operate.md. */
export function alertsText(): string {
  return alerts.map(({ name, severity, meaning, todo }) => `- **${name}** (${severity}). ${meaning} ${todo}`).join("\n");
}
