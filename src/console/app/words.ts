// Puts times, money and amounts into words.

/** An amount of USD as it is read: cents where they are enough, more digits where it is less than a dollar. */
export function usd(amount: number | null | undefined): string {
  if (amount === undefined || amount === null) return "–";
  if (amount === 0) return "$0";
  const digits = amount >= 1 ? 2 : amount >= 0.01 ? 3 : 5;
  return `$${amount.toFixed(digits)}`;
}

export function secondsText(seconds: number | undefined): string {
  if (seconds === undefined) return "–";
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 120) return `${Math.round(seconds)} s`;
  return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
}

export function bytesText(bytes: number | undefined): string {
  if (bytes === undefined) return "–";
  return bytes < 1e6 ? `${Math.max(1, Math.round(bytes / 1e3))} KB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

/** A moment, from Unix seconds, in the reader's own time. */
export function momentText(unix: number): string {
  const date = new Date(unix * 1000);
  const isToday = date.toDateString() === new Date().toDateString();
  const time = date.toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
  return isToday ? time : `${date.toLocaleDateString(undefined, { day: "numeric", month: "short" })} ${time}`;
}

/** A value of a change or a field, short enough to stand in a line. */
export function valueText(value: unknown): string {
  if (value === undefined || value === null) return "nothing";
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return text.length > 120 ? `${text.slice(0, 120)}…` : text;
}
