// Parses a YAML or JSON file and keeps the place of each value.
import { createRequire } from "node:module";
import type { Document, Node, Range, YAMLError } from "yaml";
import { isPlainObject } from "../expression/cel.ts";
import type { Path } from "../expression/rendering.ts";
import { lazily } from "../schema/lazily.ts";
import { decode } from "./decode.ts";
import { keyOf, sourceOf, type Located, type Place, type Problems, type Source } from "./problems.ts";

/** The parser, which a start that knows all its files does not load. */
const yaml = lazily(() => createRequire(import.meta.url)("yaml") as typeof import("yaml"));

/** Aliases of one YAML file, counted as they unfold: a few lines can unfold to gigabytes. */
export const mostAliases = 50;

/** Parsed files by their bytes: a reload reads a changed channel for the table and for its tests, and a preset that stays for every reload. */
const parsed = new WeakMap<Buffer, { file: string; located: Located }>();

/** Parses a YAML or JSON file whose top is a map, once for each buffer. Mistakes are added to `problems`; then the result is undefined. */
export function readSource(file: string, bytes: Buffer, problems: Problems): Located | undefined {
  const known = parsed.get(bytes);
  if (known?.file === file) return known.located;
  const located = parse(file, bytes, problems);
  if (located) parsed.set(bytes, { file, located });
  return located;
}

function parse(file: string, bytes: Buffer, problems: Problems): Located | undefined {
  const { text, wrong } = decode(bytes);
  const source = sourceOf(file, text.replace(/^\ufeff/, ""));
  if (wrong) {
    problems.addAt(source, wrong.offset, wrong.message);
    return undefined;
  }
  const json = file.endsWith(".json") ? readJson(source) : undefined;
  if (json) return json;
  const document = yaml().parseDocument(source.text, { version: "1.2", uniqueKeys: true, prettyErrors: false, logLevel: "error" });
  const errors = [...document.errors, ...document.warnings];
  if (file.endsWith(".json") && !isJson(source.text)) {
    const offset = firstNotJson(source.text) ?? errors[0]?.pos[0] ?? source.text.length;
    problems.addAt(
      source,
      offset,
      "not JSON from here on; keys and texts are in double quotes, no comma is last, and there are no comments",
    );
    return undefined;
  }
  // Behind the first slip in the structure the parser no longer knows where it is.
  const slip = errors.find(({ code }) => !independent.has(code));
  const bare = slip ? bareExpressions(source.text, slip.pos[0]) : [];
  for (const { offset, message } of bare) problems.addAt(source, offset, message);
  for (const error of errors)
    if ((error === slip && bare.length === 0) || independent.has(error.code))
      problems.addAt(source, error.pos[0], yamlMessage(error, source.text));
  const merged = mergeKeysOf(document, source.text);
  for (const offset of merged) problems.addAt(source, offset, mergeKey);
  if (errors.length > 0 || merged.length > 0) return undefined;
  try {
    const value: unknown = document.toJS({ maxAliasCount: mostAliases });
    // An alias inside its own anchor makes a value without end, which this refuses.
    JSON.stringify(value);
    if (isPlainObject(value)) return { value, places: placesOf(document, source) };
    problems.addAt(source, 0, `the file ${value === null ? "is empty" : "is not a map"}; write keys and values, such as description: ...`);
  } catch (error) {
    problems.addAt(source, aliasIn(source.text), `yaml: ${aliasMessage(error as Error)}`);
  }
  return undefined;
}

/** A JSON map without mistakes is read ten times as fast as YAML; where its values stand is looked up only when something points at them. */
function readJson(source: Source): Located | undefined {
  if (!isJson(source.text)) return undefined;
  const value: unknown = JSON.parse(source.text);
  const written = source.text.match(/"(?:[^"\\]|\\.)*"(?=\s*:)/g)?.length ?? 0;
  // JSON.parse silently takes the last of two equal keys, so a map with fewer keys than written is left to YAML.
  if (!isPlainObject(value) || keysIn(value) < written) return undefined;
  let places: Map<string, Place> | undefined;
  return {
    value,
    get places() {
      return (places ??= placesOf(yaml().parseDocument(source.text), source));
    },
  };
}

function keysIn(value: unknown): number {
  if (typeof value !== "object" || value === null) return 0;
  const own = Array.isArray(value) ? 0 : Object.keys(value).length;
  return Object.values(value).reduce<number>((count, inner) => count + keysIn(inner), own);
}

const independent = new Set(["DUPLICATE_KEY", "TAB_AS_INDENT", "TAG_RESOLVE_FAILED", "MULTIPLE_DOCS"]);

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** Offset of the first thing that YAML knows and JSON does not. The engine's own message often has none. */
function firstNotJson(text: string): number | undefined {
  const token = /\s*(?:"(?:[^"\\\n]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null|[{[:\]}]|,(?=\s*[^\s\]}]))/y;
  while (token.lastIndex < text.length) {
    const before = token.lastIndex;
    if (!token.test(text)) return text.slice(before).trim() === "" ? undefined : before + text.slice(before).search(/\S/);
  }
  return undefined;
}

/**
 * Finds the expressions without quotes inside `{ }` and `[ ]`, where their brace begins a map to YAML. Where there is one on the line at
 * which the parser gave up, all from there on are reported, for they come in numbers.
 */
function bareExpressions(text: string, slip: number): { offset: number; message: string }[] {
  const found: ReturnType<typeof bareExpressions> = [];
  let start = text.lastIndexOf("\n", slip - 1) + 1;
  for (const [number, line] of text.slice(start).split("\n").entries()) {
    for (const { 0: expression, index } of line.matchAll(/(?<=[[{,:]\s*)\$\{[^}]*\}/g)) {
      const before = line.slice(0, index).replaceAll(/"[^"]*"|'[^']*'|\$\{[^}]*\}/g, "");
      const quoted = expression.includes('"') ? `'${expression}'` : `"${expression}"`;
      if (/^[^#"']*[[{][^#"']*$/.test(before))
        found.push({ offset: start + index, message: `yaml: inside { } and [ ] an expression stands in quotes: ${quoted}` });
    }
    if (number === 0 && found.length === 0) break;
    start += line.length + 1;
  }
  return found;
}

function yamlMessage({ code, message, pos: [offset] }: YAMLError, text: string): string {
  const line = text.slice(text.lastIndexOf("\n", offset - 1) + 1).split("\n", 1)[0] ?? "";
  if (code === "TAB_AS_INDENT") return "yaml: a tab cannot indent; use spaces";
  if (code === "DUPLICATE_KEY") return `the key ${/^[^:]*/.exec(text.slice(offset))?.[0].trim()} stands here a second time; keep one`;
  if (code === "TAG_RESOLVE_FAILED")
    return `yaml: ${message.replace("Unresolved tag: ", "unknown tag ")}; put a text that begins with ! in quotes`;
  if (code === "MULTIPLE_DOCS") return "yaml: one file holds one channel; take out the line ---";
  const plain = `yaml: ${message.charAt(0).toLowerCase()}${message.slice(1)}`;
  return line.includes("${") ? `${plain}; a text that begins with [ or {, or has ': ' in it, must be in quotes` : plain;
}

const mergeKey =
  "yaml: merge keys << are not read; a whole value is repeated with an alias, and what channels share is a preset that they name with extends";

/** Finds `<<` used as a key. YAML 1.2 has no merge keys, and the provider would receive it as a name. */
function mergeKeysOf(document: Document, text: string): number[] {
  const found: number[] = [];
  if (!text.includes("<<")) return found;
  yaml().visit(document, {
    Pair: (_, { key }) => {
      if (yaml().isScalar(key) && key.value === "<<" && key.type === "PLAIN") found.push(key.range?.[0] ?? 0);
    },
  });
  return found;
}

// The name of an alias ends at YAML's own white space, which is less than the engine's: a no-break space belongs to the name.
function aliasIn(text: string): number {
  return Math.max(0, text.search(/(?<=[\s[{,])\*[^ \t\r\n]/));
}

function aliasMessage({ message }: Error): string {
  if (message.startsWith("Excessive")) return "the aliases make the file too large; write fewer of them";
  const name = /: ([^ \t\r\n]+)$/.exec(message)?.[1];
  return message.startsWith("Unresolved")
    ? `there is no anchor &${name} before the alias *${name}`
    : "an alias stands inside its own anchor";
}

// The parts of a text as written that its value shows: no white space, which folding changes, and an escape as one character.
const unquoted = { length: 0, visible: /\S/g };
const quotes: Record<string, typeof unquoted> = {
  QUOTE_DOUBLE: { length: 1, visible: /\\(?![nrt ])[^]|(?<!\\)[^\s\\]/g },
  QUOTE_SINGLE: { length: 1, visible: /''|\S/g },
};

function placesOf(document: Document, source: Source): Map<string, Place> {
  const { isAlias, isMap, isScalar, isSeq } = yaml();
  const places = new Map<string, Place>();
  const note = (node: Node, path: Path, key: number): void => {
    const [from, to] = node.range as Range;
    const quote = isScalar(node) ? (quotes[node.type ?? ""] ?? unquoted) : unquoted;
    // An empty value has no place of its own.
    const start = to === from ? key : from + quote.length;
    const inside = (offset: number) =>
      start + (isScalar(node) ? offsetIn(source.text.slice(start, to), String(node.value), offset, quote.visible) : 0);
    places.set(keyOf(path), { source, key, value: start, end: to, inside });
    // Values repeated by an alias keep the place of the anchor.
    if (isAlias(node)) return;
    if (isSeq<Node>(node)) node.items.forEach((item, index) => note(item, [...path, index], item.range?.[0] ?? 0));
    if (isMap<Node, Node | null>(node))
      for (const pair of node.items) {
        const name = [...path, isScalar(pair.key) ? String(pair.key.value) : String(pair.key)];
        const [at, end] = pair.key.range as Range;
        if (pair.value) note(pair.value, name, at);
        else places.set(keyOf(name), { source, key: at, value: at, end, inside: () => at });
      }
  };
  note(document.contents as Node, [], 0);
  return places;
}

/** The place in `raw`, as written, of character `offset` of its value. */
function offsetIn(raw: string, value: string, offset: number, visible: RegExp): number {
  if (raw.startsWith(value)) return offset;
  const header = /^[|>][^\n]*/.exec(raw)?.[0].length ?? 0;
  const before = value.slice(0, offset).replaceAll(/\s/g, "").length;
  return [...raw.matchAll(visible)].filter(({ index }) => index >= header)[before]?.index ?? header;
}
