// The tables of the ledger, as numbered steps that are applied once each and never taken back.

/**
 * Step n brings the database from version n to n + 1. SQL that both databases know: `integer` of `bigint` width, `text` for JSON. A step that
 * has been released is never edited; a change is a new step. Old and new versions run beside each other during an upgrade, so a step only adds.
 */
export const migrations: readonly (readonly string[])[] = [
  [
    `create table requests (
      id text primary key,
      client text not null,
      model text not null,
      operation text not null,
      status text not null,
      phase text,
      created_at bigint not null,
      started_at bigint,
      ended_at bigint,
      expires_at bigint not null,
      channel text,
      attempts text,
      n bigint not null,
      made bigint,
      pictures text,
      usage text,
      cost_nanos bigint,
      cost_from text,
      changes text,
      error text,
      http_status bigint,
      idempotency text,
      fingerprint text,
      task text,
      input text,
      answer text,
      job text,
      wanted_until bigint,
      owner text,
      lease_until bigint
    )`,
    "create unique index requests_idempotency on requests (client, idempotency) where idempotency is not null",
    "create index requests_by_client on requests (client, created_at, id)",
    "create index requests_by_age on requests (expires_at)",
    "create index requests_under_way on requests (status, lease_until) where status in ('queued', 'in_progress')",
  ],
  [
    "alter table requests add column webhook text",
    `create table deliveries (
      id text primary key,
      request text not null unique,
      client text not null,
      webhook text not null,
      type text not null,
      status text not null,
      created_at bigint not null,
      next_at bigint not null,
      attempts bigint not null,
      attempted_at bigint,
      url text,
      answer bigint,
      reason text,
      expires_at bigint not null
    )`,
    "create index deliveries_due on deliveries (next_at) where status = 'waiting'",
    "create index deliveries_by_url on deliveries (url, attempted_at)",
    "create index deliveries_by_age on deliveries (expires_at)",
  ],
  ["alter table requests add column progress bigint"],
  ["alter table requests add column repeats text", "create index requests_by_time on requests (created_at, id)"],
  ["create index requests_jobs on requests (client) where job is not null and status in ('queued', 'in_progress')"],
  [
    `create table client_keys (
      name text primary key,
      hash text not null,
      begins text not null,
      previous_hash text,
      previous_until bigint,
      options text not null,
      created_at bigint not null,
      changed_at bigint not null,
      revoked_at bigint,
      version bigint not null
    )`,
    "create index client_keys_by_version on client_keys (version)",
    "create table key_version (version bigint not null)",
    "insert into key_version (version) values (0)",
    `create table key_changes (
      version bigint primary key,
      name text not null,
      action text not null,
      at bigint not null,
      by_whom text not null,
      options text not null
    )`,
    "create index key_changes_by_name on key_changes (name, version)",
  ],
  [
    "alter table requests add column reserved_nanos bigint",
    "alter table requests add column charged_nanos bigint",
    `create table spending (
      client text not null,
      per text not null,
      since bigint not null,
      until bigint not null,
      spent bigint not null,
      reserved bigint not null,
      primary key (client, per, since)
    )`,
  ],
  [
    `create table choices (
      client text not null,
      door text not null,
      name text not null,
      value text not null,
      primary key (client, door, name)
    )`,
  ],
  ["alter table requests add column first_until bigint"],
  ["alter table requests add column trace_id text", "create index requests_by_trace on requests (trace_id) where trace_id is not null"],
];
