// Reads the error in an answer, in the shapes that most providers use.
import { isPlainObject } from "../expression/cel.ts";
import type { Answer } from "./answer.ts";

export interface Usual {
  status: number;
  message?: string;
  code?: string;
  /** The type of the error, if it is given besides the code. */
  type?: string;
  param?: string;
  /** The wait before a retry, in seconds. */
  retryAfter?: number;
  /** The target of a redirect. */
  location?: string;
}

/**
 * Reads the error in an answer of one of these shapes: `{error: {message, code, param}}`, `{error: "text"}`, `{message}`,
 * `{detail: "text" | [{msg, loc}]}`, `{errors: [...]}`, `{title}`, or a list with one of them.
 */
export function usualOf({ status, headers, body }: Answer): Usual {
  const said = shapeOf(body, status);
  return { status, ...said, retryAfter: retryAfter(status, headers, said.message), location: headers.location };
}

function shapeOf(body: unknown, status: number): Pick<Usual, "message" | "code" | "type" | "param"> {
  if (typeof body === "string") return { message: plainText(body) };
  // Some gateways wrap the error into a list with one element.
  if (Array.isArray(body) && body.length === 1) return shapeOf(body[0], status);
  if (!isPlainObject(body)) return {};
  const inner = [body.error, body.detail, body.errors].find((value) => value !== undefined && value !== null) ?? body;
  const first: unknown = Array.isArray(inner) ? inner[0] : inner;
  if (!isPlainObject(first))
    return {
      message: textIn(Array.isArray(inner) ? inner.filter((item) => typeof item === "string").join("; ") : first) ?? textIn(body.message),
      code: textIn(body.code),
      type: textIn(body.type),
    };
  const [code, type] = [textIn(first.code), textIn(first.type)];
  return {
    message: textIn(first.message) ?? textIn(first.msg) ?? textIn(first.error) ?? textIn(body.message) ?? textIn(first.title),
    // A code that only repeats the status is left out.
    code: [code, type].find((text) => text !== undefined && text !== String(status)),
    type,
    param: textIn(first.param) ?? paramOf(first.loc),
  };
}

/** Converts a path such as `["body", "images", 0, "url"]` to `images[0].url`. */
function paramOf(place: unknown): string | undefined {
  if (!Array.isArray(place)) return undefined;
  const steps = place[0] === "body" ? place.slice(1) : place;
  const path = steps.map((step) => (typeof step === "number" ? `[${step}]` : `.${String(step)}`)).join("");
  return textIn(path.replace(/^\./, ""));
}

/** A number or non-empty text, as a text; undefined for anything else. */
export function textIn(value: unknown): string | undefined {
  if (typeof value === "number") return String(value);
  return typeof value === "string" && value !== "" ? value : undefined;
}

/** A body as a message; undefined if it is empty or HTML, which explains nothing to a client. */
function plainText(body: string): string | undefined {
  return body.trimStart().startsWith("<") || body.trim() === "" ? undefined : body;
}

/** Seconds to wait, from `retry-after-ms` or `retry-after`; for a 429 also from the headers of rate limits, or from the message. */
function retryAfter(status: number, headers: Record<string, string>, message: string | undefined): number | undefined {
  const milliseconds = Number(headers["retry-after-ms"]);
  const named = secondsOf(milliseconds > 0 ? String(milliseconds / 1000) : headers["retry-after"]);
  if (named !== undefined || status !== 429) return named;
  return resetIn(headers) ?? secondsIn(message);
}

/** The names of providers' rate limits. Of several, the exhausted one gives the time until its reset. */
const limits = ["-requests", "-images", "-tokens", ""];

function resetIn(headers: Record<string, string>): number | undefined {
  const known = limits.flatMap((limit) => {
    const of = (name: string) => headers[`x-ratelimit-${name}${limit}`] ?? (limit === "" ? headers[`ratelimit-${name}`] : undefined);
    const seconds = untilReset(of("reset"));
    return seconds === undefined ? [] : [{ seconds, isUsedUp: of("remaining") === "0" }];
  });
  return (known.find(({ isUsedUp }) => isUsedUp) ?? known[0])?.seconds;
}

/** Seconds until a reset, from `7s`, `1m30s`, a number of seconds, or a time in epoch seconds or milliseconds. */
function untilReset(text: string | undefined): number | undefined {
  const number = Number(text);
  if (text === undefined || !(number > 1e9)) return secondsOf(text) ?? durationOf(text);
  return secondsOf(String(Math.max(0, (number > 1e12 ? number : number * 1000) - Date.now()) / 1000));
}

const duration = String.raw`(?:\d+(?:\.\d+)?\s*(?:h(?:ours?)?|m(?:in(?:ute)?s?)?|s(?:ec(?:ond)?s?)?|ms|milliseconds?)\s*)+`;
const waitSentence = new RegExp(String.raw`\b(?:again|retry|wait)\b[^.\n\d]{0,30}\b(${duration})(?![a-z])`, "i");

/** Seconds named by a sentence such as "Please try again in 1m30s." */
function secondsIn(message: string | undefined): number | undefined {
  return durationOf(waitSentence.exec(message?.slice(0, 2000) ?? "")?.[1]);
}

const units: Record<string, number> = { h: 3600, m: 60, s: 1 };

function durationOf(text: string | undefined): number | undefined {
  const parts = [...(text ?? "").matchAll(/(\d+(?:\.\d+)?)\s*(milliseconds?|ms|[hms])/gi)];
  const total = parts.reduce(
    (sum, [, count = "0", unit = ""]) => sum + Number(count) * (/^(?:ms|milli)/i.test(unit) ? 0.001 : (units[unit.toLowerCase()] ?? 0)),
    0,
  );
  return parts.length > 0 ? secondsOf(String(total)) : undefined;
}

/** Longest wait that is accepted from a provider's answer, in seconds: a longer one is taken for an error and ignored. */
export const longestWait = 30 * 24 * 3600;

/** Converts a number of seconds or a date to whole seconds from now, at least one; undefined for anything else. */
export function secondsOf(value: string | undefined): number | undefined {
  if (value === undefined) return undefined;
  const plain = Number(value.replace(/s$/, ""));
  const wait = Number.isNaN(plain) ? (Date.parse(value) - Date.now()) / 1000 : plain;
  return Number.isFinite(wait) && wait < longestWait ? Math.max(1, Math.ceil(wait)) : undefined;
}
