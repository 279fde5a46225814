// Spans that nobody takes: the collector is away or slow, or what exports them is not installed.
import { once } from "node:events";
import { createServer as createHttpServer } from "node:http";
import { createServer } from "node:net";
import { expect } from "chai";
import pino from "pino";
import { collectSpans, exportTime, loadSdk } from "../../src/process/collect-spans.ts";
import type { Traces } from "../../src/trace.ts";
import { freePort } from "../helpers/port.ts";
import { setVariables, settings } from "../helpers/spans.ts";
import { until } from "../http/setup.ts";

describe("spans without a collector", () => {
  const lines: { msg: string; reason?: string }[] = [];
  const log = pino({ level: "info" }, { write: (line: string) => void lines.push(JSON.parse(line) as (typeof lines)[number]) });
  const span = (traces: Traces) => traces.request!({ name: "x", below: undefined, startedAt: Date.now() }).end();
  let setBack: () => void;
  beforeEach(() => (lines.length = 0));
  afterEach(() => setBack());

  it("are lost, which is said once until they can be exported again", async () => {
    const port = await freePort();
    setBack = setVariables({ ...settings, OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}`, OTEL_EXPORTER_OTLP_TIMEOUT: "200" });
    const traces = await collectSpans({ leaves: true, log });
    for (let times = 0; times < 2; times += 1) {
      span(traces);
      await until(() => lines.length > 0);
    }
    expect(lines).to.have.length(1);
    expect(lines[0]?.msg).to.equal("spans cannot be exported, and are lost until they can");
    expect(lines[0]?.reason).to.include("ECONNREFUSED");
    const server = createHttpServer((_request, response) => void response.end("{}")).listen(port, "127.0.0.1");
    await until(() => {
      span(traces);
      return lines.length > 1;
    });
    expect(lines[1]?.msg).to.equal("spans are exported again");
    await traces.close();
    server.closeAllConnections();
    server.close();
  });

  it("do not keep the process from its end", async () => {
    const silent = createServer().listen(0, "127.0.0.1");
    await once(silent, "listening");
    const { port } = silent.address() as { port: number };
    setBack = setVariables({ ...settings, OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}`, OTEL_EXPORTER_OTLP_TIMEOUT: "300" });
    const traces = await collectSpans({ leaves: true, log });
    span(traces);
    const began = performance.now();
    await traces.close();
    expect(performance.now() - began).to.be.below(exportTime);
    silent.close();
  });

  it("without the packages that export them end the start, which says what to install", async () => {
    setBack = () => undefined;
    const error = await loadSdk(["@opentelemetry/not-there"]).catch((error: unknown) => error as Error);
    expect((error as Error).message).to.match(
      /^OTEL_EXPORTER_OTLP_ENDPOINT is set, and .* npm install @opentelemetry\/exporter-trace-otlp-http@[\d.]+ @opentelemetry\/resources@[\d.]+ @opentelemetry\/sdk-trace-base@[\d.]+$/,
    );
  });
});
