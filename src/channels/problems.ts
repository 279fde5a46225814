// Collects the problems of the operator's files with their places.
import type { Problem } from "../errors.ts";
import type { OfModel, Path } from "../expression/rendering.ts";

/** A text file of the operator. */
export interface Source {
  file: string;
  text: string;
  /** The places of secrets that are written out, as offsets; they are starred wherever the file is shown. */
  secrets: [from: number, to: number][];
}

/** The place of a value in a file. */
export interface Place {
  source: Source;
  /** Offset of the key, or of the value where it has none. */
  key: number;
  /** Offset of the value's first character, behind an opening quote, and of its end. */
  value: number;
  end: number;
  /** Offset in the file of a character of the value's text, which quotes, escapes and folding may have moved. */
  inside: (offset: number) => number;
}

/** A parsed file: plain values, and where each of them stands. After `overlay` the places may lie in several files. */
export interface Located<Value = Record<string, unknown>> {
  value: Value;
  places: ReadonlyMap<string, Place>;
}

export const keyOf = (path: Path) => path.map(String).join("\u0000");

/** Everything that is wrong, in the order of files and lines. */
export interface Problems {
  /**
   * Point at the value of `path`, `offset` characters into its text, or at its key; where it is not written, at the nearest key above.
   * The same mistake `of` several models is reported once, with the first of them.
   */
  add(located: Pick<Located, "places">, path: Path, message: string, where?: { at?: "key" | "value"; offset?: number; of?: OfModel }): void;
  addAt(source: Source, offset: number, message: string, of?: OfModel): void;
  list(): Problem[];
}

/** An empty list. What goes into it goes to `whole` too. */
export function createProblems(whole?: Problems): Problems {
  const found = new Map<string, Found>();
  const addAt = (source: Source, offset: number, message: string, of?: OfModel) => {
    whole?.addAt(source, offset, message, of);
    const { line, column } = positionIn(source, offset);
    // A preset's mistake shows in every channel that extends it; it is reported once.
    const key = `${source.file}:${line}:${column}:${message}`;
    const first = found.get(key) ?? { source, line, column, message, of, models: new Set() };
    if (of) first.models.add(of.model);
    found.set(key, first);
  };
  return {
    add: ({ places }, path, message, { at = "value", offset = 0, of } = {}) => {
      const { place, exact } = placeOf(places, path);
      addAt(place.source, exact && at === "value" ? place.inside(offset) : place.key, message, of);
    },
    addAt,
    list: () =>
      [...found.values()]
        .map(toldOnce)
        .sort((a, b) => compare(a.file, b.file) || a.line - b.line || a.column - b.column || compare(a.message, b.message)),
  };
}

interface Found {
  source: Source;
  line: number;
  column: number;
  message: string;
  of: OfModel | undefined;
  models: Set<string>;
}

function toldOnce({ source, line, column, message, of, models }: Found): Problem {
  const more = models.size > 1 ? ` and ${models.size - 1} more` : "";
  const whole = of ? `${message} ${of.model}${more}; ${of.hint}` : message;
  return { file: source.file, line, column, message: whole, frame: frameOf(source, { line, column }) };
}

/** The place of a path, or the nearest above it that is written. Every file has a place for its whole. */
export function placeOf(places: ReadonlyMap<string, Place>, path: Path): { place: Place; exact: boolean } {
  const place = places.get(keyOf(path));
  return place ? { place, exact: true } : { place: placeOf(places, path.slice(0, -1)).place, exact: false };
}

/** The places at and below `from`, as if what stands there stood at `to`. */
export function movedPlaces(places: ReadonlyMap<string, Place>, from: Path, to: Path): Map<string, Place> {
  const [above, start] = [keyOf(from), keyOf(to)];
  const moved = new Map<string, Place>();
  for (const [key, place] of places) {
    const below = above === "" && key !== "" ? `\u0000${key}` : key.slice(above.length);
    if (key === above || (key.startsWith(above) && below.startsWith("\u0000")))
      moved.set(start === "" ? below.slice(1) : `${start}${below}`, place);
  }
  return moved;
}

/** The file and line in which the value of a path begins. */
export function lineOf({ places }: Pick<Located, "places">, path: Path): { file: string; line: number } {
  const { source, key } = placeOf(places, path).place;
  return { file: source.file, line: positionIn(source, key).line };
}

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}

export function sourceOf(file: string, text: string): Source {
  return { file, text, secrets: [] };
}

/** Line and column of an offset, both from 1. */
function positionIn({ text }: Source, offset: number): { line: number; column: number } {
  const before = text.slice(0, offset);
  return { line: before.split("\n").length, column: before.length - before.lastIndexOf("\n") };
}

const frameWidth = 160;

/** The line with a caret below the column, and the line before it. Of long lines the part around the column is shown. */
function frameOf({ text, secrets }: Source, { line, column }: { line: number; column: number }): string {
  if (text === "") return "";
  const hidden = secrets.reduce((shown, [from, to]) => shown.slice(0, from) + "*".repeat(to - from) + shown.slice(to), text);
  const lines = hidden.replace(/\b(sk|key)-[\w-]{8,}/g, (key) => "*".repeat(key.length)).split("\n");
  const width = String(line).length;
  const from = Math.max(0, column - frameWidth + 40);
  const shown = [line - 1, line]
    .filter((number) => number > 0)
    .map((number) => `  ${String(number).padStart(width)} | ${cut(lines[number - 1], from)}`.trimEnd());
  return [...shown, `  ${" ".repeat(width)} | ${" ".repeat(column - 1 - from)}^`].join("\n");
}

function cut(line = "", from: number): string {
  return line.slice(from, from + frameWidth).replaceAll(/\s/g, " ");
}
