// Writes what was made as a door's API answers it.
import type { Drawing } from "../door/compile.ts";
import { rendered, type Foreign } from "../door/understand.ts";
import type { Variables } from "../expression/cel.ts";
import type { Made } from "../gateway/kept-answer.ts";
import { whole } from "../gateway/whole.ts";
import { encodeJson } from "../net/body.ts";
import { headOf } from "../picture/convert.ts";
import { LongText } from "../picture/lift.ts";
import type { Picture } from "../picture/picture.ts";
import { sniff } from "../picture/sniff.ts";
import type { UnifiedRequest } from "../plugin/context.ts";
import { withRest } from "../plugin/merge.ts";
import { seconds, usageOf, type AnswerBody, type Passing } from "./answer.ts";
import { changesHeader } from "./changes.ts";
import { firstMember, writeFrom } from "./door-begin.ts";
import { writeAll } from "./write.ts";

/** A request through a door, as far as it is known before anything is made. */
export interface Said {
  id: string;
  foreign: Foreign;
  request: UnifiedRequest;
}

/**
 * The answer to a request through a door. Pictures are written from where they are. One that is still arriving is written as it comes where the answer
 * can begin with it, and is waited for where not.
 */
export async function doorAnswer(drawing: Drawing, said: Said, made: Made, spool?: Passing): Promise<AnswerBody> {
  const known = { ...saidVariables(said), ...madeVariables(made) };
  const { rest, pictures } = made.result;
  const first = rest && firstMember(drawing, known);
  if (rest && first) {
    const all = async () =>
      rendered(drawing.answer, { ...known, ...madeVariables({ ...made, result: withRest(made.result, await rest) }) });
    return { writeTo: (put) => writeFrom(first, all, put, spool) };
  }
  if (spool && pictures.some(({ data }) => data.kind === "stream"))
    return doorAnswer(drawing, said, { ...made, result: await whole(made.result, spool) });
  const body = await encodeJson(rendered(drawing.answer, known) ?? null);
  if (Buffer.isBuffer(body)) return { length: body.length, writeTo: async (put) => put(body) };
  return { length: body.length, writeTo: (put) => writeAll(body.chunks(), put) };
}

/** The names of templates that are known before anything is made. */
export function saidVariables({ id, foreign, request }: Said): Variables {
  return { ...foreign, id, request, model: { id: request.model } };
}

/** The names of templates for what was made. */
export function madeVariables({ result, changes, cost }: Made): Variables & { result: Variables & { pictures: Variables[] } } {
  const { pictures, errors, facts, metadata } = result;
  const { usage, created, ...others } = facts;
  const spent = cost?.().nanos;
  const said = usageOf(usage);
  return {
    result: { ...others, pictures: pictures.map(pictureVariables), errors, created: seconds(created), ...(metadata && { metadata }) },
    ...(said !== undefined && { usage: said }),
    ...(spent !== undefined && { cost: spent / 1e9 }),
    changes: { list: changes, text: changesHeader(changes) ?? "" },
  };
}

/** A picture as templates see it. Its bytes are handed on, and never a text. */
export function pictureVariables({ data, mediaType, width, height, revisedPrompt, metadata }: Picture): Record<string, unknown> {
  const type = mediaType ?? (data.kind === "url" ? undefined : sniff(headOf(data))?.mediaType);
  return {
    ...(data.kind === "url"
      ? { url: data.url }
      : {
          base64: new LongText({ picture: data }),
          data_uri: new LongText({ picture: data, prefix: `data:${type ?? "application/octet-stream"};base64,` }),
        }),
    ...(type !== undefined && { type }),
    ...(width !== undefined && { width }),
    ...(height !== undefined && { height }),
    ...(revisedPrompt !== undefined && { revised_prompt: revisedPrompt }),
    ...(metadata && { metadata }),
  };
}
