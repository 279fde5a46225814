import {
  compileExpression,
  ExpressionError,
  ExpressionFailure,
  isPlainObject,
  missing,
  MissingValue,
  type Expression,
  type Variables,
} from "./cel.ts";
import type { Names } from "./names.ts";
import { directiveHelp, directives, textOf } from "./directives.ts";
import { didYouMean } from "../schema/suggest.ts";

export type Path = readonly (string | number)[];

/** Where the mistakes of a file are collected. `offset` counts characters within the text at `path`. */
export type Report = (path: Path, message: string, offset?: number) => void;

/** What rendering tells beside the value: which fields went into it, and where a table fell back to `else`. */
export interface Rendering {
  variables: Variables;
  used: Set<string>;
  mapped(field: string, from: unknown, to: unknown): void;
}

/** A compiled value of a YAML file. Returns `missing` where its key is to be left out. */
export type Template = (rendering: Rendering) => unknown;

export interface TemplateOptions {
  names: Names;
  report: Report;
  /** In what is sent a missing value removes its key; in what came back (`required`) it is an error that names it. */
  required?: boolean;
  /** Texts put in between are made safe with this, for URLs. */
  encode?: (text: string, expression: Expression, alone: boolean) => string;
  /** Collects what the expressions read, whether they are rendered or not. */
  uses?: Set<string>;
  /** Read a JSON file beside the channel files; reports what is wrong itself. */
  readDocument?: (name: string, path: Path) => unknown;
}

export type Compile = (value: unknown, path: Path, options: TemplateOptions) => Template;

const nothing: Template = () => missing;

/** Compile a value of a YAML file. Mistakes go to `report`; the template then renders nothing. */
export function compileTemplate(value: unknown, path: Path, options: TemplateOptions): Template {
  if (typeof value === "string") return compileText(value, path, options);
  if (Array.isArray(value)) {
    const items = value.map((item: unknown, index) => compileTemplate(item, [...path, index], options));
    return (rendering) => items.map((item) => item(rendering)).filter((item) => item !== missing);
  }
  if (isPlainObject(value)) return compileObject(value, path, options);
  return () => value;
}

function compileObject(value: Record<string, unknown>, path: Path, options: TemplateOptions): Template {
  const directive = Object.keys(value).find((key) => key.startsWith("$"));
  if (directive === "$map") return compileMap(value, path, options);
  if (directive === "$merge") return compileMerge(value, path, options);
  if (directive === "$when") return compileWhen(value, path, options);
  const special = directive === undefined ? undefined : directives[directive];
  if (special) return special(value, path, options, compileTemplate);
  if (directive !== undefined) {
    options.report([...path, directive], `unknown directive ${directive} (${didYouMean(directive, Object.keys(directiveHelp))})`);
    return nothing;
  }
  const entries = Object.entries(value).map(([key, item]) => [key, compileTemplate(item, [...path, key], options)] as const);
  return (rendering) =>
    Object.fromEntries(entries.map(([key, item]) => [key, item(rendering)] as const).filter(([, item]) => item !== missing));
}

/** `$when`: the rest of this object, if the condition holds. */
function compileWhen(value: Record<string, unknown>, path: Path, options: TemplateOptions): Template {
  const { $when, ...rest } = value;
  const { holds, uses } = compileTest($when, [...path, "$when"], options);
  const body = compileTemplate(rest, path, options);
  return (rendering) => {
    if (!holds(rendering.variables)) return missing;
    // That the object is there is what the provider is told of these fields.
    for (const name of uses) rendering.used.add(name);
    return body(rendering);
  };
}

/** `$map`: a table from the subject's value to another; `else` for values that it does not list. */
function compileMap(value: Record<string, unknown>, path: Path, options: TemplateOptions): Template {
  const unknown = Object.keys(value).find((key) => !["$map", "to", "else"].includes(key));
  if (unknown !== undefined)
    options.report([...path, unknown], `unknown key ${unknown} beside $map (${didYouMean(unknown, ["to", "else"])})`);
  if (!isPlainObject(value.to)) {
    options.report(path, "$map needs its table: to: { value: result }");
    return nothing;
  }
  const subject = compileTemplate(value.$map, [...path, "$map"], { ...options, required: false });
  const table = new Map(Object.entries(value.to).map(([key, item]) => [key, compileTemplate(item, [...path, "to", key], options)]));
  const otherwise = "else" in value ? compileTemplate(value.else, [...path, "else"], options) : undefined;
  return (rendering) => {
    const used = new Set<string>();
    const from = subject({ ...rendering, used });
    const key = typeof from === "object" && from !== null ? JSON.stringify(from) : String(from);
    const row = from === missing ? undefined : table.get(key);
    if (!row && (from === missing || !otherwise)) return missing;
    for (const name of used) rendering.used.add(name);
    if (row) return row(rendering);
    const to = otherwise?.(rendering);
    for (const name of used) rendering.mapped(name, from, to);
    return to;
  };
}

/** Objects laid over one another, key by key; a null deletes, what is no object adds nothing. */
export function laidOver(layers: readonly unknown[]): Record<string, unknown> {
  const merged = new Map<string, unknown>();
  for (const layer of layers) {
    for (const [key, item] of isPlainObject(layer) ? Object.entries(layer) : []) {
      if (item === null) merged.delete(key);
      else merged.set(key, item);
    }
  }
  return Object.fromEntries(merged);
}

/** `$merge`: objects laid over one another, key by key; a null deletes. */
function compileMerge(value: Record<string, unknown>, path: Path, options: TemplateOptions): Template {
  if (!Array.isArray(value.$merge) || Object.keys(value).length > 1) {
    options.report(path, "$merge stands alone and takes a list: $merge: [${request}, { model: x }]");
    return nothing;
  }
  const layers = value.$merge.map((layer: unknown, index) => compileTemplate(layer, [...path, "$merge", index], options));
  return (rendering) => laidOver(layers.map((layer) => layer(rendering)));
}

/** Compile a bare condition. A value that is not there makes it false. */
export function compileCondition(value: unknown, path: Path, options: TemplateOptions): (variables: Variables) => boolean {
  return compileTest(value, path, options).holds;
}

function compileTest(value: unknown, path: Path, options: TemplateOptions) {
  const bare = typeof value === "string" && !value.startsWith("${");
  if (!bare) options.report(path, "a condition is a bare expression, without ${ }: status == 402");
  const expression = bare ? compileAt(value, 0, path, options) : undefined;
  return {
    uses: expression?.uses ?? new Set<string>(),
    holds: (variables: Variables) => {
      try {
        return expression?.evaluate(variables) === true;
      } catch (error) {
        if (error instanceof MissingValue) return false;
        throw error;
      }
    },
  };
}

function compileText(text: string, path: Path, options: TemplateOptions): Template {
  const pieces = split(text, path, options.report).map((piece) =>
    typeof piece === "string" ? piece : compileAt(piece.text, piece.offset, path, options),
  );
  if (pieces.some((piece) => piece === undefined)) return nothing;
  const [only] = pieces;
  const alone = pieces.length === 1;
  if (alone && typeof only === "object" && !options.encode) return (rendering) => evaluate(only, rendering, options);
  return (rendering) => {
    const used = new Set<string>();
    const parts = pieces.map((piece) => {
      if (typeof piece !== "object") return piece;
      const value = evaluate(piece, { ...rendering, used }, options);
      if (value === missing || value === null) return missing;
      return options.encode ? options.encode(textOf(value), piece, alone) : textOf(value);
    });
    if (parts.includes(missing)) return missing;
    // What went into a text that is left out went nowhere.
    for (const name of used) rendering.used.add(name);
    return parts.join("");
  };
}

function evaluate(expression: Expression, rendering: Rendering, options: TemplateOptions): unknown {
  try {
    const value = expression.evaluate(rendering.variables);
    if (value !== missing) for (const name of expression.uses) rendering.used.add(name);
    return value;
  } catch (error) {
    if (error instanceof MissingValue && !options.required) return missing;
    throw error;
  }
}

function compileAt(text: string, offset: number, path: Path, options: TemplateOptions): Expression | undefined {
  try {
    const expression = compileExpression(text, options.names);
    for (const name of expression.uses) options.uses?.add(name);
    return expression;
  } catch (error) {
    if (!(error instanceof ExpressionError)) throw error;
    options.report(path, error.message, offset + error.offset);
    return undefined;
  }
}

interface Hole {
  text: string;
  offset: number;
}

/** Split `a ${b} c` into its texts and expressions; `$${` is a literal `${`. */
function split(text: string, path: Path, report: Report): (string | Hole)[] {
  const pieces: (string | Hole)[] = [];
  let literal = "";
  let at = 0;
  while (at < text.length) {
    if (text.startsWith("$${", at)) {
      literal += "${";
      at += 3;
    } else if (text.startsWith("${", at)) {
      const end = closing(text, at + 2);
      if (end === -1) {
        report(
          path,
          "the expression is not closed; where YAML cuts it (at ': ', ' #', or inside { } and [ ]), put the whole value in quotes",
          at,
        );
        return [""];
      }
      if (literal) pieces.push(literal);
      literal = "";
      pieces.push({ text: text.slice(at + 2, end), offset: at + 2 });
      at = end + 1;
    } else {
      literal += text.charAt(at);
      at += 1;
    }
  }
  return literal || pieces.length === 0 ? [...pieces, literal] : pieces;
}

/** The index of the brace that closes the expression begun before `at`; braces inside its own texts and maps do not count. */
function closing(text: string, at: number): number {
  let depth = 0;
  let quote = "";
  for (let index = at; index < text.length; index += 1) {
    const char = text.charAt(index);
    if (quote) {
      if (char === "\\") index += 1;
      else if (char === quote) quote = "";
    } else if (char === '"' || char === "'") quote = char;
    else if (char === "{") depth += 1;
    else if (char === "}" && depth === 0) return index;
    else if (char === "}") depth -= 1;
  }
  return -1;
}

/**
 * Compile a URL or path: what the operator wrote stands as it is, everything else is percent-encoded, so that a job id with `/`
 * or `?` stays one segment. An expression that stands alone may be a whole URL, unless it reads what the client said.
 */
export function compileUrl(value: string, path: Path, options: Omit<TemplateOptions, "encode">): Template {
  const operators = ["model.upstream", "variables.", "base_url"];
  return compileTemplate(value, path, {
    ...options,
    encode: (text, expression, alone) => {
      const names = [...expression.uses];
      if (names.every((name) => operators.some((own) => name.startsWith(own)))) return text;
      if (alone && !names.some((name) => /^(?:request|size)\b/.test(name))) return text;
      // Half of a surrogate pair has no bytes to be encoded as.
      if (/\p{Surrogate}/u.test(text)) throw new ExpressionFailure(expression.text, "half a character");
      return encodeURIComponent(text);
    },
  });
}
