// Compiles texts with expressions in them, and conditions.
import { InputImage } from "../picture/input.ts";
import { compileExpression, ExpressionError, ExpressionFailure, missing, MissingValue, type Expression, type Variables } from "./cel.ts";
import type { Names } from "./names.ts";
import { remembered } from "./remember.ts";
import { nothing, type Path, type Rendering, type Report, type Template, type TemplateOptions } from "./rendering.ts";

/** Compile a text: `${...}` alone keeps the type of its value, and inside a text it is put in. */
export function compileText(text: string, path: Path, options: TemplateOptions): Template {
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
    // Fields used only in an omitted text do not count as sent.
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

const compiled = new WeakMap<Names, Map<string, Expression>>();

/** Expressions of one set of names that are kept: a process may live through many edits. */
export const mostExpressions = 1000;

/** Compiles an expression once for the same names: models repeat those of their channel, and a reload those of the one before. */
export function compileOnce(text: string, names: Names): Expression {
  const known = compiled.get(names) ?? new Map<string, Expression>();
  compiled.set(names, known);
  return remembered(known, mostExpressions, text, () => compileExpression(text, names));
}

function compileAt(text: string, offset: number, path: Path, options: TemplateOptions): Expression | undefined {
  try {
    const expression = compileOnce(text, options.names);
    for (const name of expression.uses) options.uses?.add(name);
    return expression;
  } catch (error) {
    if (!(error instanceof ExpressionError)) throw error;
    options.report(path, error.message, offset + error.offset, error.of);
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

/** Compile a bare condition. A value that is not there makes it false. */
export function compileCondition(value: unknown, path: Path, options: TemplateOptions): (variables: Variables) => boolean {
  return compileTest(value, path, options).holds;
}

/** The same, with what the condition reads. */
export function compileTest(value: unknown, path: Path, options: TemplateOptions) {
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

/** A value put into a text: a text as it is, an image as its URL, everything else as JSON. Throws `ExpressionFailure` for an image without one. */
export function textOf(value: unknown): string {
  if (!(value instanceof InputImage)) return typeof value === "string" ? value : JSON.stringify(value);
  if (value.url !== undefined) return value.url;
  throw new ExpressionFailure(`request.${value.field}`, "an image is no part of a text; it stands alone, or in $file");
}
