// Lets a request go on whose client has been answered, and keeps what comes of it.
import type { Context } from "koa";
import type { Logger } from "pino";
import { GatewayError } from "../errors.ts";
import type { AttemptContext } from "../gateway/attempt.ts";
import type { Generated } from "../gateway/generate.ts";
import type { LateAnswer } from "../gateway/late.ts";
import { chunksOf, type LocalData } from "../picture/convert.ts";
import type { Picture } from "../picture/picture.ts";
import { withRest } from "../plugin/merge.ts";
import { answerBody } from "./answer.ts";
import type { Gateway, RequestState } from "./gateway.ts";

/** A timer set to more milliseconds would ring at once. */
const longestTimer = 2 ** 31 - 1;

/** What some work gives, or nothing where it is not done within so many milliseconds. */
export function inTime<T>(work: Promise<T>, milliseconds: number | undefined): Promise<T | undefined> {
  if (milliseconds === undefined) return work;
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, Math.min(milliseconds, longestTimer), undefined);
    void work.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

/** Stores a picture's bytes. */
type Save = AttemptContext["save"];

interface Late {
  work: Promise<Generated>;
  save: Save;
  log: Logger;
}

/**
 * Keep what comes of a request that is answered now. Never rejects. Its pictures are stored; those that the provider gave as URLs, which may
 * not live long, are fetched for it.
 */
export async function finishLate(ctx: Context, gateway: Gateway, { work, save, log }: Late): Promise<void> {
  const { id, client, model = "", signal } = ctx.state as RequestState;
  const { late } = gateway.routing;
  const answer: LateAnswer = { id, client: client?.name ?? "", model, createdAt: Math.floor(Date.now() / 1000), status: "in_progress" };
  late.put(answer);
  try {
    const generated = await work;
    const kept: Picture[] = [];
    for (const picture of generated.result.pictures) kept.push(await stored(picture, generated, { gateway, save, signal }));
    late.put({ ...answer, status: "completed", result: await bodyOf(generated, kept) });
    log.info({ model }, "the answer came after its request had been answered with a 504; it is kept");
  } catch (error) {
    const known = error instanceof GatewayError ? error : new GatewayError("internal_error", "internal error", { cause: error });
    late.put({ ...answer, status: "failed", ...known.toJSON() });
    log.error({ err: error }, "a request failed after it had been answered with a 504");
  }
}

/** The picture as a URL of the store; with the provider's own URL where it cannot be had or stored. */
async function stored(
  picture: Picture,
  { attempts }: Generated,
  { gateway, save, signal }: { gateway: Gateway; save: Save; signal: AbortSignal },
): Promise<Picture> {
  const { data } = picture;
  if (data.kind === "url" && data.own) return picture;
  try {
    const trusted = (url: URL) => attempts.at(-1)?.route.channel.trusted(url) ?? false;
    const source: LocalData =
      data.kind === "url" ? { kind: "stream", ...(await gateway.fetchPicture(data.url, { signal, trusted })) } : data;
    const { url, mediaType } = await save(chunksOf(source));
    return { ...picture, mediaType, data: { kind: "url", url, own: true } };
  } catch (error) {
    if (data.kind !== "url") throw error;
    return picture;
  }
}

/** The body that the answer would have had, with these pictures. */
async function bodyOf({ result: { rest, ...result }, ...generated }: Generated, pictures: Picture[]): Promise<object> {
  const whole = rest ? withRest({ ...result, pictures }, await rest) : { ...result, pictures };
  let text = "";
  await answerBody({ ...generated, result: whole }).writeTo((piece) => void (text += String(piece)));
  return JSON.parse(text) as object;
}
