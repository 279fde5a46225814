// Fetches access tokens and keeps them until shortly before they expire.
import { createPrivateKey, type KeyObject } from "node:crypto";
import { ProviderFailure } from "../../errors.ts";
import { isPlainObject } from "../../expression/cel.ts";
import type { OutgoingRequest } from "../send.ts";
import type { Claim, JwtSpec, OAuth2Spec } from "./spec.ts";

type Parts = Readonly<Record<string, string>>;

/** Asks a token server. Rejects with a ProviderFailure, or with the signal's reason. */
export type TokenFetcher = (request: OutgoingRequest, signal: AbortSignal) => Promise<{ status: number; body: unknown }>;

export interface TokenStore {
  /** A token for the key of that name; `ask` says how to ask for a new one. */
  get(name: string, ask: () => Promise<OutgoingRequest>, signal: AbortSignal): Promise<string>;
  /** Drops a token that the provider rejected: the next `get` fetches a new one. */
  forget(name: string): void;
}

/** Time before its expiry from which a token is no longer used, in milliseconds: it must be valid until the provider has checked it. */
export const margin = 60_000;
/** Time that a token server may take, in milliseconds: requests wait for it. */
export const patience = 30_000;
/** Life of a token whose server states none, in seconds: every known server grants more. */
export const usualLife = 300;

// Error codes of RFC 6749. No other text of a token server is shown, since it may repeat the secret that was sent to it.
const knownErrors = /^(invalid_(request|client|grant|scope)|unauthorized_client|unsupported_grant_type)$/;

/**
 * Keeps tokens until shortly before they expire, and fetches one at a time for each key. A caller's signal ends only that caller's wait,
 * since others may wait for the same token. Rejects with a ProviderFailure that is `notAccepted`; a failure is not cached.
 */
export function createTokenStore(fetchToken: TokenFetcher, now: () => Date): TokenStore {
  const kept = new Map<string, { token: Promise<string>; until: number }>();

  async function obtain(ask: () => Promise<OutgoingRequest>): Promise<{ token: string; until: number }> {
    const began = now().getTime();
    const { status, body } = await fetchToken(await ask(), AbortSignal.timeout(patience)).catch((error: unknown) => {
      throw failed(error instanceof ProviderFailure ? error.kind : "timeout", "the token server did not answer");
    });
    const { access_token: token, expires_in: life, error } = isPlainObject(body) ? body : {};
    if (status >= 200 && status < 300 && typeof token === "string" && token !== "") {
      const seconds = Number(life);
      return { token, until: began + (seconds > 0 ? seconds : usualLife) * 1000 - margin };
    }
    const code = typeof error === "string" && knownErrors.test(error) ? ` and ${error}` : "";
    const kind = status === 429 ? "rate_limit" : status >= 500 ? "overloaded" : "auth";
    throw failed(kind, `the token server answered with status ${status}${code}, but no access_token`, status);
  }

  function get(name: string, ask: () => Promise<OutgoingRequest>, signal: AbortSignal): Promise<string> {
    const known = kept.get(name);
    if (known && now().getTime() < known.until) return untilAborted(known.token, signal);
    const fetched = obtain(ask);
    const fresh = { token: fetched.then(({ token }) => token), until: Infinity };
    kept.set(name, fresh);
    fetched.then(
      ({ until }) => (fresh.until = until),
      () => kept.delete(name),
    );
    return untilAborted(fresh.token, signal);
  }

  return { get, forget: (name) => kept.delete(name) };
}

function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason as Error);
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort);
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}

function failed(kind: ProviderFailure["kind"], message: string, status?: number): ProviderFailure {
  return new ProviderFailure(kind, message, { status, notAccepted: true });
}

/** The form that asks for a token with client credentials. */
export function clientCredentials(spec: OAuth2Spec, id: string, secret: string): OutgoingRequest {
  const { token_url, scope, audience, auth_method } = spec;
  const form = { grant_type: "client_credentials", ...(scope && { scope }), ...(audience && { audience }) };
  if (auth_method !== "client_secret_basic") return postForm(token_url, { ...form, client_id: id, client_secret: secret });
  // RFC 6749 (2.3.1) escapes the id and the secret before joining them, so that an id may hold a colon.
  const pair = [id, secret].map((text) => new URLSearchParams({ "": text }).toString().slice(1)).join(":");
  return postForm(token_url, form, { authorization: `Basic ${Buffer.from(pair).toString("base64")}` });
}

/** The form that exchanges a service account's assertion for a token. */
export async function serviceAccount(spec: { scope: string; token_url: string }, parts: Parts, now: Date): Promise<OutgoingRequest> {
  const url = spec.token_url;
  const claims = { iss: "${key.email}", scope: spec.scope, aud: url, iat: "${now}", exp: "${now + 3600}" };
  const assertion = await signJwt({ algorithm: "RS256", claims }, parts, now);
  return postForm(url, { grant_type: "urn:ietf:params:oauth:grant-type:jwt-bearer", assertion });
}

function postForm(url: string, form: Record<string, string>, headers: Record<string, string> = {}): OutgoingRequest {
  return {
    method: "POST",
    url,
    headers: { accept: "application/json", "content-type": "application/x-www-form-urlencoded", ...headers },
    body: Buffer.from(new URLSearchParams(form).toString()),
  };
}

/** A JWT with the channel's claims, in their order. Rejects with ProviderFailure `auth` for a key that cannot sign. */
export async function signJwt(spec: JwtSpec, parts: Parts, now: Date): Promise<string> {
  const count = spec.unit === "milliseconds" ? now.getTime() : Math.floor(now.getTime() / 1000);
  const claims = Object.fromEntries(Object.entries(spec.claims).map(([name, claim]) => [name, valueOf(claim, parts, count)]));
  // Loaded on first use: few channels sign tokens, and the library is as large as everything else that a start loads for the network.
  const { SignJWT } = await import("jose");
  const token = new SignJWT(claims).setProtectedHeader({ alg: spec.algorithm, ...(spec.header ?? { typ: "JWT" }) });
  if (spec.algorithm === "HS256") return token.sign(Buffer.from(String(parts.secret)));
  const key = privateKey(String(parts.private_key));
  return token.sign(key).catch(() => {
    throw failed("auth", "the private_key is not an RSA key of at least 2048 bits");
  });
}

function valueOf(claim: Claim, parts: Parts, now: number): Claim | undefined {
  const [, part, time, sign = "+", distance = "0"] = /^\$\{(?:key\.(\w+)|(now)(?: ([+-]) (\d+))?)\}$/.exec(String(claim)) ?? [];
  if (part !== undefined) return parts[part];
  return time === undefined ? claim : now + Number(sign + distance);
}

/** Reads a PEM key. In a key from an environment variable the line breaks are often written as `\n`. */
function privateKey(pem: string): KeyObject {
  try {
    return createPrivateKey(pem.replaceAll("\\n", "\n"));
  } catch {
    throw failed("auth", "the private_key is not a key in PEM form, -----BEGIN PRIVATE KEY-----");
  }
}
