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
}

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
    credentials: credentialsIn(env),
  };
}

function flag(url: URL, name: string, usual: boolean): boolean {
  const text = url.searchParams.get(name);
  if (text === null) return usual;
  if (text !== "on" && text !== "off") throw wrong(`has ${name}=${text}; it is on or off`);
  return text === "on";
}

function credentialsIn(env: Readonly<Record<string, string | undefined>>): Credentials {
  const [id, secret, token] = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"].map((name) => env[name]?.trim() ?? "");
  if (!id || !secret) throw new Error("PICTOR_STORE needs AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, the key of its bucket");
  return { id, secret, ...(token && { token }) };
}

function wrong(why: string): Error {
  return new Error(`PICTOR_STORE ${why}; write it as ${example}`);
}
