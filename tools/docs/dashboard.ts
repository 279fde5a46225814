// The dashboard for Grafana: a panel for each metric there is.
import { labelsOf } from "./metrics.ts";
import { createMetrics } from "../../src/http/metrics.ts";

interface Query {
  expr: string;
  legend: string;
}

/** The dashboard as Grafana imports it. It asks for the data source and the job. */
export async function dashboard(): Promise<string> {
  const { registry } = createMetrics();
  const shown = await registry.getMetricsAsJSON();
  const labels = new Map(registry.getMetricsAsArray().map((metric) => [metric.name, labelsOf(metric)]));
  const panels = shown.map(({ name, type, help }, index) => ({
    id: index + 1,
    type: "timeseries",
    title: name,
    description: help,
    datasource: source,
    gridPos: { x: (index % 2) * 12, y: Math.floor(index / 2) * 8, w: 12, h: 8 },
    fieldConfig: { defaults: { unit: unitOf(name), min: 0 }, overrides: [] },
    targets: queriesOf(name, String(type), labels.get(name) ?? []).map(({ expr, legend }, at) => ({
      refId: String.fromCharCode(65 + at),
      datasource: source,
      expr,
      legendFormat: legend,
    })),
  }));
  const board = {
    uid: "pictor",
    title: "Pictor",
    tags: ["pictor"],
    schemaVersion: 39,
    editable: true,
    time: { from: "now-6h", to: "now" },
    refresh: "1m",
    templating: {
      list: [
        { name: "source", type: "datasource", query: "prometheus", label: "Data source" },
        { name: "job", type: "query", datasource: source, query: "label_values(pictor_config_ok, job)", includeAll: true, refresh: 2 },
      ],
    },
    panels,
  };
  return `${JSON.stringify(board, null, 2)}\n`;
}

const source = { type: "prometheus", uid: "${source}" };
const job = 'job=~"$job"';

/** How the gauges of several instances are put together: the worst of them where each says the same or a state, else their sum. */
function acrossInstances(name: string): string {
  if (/(_up|_ok|_writable|_free_bytes|_left_usd|_timestamp_seconds)$/.test(name)) return "min";
  return /(_broken|_seconds|webhooks_waiting)$/.test(name) ? "max" : "sum";
}

function queriesOf(name: string, type: string, labels: readonly string[]): Query[] {
  const by = labels.length > 0 ? ` by (${labels.join(", ")})` : "";
  const legend = labels.map((label) => `{{${label}}}`).join(" ") || name;
  if (type === "counter") return [{ expr: `sum${by} (rate(${name}{${job}}[$__rate_interval]))`, legend }];
  if (type === "histogram")
    return [0.5, 0.95].map((quantile) => ({
      expr: `histogram_quantile(${quantile}, sum by (${["le", ...labels].join(", ")}) (rate(${name}_bucket{${job}}[$__rate_interval])))`,
      legend: `${quantile * 100} % ${legend}`,
    }));
  return [{ expr: `${acrossInstances(name)}${by} (${name}{${job}})`, legend }];
}

function unitOf(name: string): string {
  if (/timestamp/.test(name)) return "dateTimeAsIso";
  if (/_seconds$/.test(name)) return "s";
  if (/sent_bytes_total$/.test(name)) return "Bps";
  if (/_bytes$/.test(name)) return "bytes";
  return /_usd$/.test(name) ? "currencyUSD" : "short";
}
