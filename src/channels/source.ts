import { isAlias, isCollection, isMap, isPair, isScalar, isSeq, LineCounter, parseDocument, type Document, type Node } from "yaml";
import { messageOf, type Problem } from "../errors.ts";
import { isPlainObject } from "../expression/cel.ts";
import type { Path } from "../expression/template.ts";

/** A text file of the operator, with what is needed to point into it. */
interface Source {
  file: string;
  text: string;
  lines: LineCounter;
}

interface Place {
  source: Source;
  /** Offset of the key, or of the value where it has none. */
  key: number;
  /** Offset of the value's first character, behind an opening quote. */
  value: number;
}

/** A parsed file: plain values, and where each of them stands. After `overlay` the places may lie in several files. */
export interface Located {
  value: Record<string, unknown>;
  places: Map<string, Place>;
}

const keyOf = (path: Path) => path.map(String).join("\u0000");

/** Everything that is wrong, in the order of files and lines. */
export interface Problems {
  add(located: Located, path: Path, message: string, where?: { at?: "key" | "value"; offset?: number }): void;
  addAt(source: { file: string; text: string }, offset: number, message: string): void;
  list(): Problem[];
}

export function createProblems(): Problems {
  const found = new Map<string, Problem>();
  const push = (source: Source, offset: number, message: string) => {
    const { line, col } = source.lines.linePos(Math.min(offset, source.text.length));
    const problem = { file: source.file, line: Math.max(line, 1), column: Math.max(col, 1), message, frame: "" };
    problem.frame = frameOf(source.text, problem.line, problem.column);
    // A preset's mistake shows in every channel that extends it; it is told once.
    found.set(`${problem.file}:${problem.line}:${problem.column}:${message}`, problem);
  };
  return {
    add: (located, path, message, { at = "value", offset = 0 } = {}) => {
      let end = path.length;
      while (end > 0 && !located.places.has(keyOf(path.slice(0, end)))) end -= 1;
      const place = located.places.get(keyOf(path.slice(0, end)));
      if (!place) throw new Error(`no place for ${path.join(".")}: ${message}`);
      push(place.source, end < path.length || at === "key" ? place.key : place.value + offset, message);
    },
    addAt: ({ file, text }, offset, message) => push(sourceOf(file, text), offset, message),
    list: () => [...found.values()].sort((a, b) => a.file.localeCompare(b.file) || a.line - b.line || a.column - b.column),
  };
}

function sourceOf(file: string, text: string): Source {
  const lines = new LineCounter();
  lines.addNewLine(0);
  for (let at = text.indexOf("\n"); at !== -1; at = text.indexOf("\n", at + 1)) lines.addNewLine(at + 1);
  return { file, text, lines };
}

/** The line with a caret below the column, and the line before it. */
function frameOf(text: string, line: number, column: number): string {
  const lines = text.split("\n");
  const width = String(line).length;
  const shown = [line - 1, line]
    .filter((number) => number > 0)
    .map((number) => `  ${String(number).padStart(width)} | ${(lines[number - 1] ?? "").slice(0, 160)}`);
  return [...shown, `  ${" ".repeat(width)} | ${" ".repeat(Math.min(column - 1, 160))}^`].join("\n");
}

/** Parse a YAML or JSON file whose top is a map. What is wrong goes to `problems`, and nothing is returned. */
export function readSource(file: string, text: string, problems: Problems): Located | undefined {
  const source = sourceOf(file, text);
  const document = parseDocument(text, { version: "1.2", uniqueKeys: true, prettyErrors: false, keepSourceTokens: false });
  for (const error of document.errors) problems.addAt(source, error.pos[0], yamlMessage(error.message, text, error.pos[0]));
  if (document.errors.length > 0) return undefined;
  try {
    const value: unknown = document.toJS({ maxAliasCount: 50 });
    if (isPlainObject(value)) return { value, places: placesOf(document, source) };
    problems.addAt(source, 0, "the file is empty or not a map of keys and values");
  } catch (error) {
    problems.addAt(source, 0, `yaml: ${messageOf(error)}`);
  }
  return undefined;
}

function yamlMessage(message: string, text: string, offset: number): string {
  const line = text.slice(text.lastIndexOf("\n", offset - 1) + 1).split("\n", 1)[0] ?? "";
  const plain = `yaml: ${message.charAt(0).toLowerCase()}${message.slice(1)}`;
  return line.includes("${") ? `${plain}; a value with \${...} inside { }, [ ] or with ': ' in it must be in quotes` : plain;
}

function placesOf(document: Document, source: Source): Map<string, Place> {
  const places = new Map<string, Place>();
  const start = (node: unknown): number => {
    const offset = (node as Node | null)?.range?.[0] ?? 0;
    return isScalar(node) && (node.type === "QUOTE_DOUBLE" || node.type === "QUOTE_SINGLE") ? offset + 1 : offset;
  };
  const visit = (node: unknown, path: Path, key: number): void => {
    places.set(keyOf(path), { source, key, value: node === null ? key : start(node) });
    const target = isAlias(node) ? node.resolve(document) : node;
    // An alias repeats what its anchor holds; the anchor's own places say more.
    if (!isCollection(target) || isAlias(node)) return;
    if (isSeq(target)) target.items.forEach((item, index) => visit(item, [...path, index], start(item)));
    if (isMap(target))
      for (const pair of target.items)
        if (isPair(pair))
          visit(pair.value, [...path, String(isScalar(pair.key) ? pair.key.value : pair.key)], (pair.key as Node).range?.[0] ?? 0);
  };
  visit(document.contents, [], 0);
  return places;
}

/** Lay one file over another: maps merge key by key, lists and scalars replace, null deletes. */
export function overlay(base: Located, over: Located): Located {
  const places = new Map([...base.places, ...over.places]);
  return { value: merge(base.value, over.value) as Record<string, unknown>, places };
}

export function merge(base: unknown, over: unknown): unknown {
  if (!isPlainObject(base) || !isPlainObject(over)) return over;
  const merged = new Map(Object.entries(base));
  for (const [key, value] of Object.entries(over)) {
    if (value === null) merged.delete(key);
    else merged.set(key, merged.has(key) ? merge(merged.get(key), value) : value);
  }
  return Object.fromEntries(merged);
}
