// Compiles and evaluates CEL expressions.
import { Environment, EvaluationError, Optional, ParseError, TypeError as CelTypeError, type ASTNode } from "@marcbachmann/cel-js";
import { randomInt, randomUUID } from "node:crypto";
import { RE2JS } from "re2js";
import { InputImage } from "../picture/input.ts";
import { LongText } from "../picture/lift.ts";
import { didYouMean } from "../schema/suggest.ts";
import { namesOf, type Names } from "./names.ts";
import type { OfModel } from "./rendering.ts";

/** The value of a template whose key is to be left out. */
export const missing: unique symbol = Symbol("missing");

export type Variables = Record<string, unknown>;

/** A compiled CEL expression. */
export interface Expression {
  text: string;
  /**
   * `request.size`, `body.data`, ...: the first field of each name that the expression reads, or the path where the name is `deep`; only
   * `request` when it takes the whole.
   */
  uses: ReadonlySet<string>;
  /** Returns `missing` for an empty optional; throws `MissingValue` for a field that is not there and `ExpressionFailure` for the rest. */
  evaluate(variables: Variables): unknown;
}

/** A mistake in an expression's text, found at load. `offset` counts characters from the start of the text. */
export class ExpressionError extends Error {
  readonly offset: number;
  /** Set where it is a mistake for this model only. */
  readonly of: OfModel | undefined;
  constructor(message: string, offset: number, of?: OfModel) {
    super(message);
    this.name = "ExpressionError";
    this.offset = offset;
    this.of = of;
  }
}

/** A field that an expression names is not there. Made at most once for each expression: most of a request's fields are absent, and a stack is dear. */
export class MissingValue extends Error {
  readonly text: string;
  constructor(text: string) {
    super(`${text} is not there`);
    this.name = "MissingValue";
    this.text = text;
  }
}

/** An expression met a value that it cannot work with, such as a text where it divides. */
export class ExpressionFailure extends Error {
  /** The names that the expression reads, as `Expression.uses` has them. */
  readonly uses: readonly string[];
  constructor(text: string, summary: string, uses: Iterable<string> = []) {
    super(`\${${text}}: ${summary}`);
    this.name = "ExpressionFailure";
    this.uses = [...uses];
  }
}

// JSON numbers are CEL doubles and literals are ints; without these pairs `request.n + 1` would be an error.
const arithmetic: Record<string, (a: number, b: number) => number> = {
  "+": (a, b) => a + b,
  "-": (a, b) => a - b,
  "*": (a, b) => a * b,
  "/": (a, b) => a / b,
  "%": (a, b) => a % b,
};

const patterns = new Map<string, RE2JS>();

function pattern(source: string): RE2JS {
  const known = patterns.get(source);
  if (known) return known;
  const compiled = RE2JS.compile(source);
  // Patterns are written by operators, but one may be built from a provider's text: the cache must not grow with it.
  if (patterns.size < 1000) patterns.set(source, compiled);
  return compiled;
}

/** Parts of one expression: a longer one is a program, and would hold everybody up. */
export const expressionLimits = { maxAstNodes: 2000, maxDepth: 60, maxListElements: 500, maxMapEntries: 500, maxCallArguments: 16 };

/** The sum of a list of numbers; 0 for an empty one. */
function sum(list: readonly unknown[]): number {
  return list.reduce<number>((total, item) => {
    if (typeof item !== "number" && typeof item !== "bigint") throw new TypeError("sum takes a list of numbers");
    return total + Number(item);
  }, 0);
}

/** The failure to parse a text quotes it, and it may be a client's. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw new SyntaxError("the text is no JSON");
  }
}

function baseEnvironment(): Environment {
  const environment = new Environment({
    enableOptionalTypes: true,
    homogeneousAggregateLiterals: false,
    limits: expressionLimits,
  });
  for (const [sign, compute] of Object.entries(arithmetic)) {
    const operate = (a: number | bigint, b: number | bigint) => compute(Number(a), Number(b));
    environment.registerOperator(`double ${sign} int`, operate).registerOperator(`int ${sign} double`, operate);
  }
  return environment
    .registerType("LongText", { ctor: LongText, fields: {} })
    .registerType("InputImage", { ctor: InputImage, fields: { name: "dyn", type: "dyn", width: "dyn", height: "dyn", url: "dyn" } })
    .registerFunction("rx(string, string): bool", (text: string, source: string) => pattern(source).matcher(text).find())
    .registerFunction("string.replace(string, string): string", (text: string, from: string, to: string) => text.replaceAll(from, () => to))
    .registerFunction("flatten(list): list", (list: unknown[]) => list.flat())
    .registerFunction("sum(list): double", sum)
    .registerFunction("json(string): dyn", parseJson)
    .registerFunction("uuid(): string", () => randomUUID())
    .registerFunction("now(): int", () => BigInt(Math.floor(Date.now() / 1000)))
    .registerFunction("random(int): int", (below: bigint) => BigInt(randomInt(Number(below))))
    .registerFunction("round(double): int", (value: number) => BigInt(Math.round(value)));
}

const base = baseEnvironment();
const settings = new WeakMap<Names, Environment>();

function environmentFor(names: Names): Environment {
  let environment = settings.get(names);
  if (!environment) {
    environment = base.clone();
    for (const name of Object.keys(names.variables)) environment.registerVariable(name, "dyn");
    for (const [signature, handler] of Object.entries(names.functions ?? {}))
      environment.registerFunction(signature, handler as (...values: unknown[]) => unknown);
    settings.set(names, environment);
  }
  return environment;
}

/**
 * Compile an expression for a place that knows `names`.
 * Throws `ExpressionError` for bad syntax, an unknown name or field, or types that cannot meet.
 */
export function compileExpression(text: string, names: Names): Expression {
  const environment = environmentFor(names);
  try {
    const parsed = environment.parse(text);
    const uses = inspectTree(parsed.ast, names);
    const { error } = parsed.check();
    if (error) throw error;
    const steps = stepsOf(parsed.ast);
    let made: MissingValue | undefined;
    const absent = () => (made ??= new MissingValue(text));
    const evaluate = (variables: Variables) => {
      const found = steps && walk(steps, variables, absent);
      return found === undefined ? run({ text, uses }, parsed, variables, absent) : found;
    };
    return { text, uses, evaluate };
  } catch (error) {
    throw asExpressionError(error, names);
  }
}

interface Step {
  field: string;
  optional: boolean;
}

/** The steps of an expression that is no more than a path, such as `body.data.?url`. */
function stepsOf(node: ASTNode): Step[] | undefined {
  if (node.op === "id") return [{ field: node.args, optional: false }];
  if (node.op !== "." && node.op !== ".?") return undefined;
  const [target, field] = node.args;
  const before = stepsOf(target);
  return before && [...before, { field, optional: node.op === ".?" || before.some(({ optional }) => optional) }];
}

/**
 * Follow a path through plain objects; undefined where it leaves them. CEL recognises types by `constructor`, so that an object with
 * a key of that name would be none to it.
 */
function walk(steps: readonly Step[], variables: Variables, absent: () => MissingValue): unknown {
  let value: unknown = variables;
  for (const { field, optional } of steps) {
    if (!isPlainObject(value)) return undefined;
    if (!Object.hasOwn(value, field)) {
      if (optional) return missing;
      throw absent();
    }
    value = value[field];
  }
  // The place in a list is CEL's integer.
  return typeof value === "bigint" ? Number(value) : value;
}

// Names are judged at load: one that is unknown here is of a value that this request or answer does not have.
const absences: ReadonlySet<unknown> = new Set(["no_such_key", "index_out_of_bounds", "unknown_variable"]);

function run(
  { text, uses }: Pick<Expression, "text" | "uses">,
  parsed: (variables: Variables) => unknown,
  variables: Variables,
  absent: () => MissingValue,
): unknown {
  try {
    const value = plain(parsed(variables), 0);
    // A field that this image does not have, such as the URL of one that came as a file.
    return value === undefined ? missing : value;
  } catch (error) {
    if (error instanceof EvaluationError && absences.has(error.code)) throw absent();
    throw new ExpressionFailure(text, error instanceof EvaluationError ? error.summary : String(error), uses);
  }
}

/** CEL's own values as JSON's: integers become numbers, an empty optional `missing`. What came in by reference is left as it is. */
function plain(value: unknown, depth: number): unknown {
  if (typeof value === "bigint") return Number(value);
  if (value instanceof Optional) return value.hasValue() ? plain(value.value(), depth) : missing;
  // Only literals written in an expression hold big integers, and those are shallow; a provider's deep answer is not walked.
  if (depth > 8 || typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map((item) => plain(item, depth + 1)).filter((item) => item !== missing);
  if (!isPlainObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value)
      .map(([key, item]) => [key, plain(item, depth + 1)] as const)
      .filter(([, item]) => item !== missing),
  );
}

export function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

/** Collect what the expression reads, and refuse unknown fields and the unbounded regular expressions of `matches`. */
function inspectTree(root: ASTNode, names: Names): Set<string> {
  const uses = new Set<string>();
  const visit = (node: ASTNode): void => {
    if (node.op === "." || node.op === ".?") {
      const [root = "", ...path] = stepsOf(node)?.map(({ field }) => field) ?? [];
      if (names.variables[root]?.deep) return void uses.add([root, ...path].join("."));
      const [target, field] = node.args;
      if (target.op === "id" && Object.hasOwn(names.variables, target.args)) {
        const { fields: known, model } = names.variables[target.args] ?? {};
        if (known && !known.includes(field)) {
          const [name, hint, at] = [`${target.args}.${field}`, didYouMean(field, known), node.end - field.length];
          if (model !== undefined) throw new ExpressionError(`${name} is unknown to`, at, { model, hint });
          throw new ExpressionError(`unknown field ${name} (${hint})`, at);
        }
        uses.add(`${target.args}.${field}`);
        return;
      }
    }
    if (node.op === "id") uses.add(node.args);
    if (node.op === "rcall" && node.args[0] === "matches") {
      throw new ExpressionError("matches is not offered, its time has no bound; write rx(text, pattern)", node.start);
    }
    for (const child of children(node.args)) visit(child);
  };
  visit(root);
  return uses;
}

function children(args: unknown): ASTNode[] {
  if (Array.isArray(args)) return args.flatMap(children);
  return typeof args === "object" && args !== null && "op" in args ? [args as ASTNode] : [];
}

function asExpressionError(error: unknown, names: Names): unknown {
  if (!(error instanceof ParseError || error instanceof EvaluationError || error instanceof CelTypeError)) return error;
  const unknown = /^Unknown variable: (\w+)$/.exec(error.summary)?.[1];
  const message = unknown ? `unknown name ${unknown} (${didYouMean(unknown, namesOf(names))})` : plainMessage(error.summary);
  return new ExpressionError(message, error.range?.start ?? 0);
}

/** CEL's own sentences, where they do not say what would be right. */
function plainMessage(summary: string): string {
  if (summary === "Unexpected token: EOF") return "the expression ends too early";
  if (summary === "Unexpected character: =") return "= stands alone; two values are compared with ==";
  const [, one, other] = /^Ternary branches must have the same type, got '(.*)' and '(.*)'$/.exec(summary) ?? [];
  if (one !== undefined)
    return `the two sides of ? : have different types, ${one} and ${other}; write dyn(...) around one, or leave the key out with $when and $value`;
  if (summary.startsWith("has() ")) return "has() takes a path of names, such as has(body.x); behind [ ] write body[?0].?x.hasValue()";
  const call = /^found no matching (?:overload|function)[^']*'(.*)'$/i.exec(summary)?.[1];
  if (call) return `there is no function ${call}; see docs/expressions.md`;
  return summary.charAt(0).toLowerCase() + summary.slice(1);
}
