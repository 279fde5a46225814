// Puts a channel's key or signature on a request.
import { ProviderFailure } from "../../errors.ts";
import { isPlainObject } from "../../expression/cel.ts";
import { encodeJson } from "../body.ts";
import type { OutgoingRequest } from "../send.ts";
import { keyProblem, partsOf, textOf, type Key } from "./key.ts";
import { signSigV4, signTc3, signVolcengine, type Credentials } from "./signature.ts";
import type { AuthSpec } from "./spec.ts";
import { clientCredentials, createTokenStore, serviceAccount, signJwt, type TokenFetcher } from "./token.ts";

export type { Key } from "./key.ts";

/** Puts the key on a request that is otherwise complete. The request must not change afterwards, since it may be signed. */
export interface Authorizer {
  (request: OutgoingRequest, key: Key, signal: AbortSignal): Promise<OutgoingRequest>;
  /** Called when a provider answered with 401: the token that was fetched with the key is not used again. */
  turnedAway?: (key: Key) => void;
}

export interface TokenOptions {
  now?: () => Date;
  fetchToken: TokenFetcher;
  /** Used in place of every token that would be fetched, where only a mock may be called. */
  token?: string;
}

/**
 * Makes the authorizer of a channel. It caches the channel's tokens, so make one authorizer for each channel and not for each call.
 * The authorizer rejects with a ProviderFailure, always `notAccepted`, or with the signal's reason.
 */
export function createAuthorizer(spec: AuthSpec, options: TokenOptions): Authorizer {
  const show = createShow(spec, options);
  const authorize: Authorizer = async (request, key, signal) => {
    const problem = keyProblem(spec, key);
    if (problem !== undefined) throw new ProviderFailure("auth", problem, { notAccepted: true });
    const headers = Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name.toLowerCase(), value]));
    return show({ ...request, headers }, key, signal);
  };
  authorize.turnedAway = show.turnedAway;
  return authorize;
}

interface Show {
  (request: OutgoingRequest, key: Key, signal: AbortSignal): OutgoingRequest | Promise<OutgoingRequest>;
  turnedAway?: (key: Key) => void;
}

function createShow(spec: AuthSpec, { now = () => new Date(), fetchToken, token }: TokenOptions): Show {
  if (spec === "none") return (request) => request;
  if (spec === "bearer") return (request, key) => withHeader(request, "authorization", `Bearer ${textOf(key)}`);
  if (spec === "basic")
    return (request, key) => withHeader(request, "authorization", `Basic ${Buffer.from(textOf(key)).toString("base64")}`);
  if ("header" in spec) return (request, key) => withHeader(request, spec.header, worded(spec.scheme, textOf(key)));
  if ("query" in spec) return (request, key) => withParameter(request, spec.query, textOf(key));
  if ("body" in spec) return (request, key) => withMember(request, spec.body, textOf(key));

  const pair = (key: Key) => partsOf(spec, key) as Record<string, string> & Credentials;
  if ("sigv4" in spec) return (request, key) => signSigV4(request, spec.sigv4, pair(key), now());
  if ("volcengine" in spec) return (request, key) => signVolcengine(request, spec.volcengine, pair(key), now());
  if ("tc3" in spec) return (request, key) => signTc3(request, spec.tc3, pair(key), now());
  if ("jwt" in spec)
    return async (request, key) => withToken(request, spec.jwt.scheme ?? "Bearer", await signJwt(spec.jwt, pair(key), now()));

  if (token !== undefined) return (request) => withToken(request, "Bearer", token);
  const tokens = createTokenStore(fetchToken, now);
  const ask = async (key: Key) =>
    "oauth2" in spec
      ? clientCredentials(spec.oauth2, pair(key).id, pair(key).secret)
      : serviceAccount(spec.google_service_account, pair(key), now());
  const show: Show = async (request, key, signal) =>
    withToken(request, "Bearer", await tokens.get(JSON.stringify(key), () => ask(key), signal));
  show.turnedAway = (key) => tokens.forget(JSON.stringify(key));
  return show;
}

function worded(word: string | undefined, text: string): string {
  return word ? `${word} ${text}` : text;
}

function withHeader(request: OutgoingRequest, name: string, value: string): OutgoingRequest {
  return { ...request, headers: { ...request.headers, [name.toLowerCase()]: value } };
}

function withToken(request: OutgoingRequest, scheme: string, token: string): OutgoingRequest {
  return { ...withHeader(request, "authorization", worded(scheme, token)), secrets: [token] };
}

function withParameter(request: OutgoingRequest, name: string, value: string): OutgoingRequest {
  const url = new URL(request.url);
  url.searchParams.set(name, value);
  return { ...request, url: url.href };
}

/** Puts the key into a JSON body at a path. A body that is not JSON is left as it is. */
async function withMember(request: OutgoingRequest, path: string, text: string): Promise<OutgoingRequest> {
  const { body, headers } = request;
  if (!body || !/\bjson\b/.test(headers["content-type"] ?? "")) return request;
  const value: unknown = Buffer.isBuffer(body) ? JSON.parse(body.toString("utf8")) : body.value;
  return { ...request, body: await encodeJson(placed(value, path.split("."), text)) };
}

function placed(value: unknown, [step, ...rest]: string[], text: string): unknown {
  if (step === undefined) return text;
  if (Array.isArray(value)) return value.map((item: unknown, index) => (String(index) === step ? placed(item, rest, text) : item));
  const members = isPlainObject(value) ? value : {};
  return { ...members, [step]: placed(members[step], rest, text) };
}
