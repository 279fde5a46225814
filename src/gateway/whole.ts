// Waits for all of a result, so that it can be kept and given more than once.
import { chunksOf } from "../picture/convert.ts";
import type { Picture } from "../picture/picture.ts";
import type { SpoolScope } from "../picture/spool.ts";
import type { Result } from "../plugin/context.ts";
import { withRest } from "../plugin/merge.ts";

/** A result whose pictures are all here. */
export async function whole(result: Result, scope: Pick<SpoolScope, "take">): Promise<Result> {
  const { rest } = result;
  const pictures: Picture[] = [];
  for (const picture of result.pictures) pictures.push(await held(picture, scope));
  const here = { ...result, pictures, rest: undefined };
  const all = rest ? withRest(here, await rest) : here;
  // An answer that is given again is as old as it is.
  return { ...all, facts: { ...all.facts, created: all.facts.created ?? Math.floor(Date.now() / 1000) } };
}

/** A picture that can be read more than once. */
export async function held(picture: Picture, scope: Pick<SpoolScope, "take">): Promise<Picture> {
  const { data } = picture;
  return data.kind === "stream" ? { ...picture, data: await scope.take(chunksOf(data), Infinity) } : picture;
}
