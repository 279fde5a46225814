// `pictor keys`: clients' keys that are added, changed, rotated and revoked while the gateway runs.
import { colours } from "../process/colours.ts";
import { asOperator, dateOf } from "./call.ts";
import { keyOptionsOf } from "./key-flags.ts";

type Env = Readonly<Record<string, string | undefined>>;
type Say = (line: string) => void;

/** The gateway that a command calls, and its output. */
export interface KeysOptions {
  url: string;
  json?: boolean;
}

/** Prints what it found; `note` gets what is said beside it, so that a script can keep the key alone. */
interface Around {
  env: Env;
  say: Say;
  note: Say;
}

interface Shown {
  name: string;
  source: string;
  client?: string;
  status?: string;
  begins?: string;
  created_at?: number;
  changed_at?: number;
  previous_until?: number;
  revoked_at?: number;
}

interface Made extends Shown {
  key: string;
  note?: string;
}

const pathOf = (name: string) => `/admin/keys/${encodeURIComponent(name)}`;

/** `pictor keys add`: a key for a client. It is said once. This and the other commands throw an Error where no gateway answers, or where it refuses. */
export async function addKey(name: string, { url, json, ...given }: KeysOptions & Record<string, unknown>, around: Around): Promise<void> {
  const body = { name, ...keyOptionsOf(given) };
  sayKey(await asOperator<Made>(url, "/admin/keys", { method: "POST", json: body }, around.env), json, around);
}

/** `pictor keys rotate`: another key in its place. The old one ends at once, or after `grace`. */
export async function rotateKey(name: string, { url, json, grace }: KeysOptions & { grace?: string }, around: Around): Promise<void> {
  const query = grace === undefined ? "" : `?${new URLSearchParams({ grace }).toString()}`;
  sayKey(await asOperator<Made>(url, `${pathOf(name)}/rotate${query}`, "POST", around.env), json, around);
}

function sayKey(made: Made, json: boolean | undefined, { say, note }: Around): void {
  if (json) {
    say(JSON.stringify(made, null, 2));
    return;
  }
  say(made.key);
  note(`this is the key of ${made.name}; it is shown this once, and only its SHA-256 is kept`);
  if (made.previous_until !== undefined) note(`the one before it is good until ${dateOf(made.previous_until)}`);
  if (made.note !== undefined) note(made.note);
}

/** `pictor keys change`: give it something else; `unset` names what is taken away, separated by commas. */
export async function changeKey(
  name: string,
  { url, json, unset, ...given }: KeysOptions & { unset?: string } & Record<string, unknown>,
  { env, say }: Around,
): Promise<void> {
  const taken = (unset?.split(",") ?? []).map((option) => [option.trim(), null]);
  const patch = { ...Object.fromEntries(taken), ...keyOptionsOf(given) } as object;
  sayOne(await asOperator<Shown>(url, pathOf(name), { method: "PATCH", json: patch }, env), json, say);
}

/** `pictor keys revoke`: end a key. */
export async function revokeKey(name: string, { url, json }: KeysOptions, { env, say }: Around): Promise<void> {
  sayOne(await asOperator<Shown>(url, pathOf(name), "DELETE", env), json, say);
}

/** `pictor keys list`: all clients and their keys. */
export async function listKeys({ url, json }: KeysOptions, { env, say }: Around): Promise<void> {
  const { data } = await asOperator<{ data: Shown[] }>(url, "/admin/keys", "GET", env);
  if (json) say(JSON.stringify(data, null, 2));
  else if (data.length === 0) say("no keys");
  else for (const one of data) say(lineOf(one));
}

/** `pictor keys show`: one of them, and what was done with it. */
export async function showKey(name: string, { url, json }: KeysOptions, { env, say }: Around): Promise<void> {
  const one = await asOperator<Shown>(url, pathOf(name), "GET", env);
  const isStored = one.source === "ledger";
  const { data: changes } = isStored ? await asOperator<{ data: Change[] }>(url, `${pathOf(name)}/changes`, "GET", env) : { data: [] };
  say(json ? JSON.stringify({ ...one, changes }, null, 2) : lineOf(one));
  if (json) return;
  for (const { at, action, by, options } of changes) say(`  ${dateOf(at)} ${action} by ${by}${inWords(options)}`);
}

interface Change {
  at: number;
  action: string;
  by: string;
  options: object;
}

function sayOne(one: Shown, json: boolean | undefined, say: Say): void {
  say(json ? JSON.stringify(one, null, 2) : lineOf(one));
}

const paints: Readonly<Record<string, (text: string) => string>> = { active: colours.green, refused: colours.red, expired: colours.red };

const sources: Readonly<Record<string, string>> = { own: "made by the gateway, which has no other" };

function lineOf({ name, source, client, status, begins, created_at: createdAt, ...rest }: Shown): string {
  if (status === undefined || createdAt === undefined) {
    const requests = client === undefined ? "" : `; its requests are those of ${client}`;
    return `${name} ${colours.dim(`${sources[source] ?? `in ${source}`}${requests}`)}`;
  }
  const { previous_until: until, revoked_at: revokedAt, ...options } = rest;
  const ends = until === undefined ? "" : `, the one before it until ${dateOf(until)}`;
  const since = revokedAt === undefined ? `since ${dateOf(createdAt)}` : `at ${dateOf(revokedAt)}`;
  return `${name} ${(paints[status] ?? colours.dim)(status)} ${since} ${begins}...${ends}${inWords(options)}`;
}

function inWords(options: object): string {
  const parts = Object.entries(options).filter(([option]) => !["object", "changed_at"].includes(option));
  const text = parts.map(([option, value]) => `${option} ${typeof value === "string" ? value : JSON.stringify(value)}`);
  return text.length === 0 ? "" : `: ${text.join(", ")}`;
}
