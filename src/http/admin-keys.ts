// Keys of clients at run time: the operator adds, changes, rotates and revokes them.
import { randomBytes } from "node:crypto";
import type { RouterContext } from "@koa/router";
import { duration, milliseconds } from "../dialect/duration.ts";
import { GatewayError } from "../errors.ts";
import type { KeyChange, StoredKey, StoredKeys as Rows } from "../ledger/client-keys.ts";
import { readClientBody } from "./body.ts";
import { hashOf } from "./client-keys.ts";
import type { Gateway, RequestState } from "./gateway.ts";
import { usualLimits } from "./input-limits.ts";
import type { KnownKey, StoredKeys } from "./stored-keys.ts";

/** A client whose key is none of the ledger's, and where its key stands. */
export interface FixedKey {
  name: string;
  source: "gateway.yaml" | "PICTOR_API_KEYS" | "own";
  /** The client in the ledger's rows, where that is not the name. */
  client?: string;
}

/** Everything that adds and revokes keys. */
export interface KeyDesk {
  stored: StoredKeys;
  rows: Pick<Rows, "write" | "changes">;
  /** Throws a `GatewayError` unless a key of this name may be given this. */
  judge: (name: unknown, options: object) => void;
  /** The clients whose keys stand elsewhere; `own` is the one that the gateway made for itself. */
  fixed: () => readonly FixedKey[];
}

/** The beginning of a key that is shown, in characters: enough to know it by, and too little to guess the rest. */
export const shownOfKey = 9;

/** Changes of a key that are shown, at most: the newest ones. */
export const mostChanges = 1000;

/** Bytes of what a key is given: a few names and numbers. */
export const longestOptions = 65_536;

/** POST /admin/keys: add a key. The answer alone has its text. */
export async function addKey(ctx: RouterContext, gateway: Gateway): Promise<void> {
  const desk = deskOf(gateway);
  const { name, ...options } = await bodyOf(ctx, gateway);
  desk.judge(name, options);
  const named = String(name);
  const row = await rowOf(desk, named);
  if (live(row))
    throw new GatewayError("conflict", `name: there is a key ${named} already; rotate it, revoke it, or choose another name`, {
      param: "name",
    });
  const { key, ...hashed } = newKey();
  const createdAt = Date.now();
  const added = { name: named, ...hashed, options, createdAt, changedAt: createdAt };
  await write(ctx, gateway, { row: added, before: row?.version ?? 0, action: "added" });
  ctx.status = 201;
  ctx.body = { ...(ctx.body as object), key, ...noteOf(desk) };
}

/** GET /admin/keys: the clients and their keys, but for what was revoked. */
export async function listKeys(ctx: RouterContext, gateway: Gateway): Promise<void> {
  const desk = deskOf(gateway);
  await desk.stored.look();
  const own = [...desk.stored.known.values()].filter(({ row }) => row.revokedAt === undefined);
  const data = [...desk.fixed().map(shownFixed), ...own.map((one) => shown(one, desk)).sort((a, b) => (a.name < b.name ? -1 : 1))];
  ctx.set("cache-control", "no-store");
  ctx.body = { object: "list", data };
}

/** GET /admin/keys/{name}: one of them, also where it was revoked. */
export async function showKey(ctx: RouterContext, gateway: Gateway): Promise<void> {
  const desk = deskOf(gateway);
  const { name = "" } = ctx.params;
  await desk.stored.look();
  const known = desk.stored.known.get(name);
  const fixed = live(known?.row) ? undefined : desk.fixed().find((one) => one.name === name);
  const found = fixed ? shownFixed(fixed) : known && shown(known, desk);
  if (!found) throw none(name);
  ctx.set("cache-control", "no-store");
  ctx.body = found;
}

/** GET /admin/keys/{name}/changes: what was done with the keys of this name, the newest first. */
export async function showKeyChanges(ctx: RouterContext, gateway: Gateway): Promise<void> {
  const { name = "" } = ctx.params;
  const changes = await deskOf(gateway).rows.changes(name, mostChanges);
  if (changes.length === 0) throw none(name);
  ctx.set("cache-control", "no-store");
  ctx.body = {
    object: "list",
    data: changes.map(({ at, action, by, options }) => ({ object: "key.change", at: seconds(at), action, by, options })),
  };
}

/** PATCH /admin/keys/{name}: change what it is given; `null` takes something away. */
export async function changeKey(ctx: RouterContext, gateway: Gateway): Promise<void> {
  const desk = deskOf(gateway);
  const patch = await bodyOf(ctx, gateway);
  if ("name" in patch) throw new GatewayError("unknown_parameter", "name: a key keeps its name", { param: "name" });
  const row = await liveRowOf(ctx, desk);
  const options = Object.fromEntries(Object.entries({ ...row.options, ...patch }).filter(([, value]) => value !== null));
  desk.judge(row.name, options);
  await write(ctx, gateway, { row: { ...row, options, changedAt: Date.now() }, before: row.version, action: "changed" });
}

/** DELETE /admin/keys/{name}: revoke it, with the one before it. Jobs that are under way go on; those that wait are not ordered. */
export async function revokeKey(ctx: RouterContext, gateway: Gateway): Promise<void> {
  const row = await liveRowOf(ctx, deskOf(gateway));
  const revokedAt = Date.now();
  await write(ctx, gateway, {
    row: { ...row, changedAt: revokedAt, revokedAt, previousHash: undefined, previousUntil: undefined },
    before: row.version,
    action: "revoked",
  });
}

/** POST /admin/keys/{name}/rotate: another key in its place, whose text the answer alone has. The old one ends now, or after `grace`. */
export async function rotateKey(ctx: RouterContext, gateway: Gateway): Promise<void> {
  const { grace = "0s" } = ctx.query;
  if (!new RegExp(duration.pattern).test(String(grace)))
    throw new GatewayError("invalid_value", `grace must be ${duration.title}`, { param: "grace" });
  const row = await liveRowOf(ctx, deskOf(gateway));
  const { key, ...hashed } = newKey();
  const changedAt = Date.now();
  const life = milliseconds(String(grace));
  const old =
    life > 0 ? { previousHash: row.hash, previousUntil: changedAt + life } : { previousHash: undefined, previousUntil: undefined };
  await write(ctx, gateway, { row: { ...row, ...hashed, ...old, changedAt }, before: row.version, action: "rotated" });
  ctx.body = { ...(ctx.body as object), key };
}

interface Written {
  row: Omit<StoredKey, "version">;
  before: number;
  action: KeyChange["action"];
}

/** Write a key, put it in force here at once, log it, and answer with it. */
async function write(ctx: RouterContext, gateway: Gateway, { row, before, action }: Written): Promise<void> {
  const desk = deskOf(gateway);
  const by = `${ctx.get("user-agent").startsWith("pictor/") ? "pictor keys" : "the API"} at ${ctx.ip}`;
  const written = await desk.rows.write(row, before, { action, by });
  if (!written) throw new GatewayError("conflict", `another changed the key ${row.name} at the same moment; send this again`);
  desk.stored.note(written);
  gateway.log.info({ request: (ctx.state as RequestState).id, key: row.name, action, by, options: row.options }, "a key was changed");
  const known = desk.stored.known.get(row.name);
  ctx.set("cache-control", "no-store");
  ctx.body = known && shown(known, desk);
}

function deskOf({ keyDesk }: Gateway): KeyDesk {
  if (keyDesk) return keyDesk;
  throw new GatewayError("not_found", "this gateway keeps no keys");
}

async function bodyOf(ctx: RouterContext, { spool }: Gateway): Promise<Record<string, unknown>> {
  const scope = spool.scope();
  const { signal } = ctx.state as RequestState;
  try {
    const limits = { ...usualLimits, body: longestOptions };
    const { fields, form } = await readClientBody(ctx.req, limits, scope.inputs, signal);
    if (form) throw new GatewayError("unsupported_media_type", "the body is a form; send application/json");
    if ("key" in fields)
      throw new GatewayError("unknown_parameter", "key: the gateway makes keys itself, and shows each once", { param: "key" });
    return fields;
  } finally {
    await scope.close();
  }
}

/** The row of a name, as it is now; undefined where there was never one. Throws a 409 where the only key of this name stands elsewhere. */
async function rowOf({ stored, fixed }: KeyDesk, name: string): Promise<StoredKey | undefined> {
  await stored.look();
  const row = stored.known.get(name)?.row;
  const other = fixed().find((one) => one.name === name);
  if (other && !live(row))
    throw new GatewayError("conflict", `name: the key ${name} ${standsIn(other)}; it is changed there, and not here`, { param: "name" });
  return row;
}

function live(row: StoredKey | undefined): StoredKey | undefined {
  return row?.revokedAt === undefined ? row : undefined;
}

async function liveRowOf(ctx: RouterContext, desk: KeyDesk): Promise<StoredKey> {
  const { name = "" } = ctx.params;
  const row = await rowOf(desk, name);
  if (row?.revokedAt !== undefined)
    throw new GatewayError("not_found", `the key ${name} was revoked at ${new Date(row.revokedAt).toISOString()}`);
  if (!row) throw none(name);
  return row;
}

function none(name: string): GatewayError {
  return new GatewayError("not_found", `there is no key ${name.slice(0, 100)}; GET /admin/keys lists them`);
}

function standsIn({ source }: FixedKey): string {
  return source === "own" ? "is the one that the gateway made for itself" : `stands in ${source}`;
}

/** Said once more where it may surprise: the key that the gateway made is good as long as no file and no variable has one. */
function noteOf({ fixed }: KeyDesk): { note?: string } {
  const isOpen = fixed().some(({ source }) => source === "own");
  return isOpen
    ? {
        note: "the key that the gateway made for itself at its start is good as before, without limits; `keys: []` in gateway.yaml ends it",
      }
    : {};
}

function newKey(): { key: string; hash: string; begins: string } {
  const key = `pk-${randomBytes(32).toString("base64url")}`;
  return { key, hash: hashOf(key).toString("hex"), begins: key.slice(0, shownOfKey) };
}

function shownFixed(key: FixedKey) {
  return { object: "key", ...key };
}

function shown({ row, client }: KnownKey, { fixed }: KeyDesk) {
  const { name, begins, options, createdAt, changedAt, previousUntil = 0, revokedAt } = row;
  const isTaken = fixed().some((one) => one.name === name);
  const isExpired = (client?.expires ?? Infinity) <= Date.now();
  const status = revokedAt !== undefined ? "revoked" : !client || isTaken ? "refused" : isExpired ? "expired" : "active";
  return {
    object: "key",
    name,
    source: "ledger",
    status,
    begins,
    ...options,
    created_at: seconds(createdAt),
    changed_at: seconds(changedAt),
    ...(previousUntil > Date.now() && { previous_until: seconds(previousUntil) }),
    ...(revokedAt !== undefined && { revoked_at: seconds(revokedAt) }),
  };
}

const seconds = (time: number) => Math.floor(time / 1000);
