// The errors for clients, for providers' failures and for operators.
import { relative } from "node:path";

/** The codes of errors for clients with their HTTP status. docs/errors.md is written from it. */
export const errorStatus = {
  missing_required_parameter: 400,
  invalid_type: 400,
  invalid_value: 400,
  unknown_parameter: 400,
  integer_below_min_value: 400,
  integer_above_max_value: 400,
  string_above_max_length: 400,
  empty_string: 400,
  invalid_json: 400,
  invalid_image_file: 400,
  content_policy_violation: 400,
  invalid_api_key: 401,
  model_not_allowed: 403,
  channel_not_allowed: 403,
  model_not_found: 404,
  not_found: 404,
  method_not_allowed: 405,
  conflict: 409,
  cancelled: 410,
  no_longer_kept: 410,
  request_too_large: 413,
  unsupported_media_type: 415,
  idempotency_key_reused: 422,
  rate_limit_exceeded: 429,
  insufficient_quota: 429,
  internal_error: 500,
  api_not_implemented: 501,
  upstream_error: 502,
  bad_upstream_response: 502,
  no_channel_available: 503,
  ledger_unavailable: 503,
  store_unavailable: 503,
  shutting_down: 503,
  upstream_timeout: 504,
  insufficient_storage: 507,
} as const;

export type ErrorCode = keyof typeof errorStatus;

interface ErrorDetails {
  /** The client's field that was wrong. */
  param?: string | null;
  /** The provider's own code, which takes the place of ours where the provider judged the request. */
  providerCode?: string;
  /** Overrides the code's own status, for a provider's 503. */
  status?: number;
  /** Seconds until a new try makes sense; sent as `retry-after`. */
  retryAfter?: number;
  /** True where the same request may succeed soon; the status decides where it is absent. */
  retry?: boolean;
  cause?: unknown;
}

/** Statuses after which the same request may soon succeed. */
const passing = new Set([429, 502, 503, 504, 507]);

/** An error that a client gets. The message says what was wrong and what would be right, and names no host and no key. */
export class GatewayError extends Error {
  readonly code: string;
  readonly status: number;
  readonly param: string | null;
  readonly retryAfter: number | undefined;
  /** True where the same request may succeed soon, provided that nothing was ordered for this one. */
  readonly retry: boolean;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, { cause: details.cause });
    this.name = "GatewayError";
    this.code = details.providerCode ?? code;
    this.status = details.status ?? errorStatus[code];
    this.param = details.param ?? null;
    this.retryAfter = details.retryAfter;
    this.retry = details.retry ?? passing.has(this.status);
  }

  get type(): string {
    if (this.status === 403) return "permission_error";
    if (this.code === "insufficient_quota") return this.code;
    if (this.status === 429) return "rate_limit_error";
    return this.status < 500 ? "invalid_request_error" : "api_error";
  }

  toJSON(): { error: { message: string; type: string; param: string | null; code: string } } {
    return { error: { message: this.message, type: this.type, param: this.param, code: this.code } };
  }
}

/** Classes of provider failures. The class decides the client's answer and the next attempt. */
export type FailureClass =
  "invalid_request" | "refused" | "auth" | "quota" | "rate_limit" | "overloaded" | "failed" | "timeout" | "bad_response";

export const failureClasses: readonly FailureClass[] = [
  "invalid_request",
  "refused",
  "auth",
  "quota",
  "rate_limit",
  "overloaded",
  "failed",
  "timeout",
  "bad_response",
];

/** The next step after a failure, as a channel's rule sets it: `retry` is the same key again. All but `fail` say that nothing was made. */
export type Then = "fail" | "next_key" | "next_channel" | "retry";

export const thens: readonly Then[] = ["fail", "next_key", "next_channel", "retry"];

interface FailureDetails {
  /** The provider's HTTP status, where it answered. */
  status?: number;
  param?: string;
  code?: string;
  /** Seconds the provider asked to wait. */
  retryAfter?: number;
  /** True when the provider proved, or the network did, that nothing was made: only then may another attempt be made. */
  notAccepted?: boolean;
  /** Set where the operator has to act: the address or the model is not there. */
  misconfigured?: true;
  /** The message as the operator's log has it, with addresses. */
  reason?: string;
  /** The target of a redirect, for the operator. */
  location?: string;
  /** URLs of pictures that were made and could not be fetched: their client may still get them. None shows a key. */
  pictures?: readonly string[];
  /** The next attempt, where a rule of the channel sets it; the class decides where it is absent. */
  then?: Then;
  cause?: unknown;
}

/** A provider's failure in the gateway's own words. It never reaches a client as it is; see `clientError`. */
export class ProviderFailure extends Error {
  readonly kind: FailureClass;
  readonly details: FailureDetails;

  constructor(kind: FailureClass, message: string, details: FailureDetails = {}) {
    super(message, { cause: details.cause });
    this.name = "ProviderFailure";
    this.kind = kind;
    this.details = details;
  }
}

/** True where an order that failed may have made a picture, which may have to be paid for. */
export function mayBeMade(error: unknown): boolean {
  if (!(error instanceof ProviderFailure)) return true;
  return !error.details.notAccepted && error.kind !== "invalid_request" && error.kind !== "refused";
}

/** The same failure where something was made, or may have been: no other attempt may follow. */
export function withoutProof(failure: ProviderFailure): ProviderFailure {
  return new ProviderFailure(failure.kind, failure.message, { ...failure.details, notAccepted: false, then: undefined });
}

/** The first of these failures, with the URLs of the pictures of all. */
export function withPicturesOf<T>(first: T, failures: readonly unknown[]): T | ProviderFailure {
  const pictures = failures.flatMap((failure) => (failure instanceof ProviderFailure ? (failure.details.pictures ?? []) : []));
  if (!(first instanceof ProviderFailure) || pictures.length === 0) return first;
  return new ProviderFailure(first.kind, first.message, { ...first.details, pictures });
}

/** Wait that a client is asked for where an overloaded provider names none, in seconds: the next request would meet the same. */
export const overloadedWait = 5;

/** The client's error for a provider's failure. The operator's problems (`auth`, `quota`) are hidden behind a plain 502. */
export function clientError(failure: ProviderFailure): GatewayError {
  const { kind, details } = failure;
  const message = details.pictures ? `${failure.message}; what was made is at ${details.pictures.join(" and ")}` : failure.message;
  switch (kind) {
    case "invalid_request":
      return new GatewayError("invalid_value", message, { param: details.param, providerCode: details.code, cause: failure });
    case "refused":
      return new GatewayError("content_policy_violation", message, { param: details.param, cause: failure });
    case "auth":
    case "quota":
      return new GatewayError("upstream_error", "the provider refused the gateway's own account; the operator has been told", {
        retry: false,
        cause: failure,
      });
    case "rate_limit":
      return new GatewayError("rate_limit_exceeded", message, { retryAfter: details.retryAfter ?? 1, cause: failure });
    case "overloaded":
    case "failed": {
      // Overload is 503; some providers use 429, which normally means a per-client limit.
      const isBusy = details.status === 503 || (kind === "overloaded" && details.status === 429);
      return new GatewayError("upstream_error", message, {
        status: isBusy ? 503 : 502,
        retryAfter: details.retryAfter ?? (kind === "overloaded" ? overloadedWait : undefined),
        cause: failure,
      });
    }
    case "timeout":
      return new GatewayError("upstream_timeout", message, { cause: failure });
    case "bad_response":
      return new GatewayError("bad_upstream_response", message, { cause: failure });
  }
}

/** A problem in an operator's file. Lines and columns count from 1. */
export interface Problem {
  file: string;
  line: number;
  column: number;
  message: string;
  /** The source line with a caret below the place. */
  frame: string;
}

/** A path as the operator would type it: below the working directory it is relative. */
export function shownPath(path: string): string {
  const short = relative(process.cwd(), path);
  return short.startsWith("..") ? path : short;
}

/** Everything that is wrong with the operator's files, reported at once. */
export class ConfigError extends Error {
  readonly problems: readonly Problem[];

  constructor(problems: readonly Problem[]) {
    super(problems.map((problem) => `${problem.file}:${problem.line}:${problem.column}: ${problem.message}\n${problem.frame}`).join("\n"));
    this.name = "ConfigError";
    this.problems = problems;
  }
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
