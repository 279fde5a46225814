// The types of compiled values of a YAML file, and of what rendering them needs.
import { missing, type Expression, type Variables } from "./cel.ts";
import type { Names } from "./names.ts";

export type Path = readonly (string | number)[];

/** The model that a mistake is about: the message ends in its name, and the hint that follows holds for it. */
export interface OfModel {
  model: string;
  hint: string;
}

/** Collects the mistakes of a file. `offset` counts characters within the text at `path`. */
export type Report = (path: Path, message: string, offset?: number, of?: OfModel) => void;

/** Receives what rendering reports beside the value: the fields it used, and where a table fell back to `else`. */
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
  /** An object that is laid over another when it is rendered: what is dropped in it is taken out there. */
  layer?: boolean;
  /** Null is a value like any other, as in tests. */
  plainNull?: boolean;
  /** Read a JSON file beside the channel files; reports what is wrong itself. */
  readDocument?: (name: string, path: Path) => unknown;
}

export type Compile = (value: unknown, path: Path, options: TemplateOptions) => Template;

/** The template that leaves its key out. */
export const nothing: Template = () => missing;

/** The value of `$drop`: its key is left out, also where an object below has it. */
export const dropped: unique symbol = Symbol("dropped");

export function isLeftOut(value: unknown): boolean {
  return value === missing || value === dropped;
}
