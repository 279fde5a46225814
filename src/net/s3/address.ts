// Reads the address of a store of pictures in S3.
import type { Credentials } from "../auth/signature.ts";

/** A bucket, and how it is reached. */
export interface S3Address {
  bucket: string;
  /** The beginning of the objects' names: empty, or ending with a slash. */
  prefix: string;
  region: string;
  /** The origin of the service, such as `https://s3.example`. */
  endpoint: string;
  /** True where the bucket stands in the path, false where it stands in the host. */
  pathStyle: boolean;
  /** True where clients are redirected to the store for pictures. */
  redirect: boolean;
  credentials: Credentials;
  /** The variables of the environment that the credentials came from. */
  variables: KeyVariables;
}

/** Names of the variables of a key. */
export interface KeyVariables {
  readonly id: string;
  readonly secret: string;
  readonly token?: string;
}

const ownKey: KeyVariables = { id: "PICTOR_STORE_KEY_ID", secret: "PICTOR_STORE_SECRET" };
const usualKey: KeyVariables = { id: "AWS_ACCESS_KEY_ID", secret: "AWS_SECRET_ACCESS_KEY", token: "AWS_SESSION_TOKEN" };

const example = "s3://bucket/prefix?endpoint=https://s3.example.com&region=eu-central-1";

const known = ["endpoint", "region", "path_style", "redirect"];

/** Reads `PICTOR_STORE` and its credentials. Throws an Error that names the variable and says what it takes; the message shows no secret. */
export function readS3Address(text: string, env: Readonly<Record<string, string | undefined>>): S3Address {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol !== "s3:" || url.username !== "" || !/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(url.host))
    throw wrong("must be an address with the bucket's name");
  const path = url.pathname.replace(/^\/+|\/+$/g, "");
  if (!/^[\w./-]*$/.test(path) || /(^|\/)\.{0,2}\//.test(`${path}/`.replace(/^\/$/, "")))
    throw wrong("has a prefix of other than letters, digits and . _ - /");
  const unknown = [...url.searchParams.keys()].find((name) => !known.includes(name));
  if (unknown !== undefined) throw wrong(`has ${unknown}; it takes ${known.join(", ")}`);
  const endpoint = url.searchParams.get("endpoint") ?? "";
  if (!URL.canParse(endpoint) || !/^https?:$/.test(new URL(endpoint).protocol) || new URL(endpoint).pathname !== "/")
    throw wrong("needs endpoint, the origin of the service");
  return {
    bucket: url.host,
    prefix: path === "" ? "" : `${path}/`,
    region: url.searchParams.get("region") ?? "us-east-1",
    endpoint: new URL(endpoint).origin,
    pathStyle: flag(url, "path_style", true),
    redirect: flag(url, "redirect", false),
    ...keyIn(env),
  };
}

function flag(url: URL, name: string, usual: boolean): boolean {
  const text = url.searchParams.get(name);
  if (text === null) return usual;
  if (text !== "on" && text !== "off") throw wrong(`has ${name}=${text}; it is on or off`);
  return text === "on";
}

/** The usual key switches on channels that use it: a store elsewhere has a key of its own. */
function keyIn(env: Readonly<Record<string, string | undefined>>): Pick<S3Address, "credentials" | "variables"> {
  const valueOf = (name = "") => env[name]?.trim() ?? "";
  const variables = valueOf(ownKey.id) || valueOf(ownKey.secret) ? ownKey : usualKey;
  const [id, secret, token] = [valueOf(variables.id), valueOf(variables.secret), valueOf(variables.token)];
  if (!id || !secret) {
    const [own, usual] = [ownKey, usualKey].map((key) => `${key.id} and ${key.secret}`);
    throw new Error(`PICTOR_STORE needs ${own}, or ${usual}, the key of its bucket`);
  }
  return { credentials: { id, secret, ...(token && { token }) }, variables };
}

function wrong(why: string): Error {
  return new Error(`PICTOR_STORE ${why}; write it as ${example}`);
}
