// A request's place in a trace (W3C Trace Context), and the spans of its parts if spans are collected.
import { GatewayError, ProviderFailure } from "./errors.ts";

/** The attributes of a span. They never hold a picture, prompt, key or address. */
export type Attributes = Readonly<Record<string, string | number | undefined>>;

/** A place in a trace: the parent of the spans that begin there. */
export interface Trace {
  /** The place, as the value of the header `traceparent`: `00-{trace id}-{span id}-{flags}`. */
  readonly traceparent: string;
  /** True if the header is sent to providers. */
  readonly leaves: boolean;
  /** Begins the span of a part; absent if no spans are collected. */
  readonly begin?: (part: Part) => Span;
}

/** A part of the work at a place, described for its span. */
export interface Part {
  name: string;
  /** True for a call of another server. */
  calls?: boolean;
  attributes?: Attributes;
}

/** A span that has begun. It is itself a place, for the spans of its parts. */
export interface Span extends Trace {
  rename: (name: string) => void;
  set: (attributes: Attributes) => void;
  /** Marks the span as failed, with a class of error. */
  fail: (type: string) => void;
  end: () => void;
}

/** Finds the place of a request in its trace. */
export interface Traces {
  /** The place that a client's header `traceparent` names; undefined if the header is missing or malformed, or the operator has switched this off. */
  read(header: unknown): Trace | undefined;
  /** The place that a stored `traceparent` names. */
  at(traceparent: string): Trace;
  /** Begins the span of a request that arrived at `startedAt`, below the place that its client named, if any; absent if no spans are collected. */
  request?: (request: { name: string; below: Trace | undefined; startedAt: number }) => Span;
}

/** Passes the header on, and collects no spans. With `leaves: false` the header is ignored. */
export function passOn({ leaves = true } = {}): Traces {
  const at = (traceparent: string) => ({ traceparent, leaves });
  return {
    read: (header) => {
      const traceparent = leaves ? readTraceparent(header) : undefined;
      return traceparent === undefined ? undefined : at(traceparent);
    },
    at,
  };
}

const form = /^(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;

/**
 * The header in the form of version 00, with the known flags only (W3C Trace Context Level 2, 3.2); undefined for a malformed header.
 * Fields that later versions append are left out.
 */
export function readTraceparent(header: unknown): string | undefined {
  const [, version, trace, span, flags = "", more] = (typeof header === "string" && form.exec(header)) || [];
  if (version === undefined || (version === "00" && more !== undefined)) return undefined;
  return `00-${trace}-${span}-0${Number.parseInt(flags, 16) & 3}`;
}

/** The ids of a place, as fields of a log line. */
export function idsOf(trace: Trace | undefined): { trace_id?: string; span_id?: string } {
  return trace ? { trace_id: trace.traceparent.slice(3, 35), span_id: trace.traceparent.slice(36, 52) } : {};
}

/** Does a part of the work at a place, in a span of its own if spans are collected; `work` gets that span. */
export function traced<T>(trace: Trace | undefined, part: Part, work: (span?: Span) => Promise<T>): Promise<T> {
  return trace?.begin ? within(trace.begin(part), work) : work();
}

async function within<T>(span: Span, work: (span: Span) => Promise<T>): Promise<T> {
  try {
    return await work(span);
  } catch (error) {
    span.fail(errorType(error));
    throw error;
  } finally {
    span.end();
  }
}

/** The class of an error, for a span. The message is left out, since it may hold text of a client or a provider. */
export function errorType(error: unknown): string {
  if (error instanceof ProviderFailure) return error.kind;
  if (error instanceof GatewayError) return error.code;
  return error instanceof Error ? error.name : "_OTHER";
}
