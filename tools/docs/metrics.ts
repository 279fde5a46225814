// The table of metrics for docs/operate.md.
import { createMetrics } from "../../src/http/metrics.ts";
import { table } from "./table.ts";

/** Every metric with its type and labels, as `/metrics` has it. */
export async function metricsTable(): Promise<string> {
  const { registry } = createMetrics();
  const shown = await registry.getMetricsAsJSON();
  const labels = new Map(registry.getMetricsAsArray().map((metric) => [metric.name, labelsOf(metric)]));
  return table(
    ["Metric", "Type", "Labels", "Meaning"],
    shown.map(({ name, type, help }) => [
      `\`${name}\``,
      String(type),
      (labels.get(name) ?? []).map((label) => `\`${label}\``).join(", "),
      help,
    ]),
  );
}

/** The library declares the labels of a metric on each of its classes, but not on what they have in common. */
export function labelsOf(metric: object): string[] {
  return (metric as { labelNames?: string[] }).labelNames ?? [];
}
