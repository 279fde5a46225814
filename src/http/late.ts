// Lets a request go on whose client has been answered, and keeps what comes of it.
import type { Logger } from "pino";
import { GatewayError } from "../errors.ts";
import { longestTimer } from "../gateway/deadline.ts";
import { billOf, failedPatch, madePatch, toldOf } from "../gateway/ending.ts";
import type { Generated } from "../gateway/generate.ts";
import { keepAnswer } from "../gateway/kept-answer.ts";
import { whole } from "../gateway/whole.ts";
import type { RequestPatch, RequestRow } from "../ledger/row.ts";
import { chunksOf } from "../picture/convert.ts";
import type { Picture } from "../picture/picture.ts";
import type { SpoolScope } from "../picture/spool.ts";
import { NotStored } from "../picture/store.ts";
import { traced } from "../trace.ts";
import type { DurableService } from "./durable.ts";
import type { Gateway, RequestState } from "./gateway.ts";
import { beginningOf, heldBy } from "./record.ts";

/** The result of some work, or nothing where it takes longer than so many milliseconds. */
export function inTime<T>(work: Promise<T>, milliseconds: number | undefined): Promise<T | undefined> {
  if (milliseconds === undefined) return work;
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, Math.min(milliseconds, longestTimer), undefined);
    void work.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

interface Late {
  work: Promise<Generated>;
  /** Holds what the request holds, until it is over. */
  spool: Pick<SpoolScope, "take">;
  /** Called with what was made. */
  made: (generated: Generated) => void;
  log: Logger;
}

/**
 * Keep what comes of a request that is answered now. Resolves once its client can learn where to find it; `ended` when it is over, and never
 * rejects. Should this process end before, another writes that the picture may have been paid for.
 */
export async function goOnLate(
  state: RequestState,
  gateway: Gateway,
  service: DurableService,
  late: Late,
): Promise<{ ended: Promise<void> }> {
  state.late = state.hasRow = true;
  const row: RequestRow = { ...beginningOf(state, service), ...heldBy(service), phase: "sending" };
  await service.ledger.add(row).catch(() => service.ledger.record({ ...row }));
  return { ended: finish(row, state, gateway, { ...service, ...late }) };
}

async function finish(
  row: RequestRow,
  state: RequestState,
  gateway: Gateway,
  late: Late & Pick<DurableService, "ledger" | "lives">,
): Promise<void> {
  const { signal } = state;
  const { ledger, lives, work, made, spool, log } = late;
  const ended = () => ({ model: row.model, channel: state.channel, attempts: state.attempts });
  const write = async (end: RequestPatch) => {
    const patch = { ...ended(), phase: undefined, owner: undefined, leaseUntil: undefined, ...billOf(state.cost?.()), ...end };
    // At once, so that every process shows the same of it from now on; a moment later where the ledger is away.
    const isWritten = await ledger.update(row.id, patch, ["in_progress", "unknown"]).catch(() => false);
    if (!isWritten) ledger.record({ ...row, ...patch });
  };
  try {
    const generated = await work;
    made(generated);
    const { changes, cost } = generated;
    const result = await whole(generated.result, spool);
    const pictures: Picture[] = [];
    for (const picture of result.pictures) pictures.push(await fetched(picture, generated, { gateway, spool, state }));
    const here = { result: { ...result, pictures }, changes, cost };
    const { document, references } = await traced(state.trace, { name: "store" }, () =>
      keepAnswer(gateway.store, here, lives().answers / 1000),
    );
    if (document === undefined) throw new NotStored("the answer could not be kept");
    await write({ ...madePatch({ pictures: references, usage: result.facts.usage, changes }), answer: document });
    log.info(ended(), "the answer came after its request had been answered with a 504; it is kept");
  } catch (error) {
    const { mayCost = false, asked } = state;
    const told = toldOf(signal.reason instanceof GatewayError ? signal.reason : error);
    await write(failedPatch(told, { mayCost, isHungUp: false, prompt: asked?.prompt ?? "" }));
    log.error({ ...ended(), err: error }, "a request failed after it had been answered with a 504");
  }
}

/** The picture itself in place of a provider's URL, which may not live long; where it cannot be had, with the URL all the same. */
async function fetched(
  picture: Picture,
  { attempts }: Generated,
  { gateway, spool, state: { signal, trace } }: Pick<Late, "spool"> & { gateway: Gateway; state: RequestState },
): Promise<Picture> {
  const { data } = picture;
  if (data.kind !== "url" || data.own) return picture;
  const trusted = (url: URL) => attempts.at(-1)?.route.channel.trusted(url) ?? false;
  try {
    const source = await gateway.fetchPicture(data.url, { signal, trusted, fresh: true, trace });
    return { ...picture, data: await spool.take(chunksOf({ kind: "stream", ...source }), Infinity) };
  } catch {
    return picture;
  }
}
