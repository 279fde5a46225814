// Finds the pictures in a provider's answer, and the facts about them.
import { clientError, ProviderFailure } from "../errors.ts";
import { isPlainObject, missing, MissingValue, type Variables } from "../expression/cel.ts";
import type { Names, Place } from "../expression/names.ts";
import type { Path, Report, Template, TemplateOptions } from "../expression/rendering.ts";
import { compileTemplate, compileUrl } from "../expression/template.ts";
import { nanosOf } from "../money/cost.ts";
import { readBase64 } from "../picture/base64.ts";
import { headOf, type LocalData } from "../picture/convert.ts";
import { CutPicture, isCut } from "../picture/cut.ts";
import { LongText } from "../picture/lift.ts";
import type { Picture } from "../picture/picture.ts";
import { sniff } from "../picture/sniff.ts";
import type { Result } from "../plugin/context.ts";
import type { FromSchema } from "../schema/from-schema.ts";
import { anything, closed, each, text } from "../schema/parts.ts";
import { readSize } from "../size/parse.ts";
import type { Answer } from "./answer.ts";
import { mostPictures } from "./bounds.ts";
import { callSchema } from "./call.ts";
import { answerCondition, compileRule, itemRuleSchema, missingSchema } from "./failure.ts";
import { textIn } from "./usual.ts";

/** Facts of the whole answer that are passed on unchanged. */
const facts = ["created", "usage", "size", "quality", "output_format", "background"] as const;

const when = text("This form of the result is meant if the condition holds.");

/** The keys that locate a picture, finished or unfinished. */
const pictureParts = {
  images: text("The list of pictures: `${body.data}`."),
  url: text("One picture's URL: `${image.?url}`, or put together: `/view?name=${image.name}`."),
  relative: { type: "boolean", description: "URLs may be relative to base_url; one that begins with / is so to its host." },
  base64: text("One picture's base64: `${image.?b64_json}`."),
  revised_prompt: text("What the provider made of the prompt."),
} as const;

const tellsFact = (fact: (typeof facts)[number]) => anything(`The answer's \`${fact}\`.`);

/** The keys for the pictures of an answer or an event. */
const places = {
  ...pictureParts,
  expires: {
    type: ["string", "integer"],
    description:
      "How long a picture's URL is good, for `rehost`: seconds (`3600`), or what the answer says, as seconds, a moment since 1970 or a date: `${image.?expires_at}`.",
  },
  each_error: {
    type: "array",
    items: itemRuleSchema,
    description: "When one element of the list is a failure instead of a picture; the first match wins.",
  },
  metadata: anything("What is handed on in the answer's metadata."),
  each_metadata: anything('What is handed on beside the picture itself, of each `image`: `{ seed: "${image.?seed}" }`.'),
  cost: text('What the provider says that the call cost, in USD: `"${body.usage.cost_in_cents / 100}"`. It goes before every price line.'),
  ...each(facts, tellsFact),
} as const;

const form = closed({
  when,
  from: { ...callSchema, description: "A further call whose answer holds the pictures." },
  bytes: { type: "boolean", description: "The body is the picture." },
  ...places,
  missing: {
    ...missingSchema,
    description: "What it means that a picture did not come: an element without one, or fewer elements than were asked for.",
  },
});

export const resultSchema = { ...form, type: ["object", "array"], items: form, minItems: 1 } as const;
const eventSchema = closed({ when, ...places });
/** The keys for an unfinished picture. It has none for costs or errors: nothing is charged for it, and a failed one is left out. */
export const unfinishedParts = {
  when,
  ...pictureParts,
  ...each(
    facts.filter((fact) => fact !== "usage"),
    tellsFact,
  ),
};
export const eventsSchema = { ...eventSchema, type: ["object", "array"], items: eventSchema, minItems: 1 } as const;

/** The places of the pictures, and of facts about them, in a provider's answer. */
export type ResultSpec = FromSchema<typeof form>;

/**
 * Reads the result from an answer. Throws `ProviderFailure`: `bad_response` if a required value is missing, or an item's failure if no item
 * is a picture.
 */
export type Extract = (variables: Variables, answer: Answer) => Result;

export interface ResultOptions {
  names: Record<Place, Names>;
  report: Report;
  uses: Set<string>;
  readDocument?: TemplateOptions["readDocument"];
  /** True for an event of a stream. An event need not hold a picture; without `images` the event itself is the one picture. */
  isEvent?: boolean;
}

/** A form of `result`, compiled. */
export interface Form {
  /** True if this form describes the answer. */
  applies: (variables: Variables) => boolean;
  extract: Extract;
}

/** Compiles one form of `result`. Mistakes are passed to `report`. */
export function compileResult(spec: ResultSpec, path: Path, { names, report, uses, isEvent = false }: ResultOptions): Form {
  const whole = (name: keyof ResultSpec) =>
    spec[name] === undefined
      ? undefined
      : compileTemplate(spec[name], [...path, name], { names: names.answer, report, uses, required: true });
  const single = (name: keyof ResultSpec) =>
    spec[name] === undefined
      ? undefined
      : compileTemplate(spec[name], [...path, name], { names: names.image, report, uses, required: true });
  if (isEvent && spec.when === undefined) report(path, 'when is missing, which events are meant: when: event == "done"');
  if (!isEvent && !spec.bytes && spec.images === undefined) report(path, "images is missing, the list of pictures: images: ${body.data}");
  const givesPictures = spec.url !== undefined || spec.base64 !== undefined;
  if (!isEvent && !spec.bytes && !givesPictures) report(path, "url or base64 is missing, where one picture is: url: ${image.url}");
  const applies =
    spec.when === undefined ? () => true : answerCondition(spec.when, [...path, "when"], { names: names.answer, report, uses });
  const images = whole("images");
  const url =
    spec.url === undefined ? undefined : compileUrl(spec.url, [...path, "url"], { names: names.image, report, uses, required: true });
  const [base64, revisedPrompt, expires] = [single("base64"), single("revised_prompt"), single("expires")];
  const ownMetadata = single("each_metadata");
  const rules = (spec.each_error ?? []).map((rule, index) =>
    compileRule(rule, [...path, "each_error", index], { names: names.image, report, uses }),
  );
  const missing = spec.missing && compileRule(spec.missing, [...path, "missing"], { names: names.answer, report, uses });
  const shared = ([...facts, "metadata"] as const).map((name) => [name, whole(name)] as const);
  const cost = whole("cost");

  const one = (variables: Variables, answer: Answer): Picture => {
    const absent = missing?.failure(variables, { status: answer.status });
    if (absent && (variables.image ?? undefined) === undefined) throw absent;
    const rule = rules.find((candidate) => candidate.matches(variables));
    if (rule) throw rule.failure(variables, { status: answer.status });
    const picture =
      fromUrl(read(url, variables), spec.relative ? String(variables.base_url) : undefined) ?? fromBase64(read(base64, variables));
    if (!picture) throw absent ?? new ProviderFailure("bad_response", "the provider's answer names a picture without giving it");
    const revised = read(revisedPrompt, variables);
    const end = momentOf(read(expires, variables));
    const metadata = read(ownMetadata, variables);
    return {
      ...picture,
      ...(typeof revised === "string" && { revisedPrompt: revised }),
      ...(end !== undefined && { expires: end }),
      ...(isPlainObject(metadata) && Object.keys(metadata).length > 0 && { metadata }),
    };
  };

  const extract: Extract = (variables, answer) => {
    const result: Result = { pictures: [], errors: [], facts: {} };
    if (spec.bytes) result.pictures.push(fromData(answer.picture));
    else if (givesPictures) {
      const asked = askedFor(variables);
      const found = isEvent && !images ? [variables.body] : read(images, variables);
      const list = missing ? filled(found, asked) : listOf(found);
      collect(list.slice(0, mostPictures(asked)), (image, index) => one({ ...variables, image, index }, answer), result);
    }
    for (const [name, template] of shared) {
      const value = read(template, variables);
      if (name === "metadata" && isPlainObject(value)) result.metadata = value;
      else if (value !== undefined) result.facts[name] = value;
    }
    result.pictures = result.pictures.map((picture) => sized(picture, result.facts.size));
    const nanos = nanosOf(readBill(cost, variables));
    return nanos === undefined ? result : { ...result, cost: nanos };
  };
  return { applies, extract };
}

/** Converts seconds from now, a time in epoch seconds or milliseconds, or a date to epoch milliseconds; undefined for anything else. */
function momentOf(value: unknown): number | undefined {
  const text = textIn(value) ?? "";
  const number = Number(text);
  const moment = Number.isNaN(number)
    ? Date.parse(text)
    : number > 1e11
      ? number
      : 1000 * (number > 1e9 ? number : Date.now() / 1000 + number);
  return text === "" || Number.isNaN(moment) ? undefined : moment;
}

function askedFor({ request }: Variables): number {
  return isPlainObject(request) && typeof request.n === "number" ? request.n : 1;
}

/** Gives a picture that is still a URL the size that the answer states, until its bytes are read. */
function sized(picture: Picture, said: unknown): Picture {
  const { width, height } = (typeof said === "string" && readSize(said)) || {};
  return picture.data.kind === "url" && picture.width === undefined && width && height ? { ...picture, width, height } : picture;
}

function listOf(list: unknown): unknown[] {
  if (Array.isArray(list) && list.length > 0) return list;
  throw new ProviderFailure("bad_response", "the provider's answer holds no picture");
}

/** The list, extended with undefined to one element for each picture that was asked for. */
function filled(found: unknown, asked: number): unknown[] {
  const list: unknown[] = Array.isArray(found) ? found : [];
  return [...list, ...Array<undefined>(Math.max(0, asked - list.length)).fill(undefined)];
}

/** Collects the pictures of a list, and reports the failures among them. Throws if there are only failures. */
function collect(list: unknown[], one: (image: unknown, index: bigint) => Picture, result: Result): void {
  const failures: ProviderFailure[] = [];
  for (const [index, image] of list.entries()) {
    try {
      result.pictures.push(one(image, BigInt(index)));
    } catch (error) {
      if (!(error instanceof ProviderFailure)) throw error;
      failures.push(error);
      const { message, code } = clientError(error);
      result.errors.push({ message, code });
    }
  }
  // A failure after which something may have to be paid forbids another attempt, so it is thrown before any other.
  const failure = failures.find(({ details }) => !details.notAccepted) ?? failures[0];
  if (failure && result.pictures.length === 0) throw failure;
}

/** Reads a value of the answer; absent, null and empty values are undefined. Throws `bad_response` if a required value is missing. */
function read(template: Template | undefined, variables: Variables): unknown {
  try {
    const value = template?.({ variables, used: new Set(), mapped: () => undefined });
    return value === missing || value === null || value === "" ? undefined : value;
  } catch (error) {
    const what = error instanceof MissingValue ? `no ${error.text}` : "another shape than expected";
    throw new ProviderFailure("bad_response", `the provider's answer has ${what}`, { cause: error });
  }
}

/** Reads the cost; undefined if it cannot be read, since the pictures are valid without it. */
function readBill(template: Template | undefined, variables: Variables): unknown {
  try {
    return read(template, variables);
  } catch {
    return undefined;
  }
}

function fromUrl(value: unknown, base: string | undefined): Picture | undefined {
  // Some providers put the picture itself into the field for its URL.
  if (value instanceof LongText || (typeof value === "string" && /^data:/i.test(value))) return fromBase64(value);
  if (value === undefined) return undefined;
  if (typeof value === "string" && /^https?:\/\//i.test(value) && URL.canParse(value)) return { data: { kind: "url", url: value } };
  // A relative URL is resolved like a link in a page of the base URL's folder: one that begins with a slash is relative to the host.
  if (typeof value === "string" && base !== undefined && URL.canParse(value, `${base}/`))
    return { data: { kind: "url", url: new URL(value, `${base}/`).href } };
  throw new ProviderFailure("bad_response", "the provider's answer gives an address of a picture that is not a URL");
}

function fromBase64(value: unknown): Picture | undefined {
  if (value === undefined) return undefined;
  if (value instanceof LongText) {
    if (value.cut) throw cutPicture();
    return fromData(value.picture);
  }
  const found = typeof value === "string" ? readBase64(Buffer.from(value)) : undefined;
  const seen = found && sniff(headOf({ kind: "base64", ascii: found.ascii }));
  if (!seen) throw notAPicture();
  if (isCut(found.ascii, "base64")) throw cutPicture();
  return { ...seen, data: { kind: "base64", ascii: found.ascii } };
}

function fromData(data: LocalData | undefined): Picture {
  const seen = data && sniff(headOf(data));
  if (!seen) throw notAPicture();
  if (data.kind === "bytes" && isCut(data.bytes, "bytes")) throw cutPicture();
  return { ...seen, data };
}

/** The failure for an incomplete picture. It may have to be paid for, but it is of no use. */
function cutPicture(): ProviderFailure {
  return new ProviderFailure("bad_response", new CutPicture().message);
}

function notAPicture(): ProviderFailure {
  return new ProviderFailure("bad_response", "what the provider gave as a picture is neither PNG, JPEG, WebP, GIF, AVIF nor SVG");
}

/** True if nothing that follows a picture in the answer can turn it into a failure. */
export function isPlain(result: ResultSpec | ResultSpec[]): boolean {
  return !Array.isArray(result) && result.when === undefined && result.from === undefined && result.each_error === undefined;
}
