import type { Generated } from "../gateway/generate.ts";
import { base64Length, base64Of, type LocalData } from "../picture/convert.ts";
import type { Picture } from "../picture/picture.ts";

/** An answer's body in pieces: JSON text, and pictures that are written as base64 when their turn comes. */
type Piece = string | LocalData;

/** The answer to a client, ready to be written. `length` in bytes, where it is known beforehand. */
export interface AnswerBody {
  length?: number;
  chunks: () => AsyncGenerator<string | Buffer>;
}

/** OpenAI's shape of an answer. Pictures are never put into the JSON: they are spliced in as they are written. */
export function answerBody({ result, changes }: Generated): AnswerBody {
  const { created, ...facts } = result.facts;
  const metadata = {
    ...result.metadata,
    ...(result.errors.length > 0 ? { errors: result.errors } : {}),
    ...(changes.length > 0 ? { pictor: { changes } } : {}),
  };
  const tail = { ...facts, ...(Object.keys(metadata).length > 0 ? { metadata } : {}) };
  const pieces: Piece[] = [`{"created":${JSON.stringify(seconds(created))},"data":[`];
  for (const [index, picture] of result.pictures.entries()) pieces.push(index > 0 ? ",{" : "{", ...members(picture), "}");
  const rest = JSON.stringify(tail);
  pieces.push(rest === "{}" ? "]}" : `],${rest.slice(1)}`);
  return { length: lengthOf(pieces), chunks: () => write(pieces) };
}

function members({ data, revisedPrompt }: Picture): Piece[] {
  const revised = revisedPrompt === undefined ? "" : `,"revised_prompt":${JSON.stringify(revisedPrompt)}`;
  return data.kind === "url" ? [`"url":${JSON.stringify(data.url)}${revised}`] : ['"b64_json":"', data, `"${revised}`];
}

/** Unix seconds. Some providers say milliseconds, a text or nothing. */
function seconds(created: unknown): number {
  const said = typeof created === "string" && Number.isNaN(Number(created)) ? Date.parse(created) : Number(created);
  if (!(said > 0)) return Math.floor(Date.now() / 1000);
  return Math.floor(said > 1e11 ? said / 1000 : said);
}

function lengthOf(pieces: readonly Piece[]): number | undefined {
  let total = 0;
  for (const piece of pieces) {
    const length = typeof piece === "string" ? Buffer.byteLength(piece) : base64Length(piece);
    if (length === undefined) return undefined;
    total += length;
  }
  return total;
}

async function* write(pieces: readonly Piece[]): AsyncGenerator<string | Buffer> {
  for (const piece of pieces) {
    if (typeof piece === "string") yield piece;
    else yield* base64Of(piece);
  }
}
