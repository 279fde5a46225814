// Calls a store in S3: signs each call, and repeats a call whose failure may be temporary.
import { setTimeout as delay } from "node:timers/promises";
import { ProviderFailure } from "../../errors.ts";
import { presignSigV4, signSigV4 } from "../auth/signature.ts";
import { readBody, send, type IncomingAnswer, type OutgoingRequest } from "../send.ts";
import type { S3Address } from "./address.ts";
import { failureOf, S3Failure } from "./failure.ts";

/** A call of the store. */
export interface S3Call {
  method: OutgoingRequest["method"];
  /** The object's name without the prefix; absent for a call of the bucket itself. */
  key?: string;
  query?: Record<string, string>;
  headers?: Record<string, string>;
  body?: OutgoingRequest["body"];
  /** The body's SHA-256 in hex, where it is known. */
  payload?: string;
}

export interface S3Client {
  /** Resolves with an answer of status 2xx, or 404 for a missing object; its body must be read or destroyed. Rejects with `S3Failure`. */
  call(call: S3Call): Promise<IncomingAnswer>;
  /** As `call`, and reads the body as text. */
  text(call: S3Call): Promise<{ status: number; text: string }>;
  /** A URL with which anybody may GET an object for `seconds`. */
  presign(key: string, seconds: number): string;
}

/** Tries of a call of the store that fails for the moment only: with the waits between them they take a second or two. */
export const mostTries = 4;

/** Wait before the second try of a call of the store, in milliseconds: each further wait is twice as long, and all are varied by chance. */
export const firstWait = 150;

/** Time in which the store must begin to answer a call, in milliseconds: a bucket with many objects lists slowly. */
export const storePatience = 20_000;

/** Time that a call of the store may take to be sent and answered, in milliseconds: a picture of 20 MB may be slow to transfer. */
export const longestCall = 120_000;

/** Time after an outage of the store in which a call is tried only once, in milliseconds: clients must not wait for retries that will fail. */
export const awayTime = 5_000;

/** Largest text that is read from an answer of the store, in bytes: a page of its list has less. */
export const largestText = 4 * 1024 * 1024;

export function createS3Client(
  address: S3Address,
  { now = () => new Date(), wait = firstWait }: { now?: () => Date; wait?: number } = {},
): S3Client {
  const { bucket, prefix, region, credentials } = address;
  const origin = new URL(address.endpoint);
  if (!address.pathStyle) origin.host = `${bucket}.${origin.host}`;
  const base = `${origin.origin}/${address.pathStyle ? `${bucket}/` : ""}`;
  let away = -Infinity;

  async function once({ method, key, query = {}, headers = {}, body, payload }: S3Call): Promise<IncomingAnswer> {
    const url = `${base}${key === undefined ? "" : prefix + key}?${new URLSearchParams(query).toString()}`;
    const plain = { method, url, headers: { "accept-encoding": "identity", ...headers }, body };
    const signed = await signSigV4(plain, { service: "s3", region, payload }, credentials, now());
    const signal = AbortSignal.timeout(longestCall);
    const answer = await send(signed, signal, { firstByte: storePatience });
    // A missing object is a valid answer; a missing bucket is an operator's mistake.
    const isMissing = answer.status === 404 && method === "HEAD";
    if ((answer.status >= 200 && answer.status < 300) || isMissing) return answer;
    const text = method === "HEAD" ? "" : (await readBody(answer, largestText, signal)).toString();
    answer.body.destroy();
    const [, code = ""] = /<Code>(\w+)<\/Code>/.exec(text) ?? [];
    if (code === "NoSuchKey") return answer;
    throw failureOf({ ...answer, code }, address);
  }

  async function call(wanted: S3Call): Promise<IncomingAnswer> {
    const tries = performance.now() - away < awayTime ? 1 : mostTries;
    for (let tried = 1; ; tried += 1) {
      try {
        const answer = await once(wanted);
        away = -Infinity;
        return answer;
      } catch (error) {
        const failure = error instanceof S3Failure ? error : unreachable(error);
        if (!failure.passes) throw failure;
        if (tried >= tries) {
          away = performance.now();
          throw failure;
        }
        await delay(wait * 2 ** (tried - 1) * (0.5 + Math.random()));
      }
    }
  }

  return {
    call,
    text: async (wanted) => {
      const answer = await call(wanted);
      const body = await readBody(answer, largestText, AbortSignal.timeout(longestCall)).catch((error: unknown) => {
        throw unreachable(error);
      });
      return { status: answer.status, text: body.toString() };
    },
    presign: (key, seconds) => presignSigV4(base + prefix + key, { region }, credentials, { now: now(), seconds }),
  };
}

/** The failure for a call that got no answer. */
function unreachable(error: unknown): S3Failure {
  const { cause = error } = error instanceof ProviderFailure ? error.details : {};
  return new S3Failure("the store of PICTOR_STORE cannot be reached", { passes: true, cause });
}
