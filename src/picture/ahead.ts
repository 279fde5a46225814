// Reads a picture as fast as its provider sends it, even when its client reads more slowly.
import type { Backlog } from "./backlog.ts";
import { passingRoom, type SpoolScope } from "./spool.ts";

/** Total time that a slow client may keep a provider waiting, in milliseconds: after it the picture is read ahead of the client. */
export const patience = 250;

/**
 * Passes on a picture while it arrives. Nothing of it is kept as long as the reader is about as fast as the source. Once the reader has kept the
 * source waiting for too long, the source is read to its end into the spool, independently of the reader, and the memory reserved for a passing
 * picture is freed. So a slow reader holds neither a slot of the channel nor the provider's connection.
 */
export async function* readAhead(source: AsyncIterable<Buffer>, spool: Pick<SpoolScope, "backlog" | "free">): AsyncGenerator<Buffer> {
  const chunks = source[Symbol.asyncIterator]();
  let backlog: Backlog | undefined;
  // How long the source has waited for the reader so far, and since when it is waiting now; Infinity while it is not.
  let [waited, away] = [0, Infinity];

  const look = () => {
    const left = patience - waited - Math.max(0, performance.now() - away);
    if (left > 0 || away === Infinity) timer = setTimeout(look, Math.max(left, 10));
    else void fill((backlog = spool.backlog()), chunks).then((isStored) => spool.free(isStored ? passingRoom : 0));
  };
  let timer = setTimeout(look, patience);

  try {
    // Only one side reads the source at a time: reading ahead begins only while the reader is away.
    while (!backlog) {
      const next = await chunks.next();
      if (next.done) return;
      away = performance.now();
      yield next.value;
      waited += performance.now() - away;
      away = Infinity;
    }
    for (let piece = await backlog.take(); piece; piece = await backlog.take()) yield piece;
  } finally {
    clearTimeout(timer);
    await (backlog ? backlog.close() : chunks.return?.());
  }
}

/** Reads everything. Resolves with true if all of it has come and none of it is left in memory. */
async function fill(backlog: Backlog, chunks: AsyncIterator<Buffer>): Promise<boolean> {
  try {
    for await (const chunk of { [Symbol.asyncIterator]: () => chunks }) await backlog.put(chunk);
    return await backlog.end();
  } catch (error) {
    await backlog.end(error);
    return false;
  }
}
