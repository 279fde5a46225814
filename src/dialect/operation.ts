import { validateHeaderName, validateHeaderValue } from "node:http";
import { messageOf, ProviderFailure } from "../errors.ts";
import { ExpressionFailure, isPlainObject, missing, type Variables } from "../expression/cel.ts";
import type { Names } from "../expression/names.ts";
import { compileTemplate, compileUrl, textOf, type Path, type Rendering, type Report, type Template } from "../expression/template.ts";
import { secretsOf, sign, type AuthKind, type Key } from "../net/auth.ts";
import { readBody, send, type IncomingAnswer, type OutgoingRequest } from "../net/send.ts";
import { parseLifted } from "../picture/lift.ts";
import type { PluginContext, Result } from "../plugin/context.ts";
import { readSize } from "../size.ts";
import {
  answerCondition,
  compileRule,
  hide,
  unfit,
  usualFailure,
  withoutSecrets,
  type Answer,
  type Rule,
  type RuleSpec,
} from "./failure.ts";
import { compileResult, type Extract, type ResultSpec } from "./result.ts";

export const methods = ["get", "post", "put", "patch", "delete"] as const;

/** `request` of an operation: one method with its path, and what goes with it. */
export type RequestSpec = Partial<Record<(typeof methods)[number], string>> & {
  query?: Record<string, unknown>;
  headers?: Record<string, unknown>;
  json?: unknown;
};

export interface OperationSpec {
  request: RequestSpec;
  success?: string;
  result: ResultSpec;
}

/** A channel's operation for one model, compiled: the provider's dialect and nothing else. */
export interface Operation {
  /** Render the request of one call. Throws a 400 where a value cannot be sent. */
  render(call: Call): Rendered;
  /** Send what was rendered, and read the pictures out of the answer. Throws `ProviderFailure`. */
  run(rendered: Rendered, call: Call): Promise<Result>;
}

/** What one call needs to know beside the dialect. */
export interface Call {
  ctx: Pick<PluginContext, "request" | "model" | "change" | "signal">;
  baseUrl: string;
  variables: Record<string, unknown>;
  auth: AuthKind;
  key: Key | undefined;
}

export interface Rendered {
  request: OutgoingRequest;
  /** Fields of the unified request that went into it; `undefined` where the whole request did. */
  used: ReadonlySet<string> | undefined;
}

/** A provider's JSON answer, in bytes, at most. */
const answerLimit = 256 * 1024 * 1024;

/** Compile an operation of a channel for one model. Mistakes go to `report`. */
export function compileOperation(
  spec: OperationSpec,
  rules: readonly RuleSpec[],
  path: Path,
  names: Record<"request" | "result" | "image" | "errors", Names>,
  report: Report,
): Operation {
  const request = compileRequest(spec.request, [...path, "request"], names.request, report);
  const success =
    spec.success === undefined ? undefined : answerCondition(spec.success, [...path, "success"], { names: names.result, report });
  const extract = compileResult(spec.result, [...path, "result"], names, report);
  const errors = rules.map((rule, index) => compileRule(rule, ["errors", index], { names: names.errors, report }));
  return {
    render: (call) => request(call),
    run: async ({ request: outgoing }, call) => {
      const answer = await readAnswer(await send(outgoing, call.ctx.signal), call.ctx.signal);
      const { host, hostname } = new URL(call.baseUrl);
      const secrets = [...secretsOf(call.key === undefined ? [] : [call.key]), host, hostname];
      try {
        const result = understand(answer, variablesOf(call), { errors, success, extract });
        for (const told of result.errors) told.message = hide(told.message, secrets);
        return result;
      } catch (error) {
        throw error instanceof ProviderFailure ? withoutSecrets(error, secrets) : error;
      }
    },
  };
}

function compileRequest(spec: RequestSpec, path: Path, names: Names, report: Report): (call: Call) => Rendered {
  const options = { names, report };
  const method = methods.find((name) => spec[name] !== undefined) ?? "post";
  const address = spec[method] ?? "";
  if (!/^(?:\/|https?:\/\/|\$\{)/.test(address)) report([...path, method], `a path begins with /: /${address}`);
  const url = compileUrl(address, [...path, method], options);
  const query = compileTemplate(spec.query ?? {}, [...path, "query"], options);
  for (const name of Object.keys(spec.headers ?? {})) {
    try {
      validateHeaderName(name);
    } catch (error) {
      report([...path, "headers", name], messageOf(error));
    }
  }
  const headers = compileTemplate(spec.headers ?? {}, [...path, "headers"], options);
  const json = spec.json === undefined ? undefined : compileTemplate(spec.json, [...path, "json"], options);
  return (call) => {
    const used = new Set<string>();
    const mapped = (name: string, from: unknown, to: unknown) => {
      const field = fieldOf(name);
      if (field) call.ctx.change(field, to === missing ? { what: "dropped", from } : { from, to });
    };
    const rendering: Rendering = { variables: variablesOf(call), used, mapped };
    try {
      const target = absolute(call.baseUrl, plainPath(text(url, rendering), address), strings(query(rendering)));
      const content = json?.(rendering) ?? missing;
      const body = content === missing ? undefined : Buffer.from(JSON.stringify(content));
      const outgoing: OutgoingRequest = {
        method: method.toUpperCase() as OutgoingRequest["method"],
        url: target,
        headers: {
          accept: "application/json",
          ...(body ? { "content-type": "application/json" } : {}),
          ...sendable(strings(headers(rendering)), spec.headers),
        },
        body,
      };
      // The key is for the channel's own origin.
      const own = new URL(target).origin === new URL(call.baseUrl).origin;
      return { request: call.key === undefined || !own ? outgoing : sign(outgoing, call.auth, call.key), used: fieldsOf(used) };
    } catch (error) {
      throw error instanceof ExpressionFailure ? unfit(error) : error;
    }
  };
}

/** What templates see. `size` is worked out anew: a plugin may have changed the request's. */
function variablesOf({ ctx, variables }: Call): Variables {
  const size = ctx.request.size === undefined ? {} : (readSize(ctx.request.size) ?? { text: ctx.request.size });
  return { request: ctx.request, size, model: ctx.model, variables };
}

function text(template: Template, rendering: Rendering): string {
  const value = template(rendering);
  return typeof value === "string" ? value : "";
}

function strings(value: unknown): Record<string, string> {
  return isPlainObject(value) ? Object.fromEntries(Object.entries(value).map(([name, item]) => [name, textOf(item)])) : {};
}

/** Headers as they are. Throws `ExpressionFailure` for one that HTTP cannot carry. */
function sendable(headers: Record<string, string>, spec: Record<string, unknown> = {}): Record<string, string> {
  for (const [name, value] of Object.entries(headers)) {
    try {
      validateHeaderValue(name, value);
    } catch (error) {
      throw new ExpressionFailure(String(spec[name]), messageOf(error));
    }
  }
  return headers;
}

/** The path, unless a value in it would lead elsewhere: `..` climbs even where it is percent-encoded. */
function plainPath(path: string, spec: string): string {
  if (/(?:^|\/)(?:\.|%2e){1,2}(?:[/?#]|$)/i.test(path)) throw new ExpressionFailure(spec, "it climbs out of its place");
  return path;
}

/** A path is put behind the base URL; a whole URL stands for itself. */
function absolute(baseUrl: string, target: string, query: Record<string, string>): string {
  const url = new URL(/^https?:\/\//.test(target) ? target : `${baseUrl.replace(/\/$/, "")}/${target.replace(/^\//, "")}`);
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
  return url.href;
}

/** The request's fields among the names that expressions read; `undefined` where one took the whole request. */
function fieldsOf(used: ReadonlySet<string>): ReadonlySet<string> | undefined {
  if (used.has("request")) return undefined;
  return new Set([...used].map(fieldOf).filter((field) => field !== undefined));
}

function fieldOf(name: string): string | undefined {
  if (name.startsWith("size.") || name === "size") return "size";
  return name.startsWith("request.") ? name.slice("request.".length) : undefined;
}

async function readAnswer(incoming: IncomingAnswer, signal: AbortSignal): Promise<Answer> {
  const { status, headers } = incoming;
  const bytes = await readBody(incoming, answerLimit, signal);
  return { status, headers, body: parseBody(bytes) };
}

/** JSON as it is, anything else as text: what an answer claims to be is often wrong. */
function parseBody(bytes: Buffer): unknown {
  try {
    const body = parseLifted(bytes);
    if (!isDeep(body)) return body;
  } catch {
    // Told by whoever needed more than a text.
  }
  return bytes.subarray(0, 64 * 1024).toString("utf8");
}

/** What is nested so deep is no answer, and would wear out what walks it. */
function isDeep(body: unknown): boolean {
  let level = [body];
  for (let depth = 0; depth < 100 && level.length > 0; depth += 1)
    level = level.flatMap((item) => (Array.isArray(item) ? (item as unknown[]) : isPlainObject(item) ? Object.values(item) : []));
  return level.length > 0;
}

function understand(
  answer: Answer,
  scope: Variables,
  operation: { errors: readonly Rule[]; success?: (variables: Variables) => boolean; extract: Extract },
): Result {
  const variables = { ...scope, ...answer };
  const usual = usualFailure(answer);
  const rule = operation.errors.find((candidate) => candidate.matches(variables));
  if (rule) throw rule.failure(variables, { status: answer.status, message: usual.message });
  if (answer.status < 200 || answer.status > 299) throw usual;
  if (typeof answer.body === "string")
    throw new ProviderFailure("bad_response", "the provider's answer is not JSON", { status: answer.status });
  if (operation.success ? !operation.success(variables) : saysError(answer.body)) throw failedInside(usual);
  return operation.extract(variables, answer);
}

/** Many relays put an error into an answer of 200. */
function saysError(body: unknown): boolean {
  return isPlainObject(body) && Boolean(body.error) && !("data" in body && Array.isArray(body.data) && body.data.length > 0);
}

/** A 200 has no status of its own to judge by: unless its code says more, the provider failed. */
function failedInside(usual: ProviderFailure): ProviderFailure {
  return usual.kind === "bad_response" ? new ProviderFailure("failed", usual.message, usual.details) : usual;
}
