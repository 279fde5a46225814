// Compiles values of a YAML file into templates.
import { didYouMean } from "../schema/suggest.ts";
import { ExpressionFailure, isPlainObject, missing } from "./cel.ts";
import { directiveHelp, directives } from "./directives.ts";
import { dropped, isLeftOut, nothing, type Path, type Template, type TemplateOptions } from "./rendering.ts";
import { compileText } from "./text.ts";

/** Compile a value of a YAML file. Mistakes go to `report`; the template then renders nothing. */
export function compileTemplate(value: unknown, path: Path, options: TemplateOptions): Template {
  const template = compileValue(value, path, options);
  return (rendering) => {
    const rendered = template(rendering);
    return rendered === dropped ? missing : rendered;
  };
}

function compileValue(value: unknown, path: Path, options: TemplateOptions): Template {
  if (value === "$drop") return () => dropped;
  if (typeof value === "string") return compileText(value, path, options);
  if (Array.isArray(value)) {
    const items = value.map((item: unknown, index) => compileValue(item, [...path, index], { ...options, layer: false }));
    return (rendering) => items.map((item) => item(rendering)).filter((item) => !isLeftOut(item));
  }
  if (isPlainObject(value)) return compileObject(value, path, options);
  if (value === null && !options.plainNull) options.report(path, lostNull);
  return () => value;
}

const lostNull =
  "null takes away a line from what lies below, and nothing is there; write $drop where a request is to go without a key, ${null} for a null that is sent";

function compileObject(value: Record<string, unknown>, path: Path, options: TemplateOptions): Template {
  const directive = Object.keys(value).find((key) => key.startsWith("$"));
  const special = directive === undefined ? undefined : directives[directive];
  if (special) return special(value, path, options, compileValue);
  if (directive !== undefined) {
    const known = `unknown directive ${directive} (${didYouMean(directive, Object.keys(directiveHelp))})`;
    options.report([...path, directive], directive === "$replace" ? needlessReplace : known);
    return nothing;
  }
  const { layer = false, ...inner } = options;
  const entries = Object.entries(value).map(([key, item]) => [key, compileValue(item, [...path, key], inner)] as const);
  return (rendering) =>
    Object.fromEntries(
      entries.map(([key, item]) => [key, item(rendering)] as const).filter(([, item]) => item !== missing && (layer || item !== dropped)),
    );
}

const needlessReplace = "$replace: true takes the place of a map that lies below, and there is none; leave it out";

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
