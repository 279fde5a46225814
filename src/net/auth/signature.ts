// Signs requests by the schemes that cloud providers use.
import { createHash, createHmac } from "node:crypto";
import { hashOf } from "../body.ts";
import type { OutgoingRequest } from "../send.ts";

/** The credentials to sign with: a pair, and a session token if the pair is temporary. */
export interface Credentials {
  id: string;
  secret: string;
  token?: string;
}

/** Signs a request for the service and region in `scope`. The request's header names must be in lower case. */
type Sign<Scope> = (request: OutgoingRequest, scope: Scope, credentials: Credentials, now: Date) => Promise<OutgoingRequest>;

interface Scheme {
  algorithm: string;
  /** The first key of the chain; each part of the scope makes the next one. */
  secret: string;
  scope: string[];
  time: string;
  /** The hash of the body. */
  payload: string;
  /** The path to sign, where it differs from the path that is sent. */
  path?: string;
  signs: RegExp;
}

/** The scope of a signature of AWS. `payload` is the body's SHA-256 in hex, where it is known. */
interface SigV4Scope {
  service: string;
  region: string;
  payload?: string;
}

/** AWS Signature Version 4. */
export const signSigV4: Sign<SigV4Scope> = async (request, { service, region, payload: known }, { id, secret, token }, now) => {
  const time = basic(now);
  const { pathname } = new URL(request.url);
  const plain = service === "s3";
  const payload = known ?? (await hashOf(request.body));
  const headers = {
    ...request.headers,
    "x-amz-date": time,
    ...(token && { "x-amz-security-token": token }),
    ...(plain && { "x-amz-content-sha256": payload }),
  };
  return signed({ ...request, headers }, id, {
    algorithm: "AWS4-HMAC-SHA256",
    secret: `AWS4${secret}`,
    scope: [time.slice(0, 8), region, service, "aws4_request"],
    time,
    payload,
    // Every service but S3 signs the path encoded twice.
    path: plain ? pathname.replace(/[^\w.~/%-]/g, percent) : escape(pathname.replace(/\/+/g, "/")).replaceAll("%2F", "/"),
    signs: /^(host|content-type|x-amz-.+)$/,
  });
};

/** A URL with AWS Signature Version 4 in its query: anybody may GET the object with it for `at.seconds`. */
export function presignSigV4(url: string, { region }: Pick<SigV4Scope, "region">, { id, secret, token }: Credentials, at: Signing): string {
  const time = basic(at.now);
  const scope = [time.slice(0, 8), region, "s3", "aws4_request"];
  const target = new URL(url);
  const query = {
    "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
    "X-Amz-Credential": `${id}/${scope.join("/")}`,
    "X-Amz-Date": time,
    "X-Amz-Expires": String(at.seconds),
    "X-Amz-SignedHeaders": "host",
    ...(token && { "X-Amz-Security-Token": token }),
  };
  target.search = canonicalQuery(new URLSearchParams(query));
  const scheme = { algorithm: "AWS4-HMAC-SHA256", secret: `AWS4${secret}`, scope, time, payload: "UNSIGNED-PAYLOAD" };
  return `${target.href}&X-Amz-Signature=${signatureOf({ method: "GET", url: target, headers: [["host", target.host]] }, scheme)}`;
}

/** The time of a signature, and the seconds for which it is good. */
interface Signing {
  now: Date;
  seconds: number;
}

/** Volcengine's HMAC-SHA256. */
export const signVolcengine: Sign<{ service: string; region: string }> = async (
  request,
  { service, region },
  { id, secret, token },
  now,
) => {
  const time = basic(now);
  const payload = await hashOf(request.body);
  const headers = {
    ...request.headers,
    "x-date": time,
    "x-content-sha256": payload,
    ...(token && { "x-security-token": token }),
  };
  return signed({ ...request, headers }, id, {
    algorithm: "HMAC-SHA256",
    secret,
    scope: [time.slice(0, 8), region, service, "request"],
    time,
    payload,
    signs: /^(host|x-content-sha256|x-date|x-security-token)$/,
  });
};

/** TC3-HMAC-SHA256. */
export const signTc3: Sign<{ service: string }> = async (request, { service }, { id, secret, token }, now) => {
  const time = String(Math.floor(now.getTime() / 1000));
  const headers = {
    // The scheme signs a content type even when a call has no body.
    "content-type": "application/x-www-form-urlencoded",
    ...request.headers,
    "x-tc-timestamp": time,
    ...(token && { "x-tc-token": token }),
  };
  return signed({ ...request, headers }, id, {
    algorithm: "TC3-HMAC-SHA256",
    secret: `TC3${secret}`,
    scope: [now.toISOString().slice(0, 10), service, "tc3_request"],
    time,
    payload: await hashOf(request.body),
    signs: /^(host|content-type)$/,
  });
};

/**
 * Signs a request; the three schemes differ only in the values of `Scheme`. The request is sent exactly as it was signed: its query sorted and
 * escaped, its headers without spare spaces.
 */
function signed(request: OutgoingRequest, id: string, scheme: Scheme): OutgoingRequest {
  const url = new URL(request.url);
  url.search = canonicalQuery(url.searchParams);
  const headers = Object.entries({ host: url.host, ...request.headers })
    .filter(([name]) => scheme.signs.test(name))
    .map(([name, value]) => [name, value.trim().replace(/\s+/g, " ")] as const)
    .sort(byName);
  const signature = signatureOf({ method: request.method, url, headers }, scheme);
  const names = headers.map(([name]) => name).join(";");
  return {
    ...request,
    url: url.href,
    secrets: [signature],
    headers: {
      ...request.headers,
      ...Object.fromEntries(headers),
      authorization: `${scheme.algorithm} Credential=${id}/${scheme.scope.join("/")}, SignedHeaders=${names}, Signature=${signature}`,
    },
  };
}

interface Canonical {
  method: string;
  /** With its query in canonical form. */
  url: URL;
  /** The signed headers, sorted by name. */
  headers: readonly (readonly [name: string, value: string])[];
}

function signatureOf({ method, url, headers }: Canonical, scheme: Omit<Scheme, "signs">): string {
  const canonical = [
    method,
    scheme.path ?? url.pathname,
    url.search.slice(1),
    ...headers.map(([name, value]) => `${name}:${value}`),
    "",
    headers.map(([name]) => name).join(";"),
    scheme.payload,
  ].join("\n");
  const key = scheme.scope.reduce<string | Buffer>((before, part) => hmac(before, part), scheme.secret);
  return hmac(key, [scheme.algorithm, scheme.time, scheme.scope.join("/"), hash(canonical)].join("\n")).toString("hex");
}

function canonicalQuery(query: URLSearchParams): string {
  const pairs = [...query].map(([name, value]) => [escape(name), escape(value)] as const);
  return pairs
    .sort((one, other) => byName(one, other) || order(one[1], other[1]))
    .map(([name, value]) => `${name}=${value}`)
    .join("&");
}

function byName(one: readonly [string, string], other: readonly [string, string]): number {
  return order(one[0], other[0]);
}

/** By code units: a signature knows no language. */
function order(one: string, other: string): number {
  return Number(one > other) - Number(one < other);
}

/** RFC 3986's escapes: everything but letters, digits and `-._~`. */
function escape(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, percent);
}

function percent(character: string): string {
  return `%${character.charCodeAt(0).toString(16).toUpperCase()}`;
}

/** `20260102T030405Z`. */
function basic(date: Date): string {
  return date.toISOString().replace(/[:-]|\.\d{3}/g, "");
}

function hash(bytes: string): string {
  return createHash("sha256").update(bytes).digest("hex");
}

function hmac(key: string | Buffer, text: string): Buffer {
  return createHmac("sha256", key).update(text).digest();
}
