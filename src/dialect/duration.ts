/** Milliseconds of `500ms`, `90s`, `10m`, `1h`, which the grammar has checked. */
export function milliseconds(duration: string): number {
  const units = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };
  return parseInt(duration, 10) * units[duration.replace(/^\d+/, "") as keyof typeof units];
}
