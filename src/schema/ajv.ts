// Makes the JSON Schema validator, with the keywords of our own.
import type { Ajv2020 } from "ajv/dist/2020.js";
import { createRequire } from "node:module";
import { RE2JS } from "re2js";
import { messageOf } from "../errors.ts";
import { lazily } from "./lazily.ts";
import { sizeKeyword } from "./x-size.ts";

interface AjvSettings {
  /** Fill in what the schema calls a default. */
  useDefaults?: boolean;
  /** Report everything that is wrong. Right for an operator's files; for a client's body it would let a long array make as many errors. */
  allErrors?: boolean;
}

const require = createRequire(import.meta.url);

/**
 * The validator's library, which takes a tenth of a second to load and is not needed by a start whose files were all judged before. `standard`
 * has the schemas that judge schemas: compiling them takes longer than most schemas of ours, so all instances share them.
 */
const library = lazily(() => {
  const { Ajv2020 } = require("ajv/dist/2020.js") as typeof import("ajv/dist/2020.js");
  const { default: addFormats } = require("ajv-formats") as typeof import("ajv-formats");
  const standard = new Ajv2020();
  addFormats(standard);
  // The judges of the keywords' values are compiled once, as the schemas of schemas are.
  const judged = keywords.map(({ metaSchema, ...keyword }) => ({ ...keyword, validateSchema: standard.compile(metaSchema) }));
  return { Ajv2020, addFormats, standard, judged };
});

/**
 * A strict JSON Schema 2020-12 validator that knows `x-size`, never coerces, and runs every pattern in linear time. One is made for
 * each load, since an instance remembers every `$id` it has seen.
 */
export function createAjv(settings: AjvSettings = {}): Ajv2020 {
  const { Ajv2020, addFormats, standard, judged } = library();
  const ajv = new Ajv2020({
    ...settings,
    ...manner,
    // The code is not polished, since compiling is most of a start's time.
    code: { regExp, optimize: false },
    meta: false,
  });
  Object.assign(ajv.schemas, standard.schemas);
  Object.assign(ajv.refs, standard.refs);
  addFormats(ajv);
  ajv.addVocabulary(judged);
  return ajv;
}

/** The settings of every validator that its code depends on. */
export const manner = {
  strict: true,
  // A schema that narrows another one requires properties which only that one describes.
  strictRequired: false,
  allowUnionTypes: true,
  // Errors then carry the schema around the keyword, which names the keys that would have been right.
  verbose: true,
  // A schema that many refer to is compiled once.
  inlineRefs: false,
} as const;

/** The operations of a model. The keyword judges no request. */
const operationsKeyword = {
  keyword: "x-operations",
  schemaType: "array",
  metaSchema: { type: "array", minItems: 1, uniqueItems: true, items: { enum: ["generate", "edit"] } },
} as const;

/** The day a model came out. It judges no request. */
const createdKeyword = { keyword: "x-created", schemaType: "string", metaSchema: { type: "string", format: "date" } } as const;

const keywords = [sizeKeyword, operationsKeyword, createdKeyword];

const regExp = Object.assign(compilePattern, { code: "compilePattern" });

/** An operator's pattern meets a client's text, so it must not be able to blow up: RE2, which has no lookaround and no backreference. */
export function compilePattern(pattern: string, flags: string): { test: (text: string) => boolean; toString: () => string } {
  try {
    const compiled = RE2JS.compile(RE2JS.translateRegExp(pattern));
    // Ajv keeps compiled patterns by their text: without one of its own each, all patterns of a schema would be the first one.
    return { test: (text) => compiled.test(text), toString: () => `${flags}/${pattern}` };
  } catch (error) {
    throw new Error(`pattern ${JSON.stringify(pattern)} is not one that RE2 understands: ${messageOf(error)}`, { cause: error });
  }
}
