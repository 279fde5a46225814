// Writes the body of an answer, with pictures spliced into its JSON.
import type { Made } from "../gateway/kept-answer.ts";
import { isPlainObject } from "../expression/cel.ts";
import type { Cost } from "../money/cost.ts";
import { readAhead } from "../picture/ahead.ts";
import { base64Length, base64Of, type LocalData } from "../picture/convert.ts";
import type { Picture } from "../picture/picture.ts";
import type { SpoolScope } from "../picture/spool.ts";
import type { Change, Result } from "../plugin/context.ts";
import { withRest } from "../plugin/merge.ts";
import type { Put } from "./write.ts";

/** An answer's body in pieces: JSON text, some of it only known when its turn comes, and pictures that are written as base64 then. */
export type Piece = string | LocalData | (() => Promise<string>);

/** The answer to a client, ready to be written. `length` in bytes, where it is known beforehand. */
export interface AnswerBody {
  length?: number;
  writeTo: (put: Put) => Promise<void>;
}

/** The place to which an arriving picture is read ahead while the client is slow. */
export type Ahead = Pick<SpoolScope, "backlog" | "free">;

/** The same, with a place for a picture that has to be whole first. */
export type Passing = Ahead & Pick<SpoolScope, "take">;

/** OpenAI's shape of an answer. Pictures are never put into the JSON: they are spliced in as they are written. */
export function answerBody(made: Made, spool?: Ahead): AnswerBody {
  const { rest } = made.result;
  const pieces = rest ? arriving(made, rest) : complete(made);
  return { length: lengthOf(pieces), writeTo: (put) => write(pieces, put, spool) };
}

function complete(made: Made): Piece[] {
  const { result } = made;
  const { created, ...facts } = factsOf(made);
  const pieces: Piece[] = [`{"created":${JSON.stringify(created)},"data":[`];
  for (const [index, picture] of result.pictures.entries()) pieces.push(index > 0 ? ",{" : "{", ...members(picture), own(picture), "}");
  const rest = JSON.stringify(facts);
  return [...pieces, rest === "{}" ? "]}" : `],${rest.slice(1)}`];
}

/** A picture that is still arriving: facts that the provider sends after it follow it. */
function arriving({ result, ...made }: Made, rest: Promise<Result>): Piece[] {
  const pictures = result.pictures.flatMap(({ data }) => (data.kind === "url" ? [] : [data]));
  const tail = async () => {
    const all = withRest(result, await rest);
    return `"${revised(all.pictures[0])}${own(all.pictures[0])}}],${JSON.stringify(factsOf({ ...made, result: all })).slice(1)}`;
  };
  return [`{"data":[{"b64_json":"`, ...pictures, tail];
}

function factsOf({ result, changes, cost }: Made): { created: number } & Record<string, unknown> {
  const metadata = metadataOf(result, changes);
  const usage = usageOf(result.facts.usage, cost?.());
  return { ...result.facts, ...(usage !== undefined && { usage }), created: seconds(result.facts.created), ...(metadata && { metadata }) };
}

/** The provider's usage with what the request cost in USD, where that is known. */
export function usageOf(usage: unknown, { nanos }: Partial<Cost> = {}): unknown {
  if (nanos === undefined || (usage !== undefined && !isPlainObject(usage))) return usage;
  return { ...usage, cost: nanos / 1e9 };
}

/** The provider's metadata, what failed, and what the gateway has to say, `more` included; undefined where that is nothing. */
export function metadataOf({ metadata, errors }: Result, changes: readonly Change[], more: object = {}): object | undefined {
  const pictor = { ...more, ...(changes.length > 0 ? { changes } : {}) };
  const all = { ...metadata, ...(errors.length > 0 ? { errors } : {}), ...(Object.keys(pictor).length > 0 ? { pictor } : {}) };
  return Object.keys(all).length > 0 ? all : undefined;
}

export function members(picture: Picture): Piece[] {
  const { data } = picture;
  return data.kind === "url" ? [`"url":${JSON.stringify(data.url)}${revised(picture)}`] : ['"b64_json":"', data, `"${revised(picture)}`];
}

function revised({ revisedPrompt }: Pick<Picture, "revisedPrompt"> = {}): string {
  return revisedPrompt === undefined ? "" : `,"revised_prompt":${JSON.stringify(revisedPrompt)}`;
}

/** Metadata of one picture. In an event it goes with that of the whole. */
function own({ metadata }: Pick<Picture, "metadata"> = {}): string {
  return metadata === undefined ? "" : `,"metadata":${JSON.stringify(metadata)}`;
}

/** No date in milliseconds reaches further: it is the year 5138. */
const latest = 1e14;

/** Unix seconds. Some providers say milliseconds, a text, nothing or nonsense. */
export function seconds(created: unknown): number {
  const said = typeof created === "string" && Number.isNaN(Number(created)) ? Date.parse(created) : Number(created);
  if (!(said > 0 && said < latest)) return Math.floor(Date.now() / 1000);
  return Math.floor(said > 1e11 ? said / 1000 : said);
}

function lengthOf(pieces: readonly Piece[]): number | undefined {
  let total = 0;
  for (const piece of pieces) {
    if (typeof piece === "function") return undefined;
    const length = typeof piece === "string" ? Buffer.byteLength(piece) : base64Length(piece);
    if (length === undefined) return undefined;
    total += length;
  }
  return total;
}

/** Hand pieces on in their order, a picture chunk by chunk as it is read. Rejects with what reading or putting rejects with. */
export async function write(pieces: readonly Piece[], put: Put, spool?: Ahead): Promise<void> {
  for (const piece of pieces) {
    if (typeof piece === "string") await put(piece);
    else if (typeof piece === "function") await put(await piece());
    else {
      const chunks = base64Of(piece);
      for await (const chunk of spool && piece.kind === "stream" ? readAhead(chunks, spool) : chunks) await put(chunk);
    }
  }
}
