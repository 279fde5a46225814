// The schema keyword x-size: what a model says of its sizes beyond JSON Schema.
import type { FuncKeywordDefinition, SchemaValidateFunction } from "ajv";
import { readSize } from "../size/parse.ts";
import { brokenRule, describeSizes, sizeRuleSchemas, type SizeRules } from "../size/rules.ts";

/** A size is fine if it is listed, or if it is WxH and keeps every pixel rule. */
export interface SizeRule {
  one_of?: string[];
  pixels?: SizeRules;
}

export const sizeKeyword = {
  keyword: "x-size",
  type: "string",
  schemaType: "object",
  metaSchema: {
    type: "object",
    minProperties: 1,
    additionalProperties: false,
    properties: {
      one_of: { type: "array", minItems: 1, uniqueItems: true, items: { type: "string" } },
      pixels: { type: "object", additionalProperties: false, properties: sizeRuleSchemas },
    },
  },
  errors: true,
  compile: (rule: SizeRule) => {
    const { one_of, pixels } = rule;
    const listed = new Set(one_of?.map(canonical));
    const allowed = describeSizes(rule);
    const validate: SchemaValidateFunction = (text: string) => {
      if (listed.has(text)) return true;
      const size = readSize(text);
      const isPixels = size?.text === text && size.width !== undefined;
      // Of what is no WxH at all there is nothing more to say.
      const reason = pixels && (isPixels ? brokenRule(size, pixels) : "");
      if (pixels && reason === undefined) return true;
      validate.errors = [{ keyword: "x-size", params: { allowed, reason }, message: `must be ${allowed}` }];
      return false;
    };
    return validate;
  },
} satisfies FuncKeywordDefinition;

/** A size in the list is compared with a client's canonical text, so one that is spelled otherwise would never be allowed. */
function canonical(text: string): string {
  const spelling = readSize(text)?.text;
  if (spelling === text) return text;
  throw new Error(`x-size: ${JSON.stringify(text)} is ${spelling === undefined ? "not a size" : `spelled ${spelling}`}`);
}
