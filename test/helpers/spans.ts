// Reads what a receiver was sent by OTLP.
import type { Receiver } from "./receiver.ts";

/** A span that was exported. */
export interface Seen {
  name: string;
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  kind: number;
  status: { code: number; message?: string };
  attributes: Record<string, unknown>;
}

interface Export {
  resourceSpans: {
    resource: { attributes: Attribute[] };
    scopeSpans: { spans: (Omit<Seen, "attributes"> & { attributes: Attribute[] })[] }[];
  }[];
}

interface Attribute {
  key: string;
  value: Record<string, unknown>;
}

/** Attributes as a map. */
const plain = (attributes: Attribute[]) => Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]));

/** The spans that a receiver was sent, in the order in which they ended. */
export function spansIn({ received }: Receiver): Seen[] {
  return received
    .flatMap(({ body }) => (JSON.parse(body) as Export).resourceSpans)
    .flatMap(({ scopeSpans }) => scopeSpans)
    .flatMap(({ spans }) => spans)
    .map(({ attributes, ...span }) => ({ ...span, attributes: plain(attributes) }));
}

/** The attributes of what sent the first of them. */
export function resourceIn({ received }: Receiver): Record<string, unknown> {
  const [first] = (JSON.parse(received[0]?.body ?? "") as Export).resourceSpans;
  return plain(first?.resource.attributes ?? []);
}

export const settings = {
  OTEL_BSP_SCHEDULE_DELAY: "10",
  OTEL_RESOURCE_ATTRIBUTES: "deployment.environment.name=test",
  OTEL_EXPORTER_OTLP_HEADERS: "x-token=secret%20token",
};

/** Set variables of the process, as the packages read them; the function that it gives sets them back. */
export function setVariables(values: Record<string, string>): () => void {
  const before = Object.keys(values).map((name) => [name, process.env[name]] as const);
  Object.assign(process.env, values);
  return () => {
    for (const [name, value] of before)
      if (value === undefined) Reflect.deleteProperty(process.env, name);
      else process.env[name] = value;
  };
}
