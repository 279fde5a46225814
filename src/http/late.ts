// Lets a request go on whose client has been answered, and keeps what comes of it.
import type { Context } from "koa";
import type { Logger } from "pino";
import { clientError, GatewayError, ProviderFailure } from "../errors.ts";
import type { AttemptContext } from "../gateway/attempt.ts";
import { longestTimer } from "../gateway/deadline.ts";
import type { Generated } from "../gateway/generate.ts";
import type { LateAnswer } from "../gateway/late.ts";
import { chunksOf, sizeOf, type LocalData } from "../picture/convert.ts";
import type { Picture } from "../picture/picture.ts";
import type { SpoolScope } from "../picture/spool.ts";
import { NotStored, storePicture } from "../picture/store.ts";
import { withRest } from "../plugin/merge.ts";
import { answerBody } from "./answer.ts";
import type { Gateway, RequestState } from "./gateway.ts";

/** The result of some work, or nothing where it takes longer than so many milliseconds. */
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
  /** Holds what the request holds, until it is over. */
  spool: Pick<SpoolScope, "take">;
  /** Told of what was made. */
  made: (generated: Generated) => void;
  log: Logger;
}

/** Picture that is kept in an outcome itself where it cannot be stored, in bytes: outcomes are held in memory. */
export const largestKept = 4 * 1024 * 1024;

/**
 * Keep what comes of a request that is answered now. Never rejects. Its pictures are stored; those that the provider gave as URLs, which may
 * not live long, are fetched for it.
 */
export async function finishLate(ctx: Context, gateway: Gateway, { work, save, made, spool, log }: Late): Promise<void> {
  const state = ctx.state as RequestState;
  const { id, client, model = "", signal } = state;
  const ended = () => ({ model, channel: state.channel, attempts: state.attempts });
  const { late } = gateway.routing;
  const answer: LateAnswer = { id, client: client?.name ?? "", model, createdAt: Math.floor(Date.now() / 1000), status: "in_progress" };
  late.put(answer);
  try {
    const generated = await work;
    made(generated);
    const kept: Picture[] = [];
    for (const picture of generated.result.pictures) kept.push(await stored(picture, generated, { gateway, save, spool, signal }));
    late.put({ ...answer, status: "completed", result: await bodyOf(generated, kept) });
    log.info(ended(), "the answer came after its request had been answered with a 504; it is kept");
  } catch (error) {
    // A picture that breaks off while it is stored is a provider's failure that no attempt has translated.
    const known = error instanceof ProviderFailure ? clientError(error) : error;
    const told = known instanceof GatewayError ? known : new GatewayError("internal_error", "internal error", { cause: error });
    late.put({ ...answer, status: "failed", ...told.toJSON() });
    log.error({ ...ended(), err: error }, "a request failed after it had been answered with a 504");
  }
}

/** The picture as a URL of the store; where it cannot be had or stored, with the provider's own URL, or as base64 while it is small. */
async function stored(
  picture: Picture,
  { attempts, changes }: Generated,
  { gateway, save, spool, signal }: Pick<Late, "save" | "spool"> & { gateway: Gateway; signal: AbortSignal },
): Promise<Picture> {
  const { data } = picture;
  if (data.kind === "url" && data.own) return picture;
  const here = data.kind === "stream" ? await spool.take(chunksOf(data), Infinity) : data;
  try {
    const trusted = (url: URL) => attempts.at(-1)?.route.channel.trusted(url) ?? false;
    const source: LocalData =
      here.kind === "url" ? { kind: "stream", ...(await gateway.fetchPicture(here.url, { signal, trusted, fresh: true })) } : here;
    return await storePicture(picture, source, save);
  } catch (error) {
    if (here.kind === "url") return picture;
    if (!(error instanceof NotStored) || sizeOf(here) > largestKept) throw error;
    changes.push({ field: "response_format", what: "the picture could not be stored", from: "url", to: "b64_json" });
    return { ...picture, data: here };
  }
}

/** The body that the answer would have had, with these pictures. */
async function bodyOf({ result: { rest, ...result }, ...generated }: Generated, pictures: Picture[]): Promise<object> {
  const whole = rest ? withRest({ ...result, pictures }, await rest) : { ...result, pictures };
  let text = "";
  await answerBody({ ...generated, result: whole }).writeTo((piece) => void (text += String(piece)));
  return JSON.parse(text) as object;
}
