import { validateHeaderName, validateHeaderValue } from "node:http";
import { GatewayError, messageOf, ProviderFailure } from "../errors.ts";
import { ExpressionFailure, isPlainObject, missing, type Variables } from "../expression/cel.ts";
import { laidOver } from "../expression/directives.ts";
import type { Path, Rendering, Report, Template, TemplateOptions } from "../expression/rendering.ts";
import { compileTemplate, compileUrl } from "../expression/template.ts";
import { textOf } from "../expression/text.ts";
import type { Names } from "../expression/names.ts";
import type { Authorizer, Key } from "../net/auth/authorizer.ts";
import { encodeForm, encodeJson, encodeMultipart, type StreamBody } from "../net/body.ts";
import type { OutgoingRequest, Patience } from "../net/send.ts";
import type { Events } from "../plugin/compose.ts";
import type { PluginContext, UnifiedRequest } from "../plugin/context.ts";
import { readSize } from "../size/parse.ts";

export const methods = ["get", "post", "put", "patch", "delete"] as const;

/** One HTTP call as a channel writes it: one method with its address, and what goes with it. */
export type CallSpec = Partial<Record<(typeof methods)[number], string>> & {
  query?: Record<string, unknown>;
  headers?: Record<string, unknown>;
  json?: unknown;
  multipart?: Record<string, unknown>;
  form?: Record<string, unknown>;
};

/** What is laid over a call: the body of the same kind, and more of the rest. */
export type LaidOver = Pick<CallSpec, "query" | "headers" | "json" | "multipart" | "form">;

/** What the calls of one submission share. */
export interface Exchange {
  ctx: Pick<PluginContext, "request" | "model" | "change" | "spool" | "signal" | "log"> & Partial<Pick<PluginContext, "early">>;
  baseUrl: string;
  variables: Record<string, unknown>;
  /** What `variablesOf` gave. */
  scope?: Variables;
  key: Key | undefined;
  authorize: Authorizer | undefined;
  /** What the authorizer has made of the key so far, such as a token. */
  made?: Set<string>;
  /** Whether this address may see the key. */
  mayCarryKey: (url: URL) => boolean;
  /** Whether this address may be private. */
  trusted(url: URL): boolean;
  /** Milliseconds to reach the provider, and until an answer begins. */
  patience?: Patience;
  /** Wait between polls; rejects when the signal aborts. */
  wait(milliseconds: number, signal: AbortSignal): Promise<void>;
  /** Where a client hears what goes on, if it wants to. */
  events?: Events;
}

export interface Rendered {
  request: OutgoingRequest;
  /** The names whose values went into it. */
  used: ReadonlySet<string>;
}

/** A compiled call, with what is laid over it. Rendering throws a 400 where a value of the client cannot be sent. */
export type Render = (exchange: Exchange, more?: Variables, over?: Over) => Promise<Rendered>;

type Over = Partial<Record<"query" | "headers" | "body", Template>>;

interface CallOptions {
  names: Names;
  report: Report;
  uses?: Set<string>;
  readDocument?: TemplateOptions["readDocument"];
}

const bodies = ["json", "multipart", "form"] as const;

/** The only method of a call; reports where there is none, or several, and returns undefined. */
export function methodOf(spec: CallSpec, path: Path, report: Report): (typeof methods)[number] | undefined {
  const [method, ...others] = methods.filter((name) => spec[name] !== undefined);
  if (method !== undefined && others.length === 0) return method;
  const found = method === undefined ? "there is none" : `there are ${[method, ...others].join(" and ")}`;
  report(path, `one method with its path is needed, such as post: /images, and ${found}`);
  return undefined;
}

/** Compile what is laid over a call. */
export function compileOver(spec: LaidOver, below: CallSpec, path: Path, options: CallOptions): Over {
  const over: Over = {};
  for (const part of ["query", "headers", ...bodies] as const) {
    if (spec[part] === undefined) continue;
    const isBody = part !== "query" && part !== "headers";
    if (isBody && below[part] === undefined) options.report([...path, part], `the call that this is laid over has no ${part}`);
    over[isBody ? "body" : part] = compileTemplate(spec[part], [...path, part], options);
  }
  judgeHeaderNames(spec.headers ?? {}, [...path, "headers"], options.report);
  return over;
}

export function compileCall(spec: CallSpec, path: Path, options: CallOptions): Render {
  const method = methodOf(spec, path, options.report) ?? "post";
  const given = bodies.filter((name) => spec[name] !== undefined);
  if (given.length > 1) options.report(path, `a call has one body, and this has ${given.join(" and ")}`);
  const address = spec[method] ?? "";
  if (!/^(?:\/|https?:\/\/|\$\{)/.test(address)) options.report([...path, method], `a path begins with /: /${address}`);
  judgeHeaderNames(spec.headers ?? {}, [...path, "headers"], options.report);
  const read = new Set<string>();
  const url = compileUrl(address, [...path, method], { ...options, uses: read });
  for (const name of read) options.uses?.add(name);
  // What an answer said is the provider's, and all else that may be wrong in a request is the client's.
  const leads = [...read].some((name) => /^(?:body|headers|submitted|submission|before)\b/.test(name));
  const query = compileTemplate(spec.query ?? {}, [...path, "query"], options);
  const headers = compileTemplate(spec.headers ?? {}, [...path, "headers"], options);
  // An address that is put together from base_url gets its query as a path does.
  const own = (target: string, { baseUrl }: Exchange) =>
    address.startsWith("${base_url}") ? target.slice(withoutQuery(baseUrl).length) : target;
  const [kind] = given;
  const body = kind && compileTemplate(spec[kind], [...path, kind], options);

  return async (exchange, more = {}, over) => {
    const used = new Set<string>();
    const rendering: Rendering = {
      variables: { ...variablesOf(exchange), ...more },
      used,
      mapped: (name, from, to) => tellMapped(exchange, name, from, to),
    };
    try {
      const target = url(rendering);
      if (typeof target !== "string") throw new ExpressionFailure(address, "it is not there");
      const laid = (below: unknown, above: Template | undefined) => (above ? laidOver([below, above(rendering)]) : below);
      const content = laid(body?.(rendering) ?? missing, over?.body);
      const encoded = kind && content !== missing ? await encode(kind, content) : undefined;
      const request: OutgoingRequest = {
        method: method.toUpperCase() as OutgoingRequest["method"],
        url: absolute(exchange.baseUrl, own(plainPath(target, address), exchange), strings(laid(query(rendering), over?.query))),
        headers: {
          accept: over ? "text/event-stream, application/json" : "application/json",
          ...encoded?.headers,
          ...sendable(strings(laid(headers(rendering), over?.headers)), spec.headers),
        },
        body: encoded?.body,
      };
      return { request, used };
    } catch (error) {
      if (!(error instanceof ExpressionFailure)) throw error;
      throw leads
        ? new ProviderFailure("bad_response", "the provider's answer does not say where to go on", { cause: error })
        : unfit(error);
    }
  };
}

async function encode(
  kind: (typeof bodies)[number],
  value: unknown,
): Promise<{ headers: Record<string, string>; body: Buffer | StreamBody }> {
  if (kind === "multipart") return encodeMultipart(value);
  if (kind === "form") return { headers: { "content-type": "application/x-www-form-urlencoded" }, body: await encodeForm(value) };
  return { headers: { "content-type": "application/json" }, body: await encodeJson(value) };
}

/** What templates see of a request; it stays as the plugins left it for all of its calls. */
export function variablesOf(exchange: Exchange): Variables {
  const { ctx, variables, baseUrl, key } = exchange;
  const { request, model } = ctx;
  exchange.scope ??= { request, size: sizeIn(request), model, variables, base_url: withoutQuery(baseUrl), key };
  return exchange.scope;
}

function sizeIn({ size }: UnifiedRequest): object {
  return size === undefined ? {} : (readSize(size) ?? { text: size });
}

function tellMapped({ ctx }: Exchange, name: string, from: unknown, to: unknown): void {
  const field = fieldOf(name);
  if (field !== undefined) ctx.change(field, to === missing ? { what: "dropped", from } : { from, to });
}

function strings(value: unknown): Record<string, string> {
  if (!isPlainObject(value)) return {};
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, textOf(item)]));
}

function judgeHeaderNames(headers: Record<string, unknown>, path: Path, report: Report): void {
  for (const name of Object.keys(headers)) {
    try {
      validateHeaderName(name);
    } catch (error) {
      report([...path, name], messageOf(error));
    }
  }
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

/** The address of a channel without its query and the slash at its end: what paths are put behind. */
export function withoutQuery(baseUrl: string): string {
  return baseUrl.replace(/\?.*$/s, "").replace(/\/+$/, "");
}

/**
 * A path is put behind the base URL, whose query follows it, unless the path has such parameters itself; a whole URL stands for itself. Throws
 * `ExpressionFailure` for what is no URL.
 */
export function absolute(baseUrl: string, target: string, query: Record<string, string>): string {
  const whole = /^https?:\/\//.test(target);
  const text = whole ? target : `${withoutQuery(baseUrl)}/${target.replace(/^\//, "")}`;
  if (!URL.canParse(text)) throw new ExpressionFailure(target, "it is no URL");
  const url = new URL(text);
  if (!whole && baseUrl.includes("?"))
    for (const [name, value] of new URL(baseUrl).searchParams) if (!url.searchParams.has(name)) url.searchParams.append(name, value);
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
  return url.href;
}

/** The field of the unified request behind a name that an expression read; undefined for other names. */
export function fieldOf(name: string): string | undefined {
  if (name.startsWith("size.") || name === "size") return "size";
  return name.startsWith("request.") ? name.slice("request.".length) : undefined;
}

/** A template that cannot work with what the client sent is the client's to mend. */
function unfit(error: Error): GatewayError {
  const field = /request\.(\w+)/.exec(error.message)?.[1] ?? (error.message.includes("size.") ? "size" : null);
  return new GatewayError("invalid_value", `${field ?? "a field"} has a value that this model's channel cannot send`, {
    param: field,
    cause: error,
  });
}
