// A request's place in a trace, as W3C Trace Context has it, and the spans of its parts where somebody collects them.
import { GatewayError, ProviderFailure } from "./errors.ts";

/** Facts of a span. No picture, prompt, key or address is among them. */
export type Attributes = Readonly<Record<string, string | number | undefined>>;

/** A place in a trace: all that is done there is a part of it. */
export interface Trace {
  /** The place, as a header `traceparent` says it: `00-{trace id}-{span id}-{flags}`. */
  readonly traceparent: string;
  /** True where providers are sent it. */
  readonly leaves: boolean;
  /** Begins the span of a part; absent where nobody collects it. */
  readonly begin?: (part: Part) => Span;
}

/** A part of what is done at a place. */
export interface Part {
  name: string;
  /** True for a part in which somebody else is called. */
  calls?: boolean;
  attributes?: Attributes;
}

/** A span that has begun; it is a place too. */
export interface Span extends Trace {
  rename: (name: string) => void;
  set: (attributes: Attributes) => void;
  /** Say that it failed, and with what class of error. */
  fail: (type: string) => void;
  end: () => void;
}

/** Finds the places of requests. */
export interface Traces {
  /** The place that the header `traceparent` of a client names; none where it names none, or the operator wants no such header. */
  read(header: unknown): Trace | undefined;
  /** The place that a request had when it came. */
  at(traceparent: string): Trace;
  /** Begins the span of a request that came at `startedAt`, below the place that its client named, if any; absent where nobody collects it. */
  request?: (request: { name: string; below: Trace | undefined; startedAt: number }) => Span;
}

/** Passes the header on, and collects nothing. */
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
 * The header as version 00 has it, with the flags that are known (W3C Trace Context Level 2, 3.2); undefined for one that is malformed. What later
 * versions add behind it is left out.
 */
export function readTraceparent(header: unknown): string | undefined {
  const [, version, trace, span, flags = "", more] = (typeof header === "string" && form.exec(header)) || [];
  if (version === undefined || (version === "00" && more !== undefined)) return undefined;
  return `00-${trace}-${span}-0${Number.parseInt(flags, 16) & 3}`;
}

/** The ids of a place, as lines of the log have them. */
export function idsOf(trace: Trace | undefined): { trace_id?: string; span_id?: string } {
  return trace ? { trace_id: trace.traceparent.slice(3, 35), span_id: trace.traceparent.slice(36, 52) } : {};
}

/** Do a part of what is done at a place; `work` gets its span where somebody collects it. */
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

/** The class of an error for a span. Its message may hold what a client or a provider wrote. */
export function errorType(error: unknown): string {
  if (error instanceof ProviderFailure) return error.kind;
  if (error instanceof GatewayError) return error.code;
  return error instanceof Error ? error.name : "_OTHER";
}
