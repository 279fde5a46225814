// Collects spans and exports them by OTLP, with the packages of OpenTelemetry that the operator has installed.
import { createRequire } from "node:module";
import { ROOT_CONTEXT, SpanKind, SpanStatusCode, trace as contexts, type Context, type TracerProvider } from "@opentelemetry/api";
import type { Logger } from "pino";
import { version } from "../http/version.ts";
import { passOn, type Part, type Span, type Traces } from "../trace.ts";

/** Time that one export of spans may take, in milliseconds: the end of the process waits for the last one. */
export const exportTime = 5_000;

/** Parts of the packages that are used. They are optional, and so nothing but their users needs them, not even their types. */
interface Sdk {
  BasicTracerProvider: new (options: { resource: Resource; spanProcessors: unknown[] }) => TracerProvider & { shutdown(): Promise<void> };
  BatchSpanProcessor: new (exporter: Exporter) => unknown;
  OTLPTraceExporter: new (options: { timeoutMillis?: number }) => Exporter;
  defaultResource(): Resource;
  resourceFromAttributes(attributes: object): Resource;
  detectResources(options: { detectors: unknown[] }): Resource;
  envDetector: unknown;
}

interface Resource {
  merge(other: Resource): Resource;
}

interface Exporter {
  export(spans: readonly unknown[], done: (result: { code: number; error?: Error & { code?: unknown } }) => void): void;
  forceFlush?: () => Promise<void>;
  shutdown(): Promise<void>;
}

const { peerDependencies } = createRequire(import.meta.url)("../../../package.json") as { peerDependencies: Record<string, string> };

/** Loads the packages. Rejects with an Error that says how to install them. */
export async function loadSdk(names = Object.keys(peerDependencies)): Promise<Sdk> {
  try {
    const modules = await Promise.all(names.map((name) => import(name) as Promise<object>));
    return Object.assign({}, ...modules) as Sdk;
  } catch (error) {
    const packages = Object.entries(peerDependencies).map(([name, range]) => `${name}@${range.replace("^", "")}`);
    throw new Error(
      `OTEL_EXPORTER_OTLP_ENDPOINT is set, and the packages that export traces are missing: npm install ${packages.join(" ")}`,
      { cause: error },
    );
  }
}

/**
 * Begin to collect. The endpoint, its headers, the sampler and the resource are read from the process's environment by the packages. `leaves` is
 * whether the header `traceparent` is read and sent.
 */
export async function collectSpans(
  { leaves, log }: { leaves: boolean; log: Logger },
  load = loadSdk,
): Promise<Traces & { close: () => Promise<void> }> {
  const sdk = await load();
  const { OTEL_EXPORTER_OTLP_TIMEOUT: all, OTEL_EXPORTER_OTLP_TRACES_TIMEOUT: own = all } = process.env;
  const exporter = reporting(new sdk.OTLPTraceExporter(own ? {} : { timeoutMillis: exportTime }), log);
  const provider = new sdk.BasicTracerProvider({
    resource: sdk
      .defaultResource()
      .merge(sdk.resourceFromAttributes({ "service.name": "pictor", "service.version": version, "process.pid": process.pid }))
      .merge(sdk.detectResources({ detectors: [sdk.envDetector] })),
    spanProcessors: [new sdk.BatchSpanProcessor(exporter)],
  });
  return {
    ...tracesOf(provider, leaves),
    close: async () => {
      const late = new Promise<void>((resolve) => setTimeout(resolve, exportTime).unref());
      await Promise.race([provider.shutdown(), late]);
    },
  };
}

/** The same exporter, which reports that it fails, and that it does no longer, but not each failure. */
function reporting(exporter: Exporter, log: Logger): Exporter {
  let isFailing = false;
  return {
    export: (spans, done) =>
      exporter.export(spans, ({ code, error }) => {
        const fails = code !== 0;
        if (fails && !isFailing)
          log.warn({ reason: error?.message || error?.code }, "spans cannot be exported, and are lost until they can");
        if (!fails && isFailing) log.info("spans are exported again");
        isFailing = fails;
        done({ code: 0 });
      }),
    forceFlush: () => exporter.forceFlush?.() ?? Promise.resolve(),
    shutdown: () => exporter.shutdown(),
  };
}

function tracesOf(provider: TracerProvider, leaves: boolean): Traces {
  const tracer = provider.getTracer("pictor", version);
  const passed = passOn({ leaves });

  const beginIn =
    (place: Context) =>
    ({ name, calls = false, attributes = {} }: Part) =>
      spanOf(tracer.startSpan(name, { kind: calls ? SpanKind.CLIENT : SpanKind.INTERNAL, attributes }, place));

  function spanOf(span: ReturnType<typeof tracer.startSpan>): Span {
    const { traceId, spanId, traceFlags } = span.spanContext();
    return {
      traceparent: `00-${traceId}-${spanId}-0${traceFlags & 3}`,
      leaves,
      ...(span.isRecording() && { begin: beginIn(contexts.setSpan(ROOT_CONTEXT, span)) }),
      rename: (name) => void span.updateName(name),
      set: (attributes) => void span.setAttributes(attributes),
      // A provider's own code may be anything.
      fail: (type) =>
        void span.setStatus({ code: SpanStatusCode.ERROR }).setAttribute("error.type", /^[\w.-]{1,64}$/.test(type) ? type : "_OTHER"),
      end: () => span.end(),
    };
  }

  return {
    ...passed,
    at: (traceparent) => ({ ...passed.at(traceparent), begin: beginIn(contextOf(traceparent)) }),
    request: ({ name, below, startedAt }) => {
      const place = below ? contextOf(below.traceparent) : ROOT_CONTEXT;
      return spanOf(tracer.startSpan(name, { kind: SpanKind.SERVER, startTime: startedAt }, place));
    },
  };
}

function contextOf(traceparent: string): Context {
  const [, traceId = "", spanId = "", flags] = traceparent.split("-");
  return contexts.setSpanContext(ROOT_CONTEXT, { traceId, spanId, traceFlags: Number(flags), isRemote: true });
}
