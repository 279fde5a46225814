// Writes the report of a benchmark.
import { metrics, type Case, type Goal, type Metric } from "./cases.ts";
import type { Measured } from "./measure.ts";
import type { PeerName } from "./peers.ts";

/** A case's slices by peer, one for each repeat. */
export type Slices = Partial<Record<PeerName, Measured[]>>;

export interface Outcome {
  case: Case;
  slices: Slices;
  /** Why a peer is not among them. */
  notes: string[];
}

/** What a report begins with, a line each. */
export type Facts = Record<string, string>;

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  return sorted.length % 2 === 1 ? sorted[Math.floor(middle)]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** Median and range, as a cell shows them; a dash where there is nothing. */
export function spread(values: readonly number[], digits: number): string {
  if (values.length === 0) return "–";
  const [least, most] = [Math.min(...values), Math.max(...values)].map((value) => value.toFixed(digits));
  const middle = median(values).toFixed(digits);
  return least === most ? middle : `${middle} (${least}–${most})`;
}

function valuesOf(slices: Slices, [peer, metric]: [PeerName, Metric]): number[] {
  return (slices[peer] ?? []).flatMap((slice) => slice[metric] ?? []);
}

/** A goal's figure in each repeat: both sides of a ratio come from the same one. Empty where a side was not measured. */
export function figures(slices: Slices, { of, over }: Goal): number[] {
  const above = valuesOf(slices, of);
  if (!over) return above;
  const below = valuesOf(slices, over);
  return above.length === below.length ? above.map((value, index) => value / below[index]!) : [];
}

/** Whether the median holds. */
export function holds(values: readonly number[], { atLeast = -Infinity, atMost = Infinity }: Goal): boolean {
  const value = median(values);
  return value >= atLeast && value <= atMost;
}

/** The whole report in Markdown. */
export function markdown(facts: Facts, outcomes: readonly Outcome[]): string {
  const goals = outcomes.flatMap(({ case: { title, goals }, slices }) => goals.map((goal) => goalRow(title, goal, figures(slices, goal))));
  return [
    "# Benchmark",
    Object.entries(facts)
      .map(([name, value]) => `- ${name}: ${value}`)
      .join("\n"),
    "Cells are medians of the repeats, with their range; × is the median of the repeats' ratios to Pictor.",
    ...(goals.length > 0 ? ["## Goals", table(["case", "figure", "goal", "measured", ""], goals)] : []),
    ...outcomes.map(section),
    "",
  ].join("\n\n");
}

function section({ case: each, slices, notes }: Outcome): string {
  const peers = Object.keys(slices) as PeerName[];
  const ratio = each.shows[0]!;
  const rows = peers.map((peer) => [
    peer,
    ...each.shows.map((metric) => spread(valuesOf(slices, [peer, metric]), metrics[metric].digits)),
    spread(figures(slices, { of: [peer, ratio], over: ["pictor", ratio] }), 2),
  ]);
  const head = ["", ...each.shows.map((metric) => metrics[metric].title), `× ${metrics[ratio].title}`];
  return [`## ${each.title} (\`${each.name}\`)`, table(head, rows), ...notes].join("\n\n");
}

/** Where Pictor's time went: what takes a hundredth or more. */
export function profileTable(shares: readonly (readonly [where: string, share: number])[]): string {
  const rows = shares.filter(([, share]) => share >= 0.01).map(([where, share]) => [where, `${(share * 100).toFixed(1)} %`]);
  return `Where Pictor's time went:\n\n${table(["", "of its CPU"], rows)}`;
}

function goalRow(title: string, goal: Goal, values: readonly number[]): string[] {
  const [peer, metric] = goal.of;
  const figure = goal.over ? `${peer} ÷ ${goal.over[0]}, ${metrics[metric].title}` : `${peer}, ${metrics[metric].title}`;
  const wanted = goal.atLeast === undefined ? `≤ ${goal.atMost ?? ""}` : `≥ ${goal.atLeast}`;
  return [title, figure, wanted, spread(values, 2), values.length === 0 ? "not measured" : holds(values, goal) ? "holds" : "missed"];
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}
