// Compiles a call of a channel, and renders it into a request.
import { validateHeaderName, validateHeaderValue } from "node:http";
import { GatewayError, messageOf, ProviderFailure } from "../errors.ts";
import { ExpressionFailure, isPlainObject, missing, type Variables } from "../expression/cel.ts";
import { laidOver } from "../expression/directives.ts";
import type { Path, Rendering, Report, Template, TemplateOptions } from "../expression/rendering.ts";
import { compileTemplate, compileUrl } from "../expression/template.ts";
import { textOf } from "../expression/text.ts";
import type { Names } from "../expression/names.ts";
import type { FromSchema } from "../schema/from-schema.ts";
import { anything, closed, each, text } from "../schema/parts.ts";
import { encodeForm, encodeJson, encodeMultipart, type StreamBody } from "../net/body.ts";
import type { OutgoingRequest } from "../net/send.ts";
import { absolute, plainPath, withoutQuery } from "./address.ts";
import { variablesOf, type CallContext } from "./context.ts";
import { judgeImageUrls } from "./image-urls.ts";

export const methods = ["get", "post", "put", "patch", "delete"] as const;

/** The parts of a request that can be laid over a call: a body of the same kind, and further query parameters and headers. */
export const layerParts = {
  query: { type: "object", description: "Parameters of the query." },
  headers: { type: "object", description: "Headers beside the key's." },
  json: anything("The body, written as the YAML it becomes."),
  multipart: { type: "object", description: "The body as a form of parts: texts, `$file` and `$json`; a list repeats its part." },
  form: { type: "object", description: "The body as an urlencoded form." },
} as const;

// Nothing is required, since a model may replace a single part of an operation. The compiler reports parts that are missing after merging.
export const callParts = {
  ...each(methods, (method) => text(`The path of a ${method.toUpperCase()}, put behind base_url, or a whole URL.`)),
  ...layerParts,
};

export const callSchema = closed(callParts);
export const layerSchema = closed(layerParts);

/** An HTTP call as a channel writes it: a method with its address, and the parts of the request. */
export type CallSpec = FromSchema<typeof callSchema>;
type Layer = FromSchema<typeof layerSchema>;

export interface Rendered {
  request: OutgoingRequest;
  /** The names whose values were used in the request. */
  used: ReadonlySet<string>;
}

/** A compiled call. Renders the request, with `over` laid over it. Throws a 400 if a value of the client cannot be sent. */
export type Render = (context: CallContext, more?: Variables, over?: Over) => Promise<Rendered>;

type Over = Partial<Record<"query" | "headers" | "body", Template>>;

interface CallOptions {
  names: Names;
  report: Report;
  uses?: Set<string>;
  readDocument?: TemplateOptions["readDocument"];
}

export const bodies = ["json", "multipart", "form"] as const;

/** The one method of a call. If there is none or several, that is reported, and undefined is returned. */
export function methodOf(spec: CallSpec, path: Path, report: Report): (typeof methods)[number] | undefined {
  const [method, ...others] = methods.filter((name) => spec[name] !== undefined);
  if (method !== undefined && others.length === 0) return method;
  const found = method === undefined ? "there is none" : `there are ${[method, ...others].join(" and ")}`;
  report(path, `one method with its path is needed, such as post: /images, and ${found}`);
  return undefined;
}

/** Compiles the parts that are laid over a call. */
export function compileOver(spec: Layer, below: CallSpec, path: Path, options: CallOptions): Over {
  const over: Over = {};
  for (const part of ["query", "headers", ...bodies] as const) {
    if (spec[part] === undefined) continue;
    const isBody = part !== "query" && part !== "headers";
    if (isBody && below[part] === undefined) options.report([...path, part], `the call that this is laid over has no ${part}`);
    over[isBody ? "body" : part] = compileTemplate(spec[part], [...path, part], { ...options, layer: true });
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
  // If the address reads a value of an answer, a wrong address is the provider's fault; otherwise it is the client's.
  const leads = [...read].some((name) => /^(?:body|headers|submitted|submission|before)\b/.test(name));
  const query = compileTemplate(spec.query ?? {}, [...path, "query"], options);
  const headers = compileTemplate(spec.headers ?? {}, [...path, "headers"], options);
  // An address that begins with ${base_url} is treated as a path, so that it gets the query of base_url.
  const own = (target: string, { baseUrl }: CallContext) =>
    address.startsWith("${base_url}") ? target.slice(withoutQuery(baseUrl).length) : target;
  const [kind] = given;
  const body = kind && compileTemplate(spec[kind], [...path, kind], options);

  return async (context, more = {}, over) => {
    judgeImageUrls(context.ctx.request);
    const used = new Set<string>();
    const rendering: Rendering = {
      variables: { ...variablesOf(context), ...more },
      used,
      mapped: (name, from, to) => tellMapped(context, name, from, to),
    };
    try {
      const target = url(rendering);
      if (typeof target !== "string") throw new ExpressionFailure(address, "it is not there");
      const laid = (below: unknown, above: Template | undefined) => (above ? laidOver([below, above(rendering)]) : below);
      const content = laid(body?.(rendering) ?? missing, over?.body);
      const encoded = kind && content !== missing ? await encode(kind, content) : undefined;
      const request: OutgoingRequest = {
        method: method.toUpperCase() as OutgoingRequest["method"],
        url: absolute(context.baseUrl, own(plainPath(target, address), context), strings(laid(query(rendering), over?.query))),
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

function tellMapped({ ctx }: CallContext, name: string, from: unknown, to: unknown): void {
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

/** Returns the headers unchanged. Throws `ExpressionFailure` for a value that HTTP cannot carry. */
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

/** The field of the unified request that a name in an expression refers to; undefined for other names. */
export function fieldOf(name: string): string | undefined {
  if (name.startsWith("size.") || name === "size") return "size";
  return name.startsWith("request.") ? name.slice("request.".length) : undefined;
}

/** The client's error for a template that cannot be evaluated with the client's values. */
function unfit(error: Error): GatewayError {
  const field = /request\.(\w+)/.exec(error.message)?.[1] ?? (error.message.includes("size.") ? "size" : null);
  return new GatewayError("invalid_value", `${field ?? "a field"} has a value that this model's channel cannot send`, {
    param: field,
    cause: error,
  });
}
