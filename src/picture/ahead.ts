// Reads a picture as fast as its provider sends it, also where its client reads more slowly.
import type { Backlog } from "./backlog.ts";
import { passingRoom, type SpoolScope } from "./spool.ts";

/** Time in all that a slow client may keep a provider waiting, in milliseconds: from then on the picture is read ahead of the client. */
export const patience = 250;

/**
 * Passes on a picture that arrives. As long as its reader is about as fast as its source, nothing is kept of it. Once the reader has kept
 * the source waiting for too long, the source is read to its end without it, into the spool, and the memory that the passing picture took is
 * given back then: a slow reader holds neither a channel's place nor the provider's connection.
 */
export async function* readAhead(source: AsyncIterable<Buffer>, spool: Pick<SpoolScope, "backlog" | "free">): AsyncGenerator<Buffer> {
  const chunks = source[Symbol.asyncIterator]();
  let backlog: Backlog | undefined;
  let [waited, away] = [0, Infinity]; // How long the reader was away before, and since when it is.

  const look = () => {
    const left = patience - waited - Math.max(0, performance.now() - away);
    if (left > 0 || away === Infinity) timer = setTimeout(look, Math.max(left, 10));
    else void fill((backlog = spool.backlog()), chunks).then((isStored) => spool.free(isStored ? passingRoom : 0));
  };
  let timer = setTimeout(look, patience);

  try {
    // The source belongs to one of the two: it is read ahead only while the reader is away.
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

/** Read everything. Resolves with whether all of it has come and nothing of it is in memory. */
async function fill(backlog: Backlog, chunks: AsyncIterator<Buffer>): Promise<boolean> {
  try {
    for await (const chunk of { [Symbol.asyncIterator]: () => chunks }) await backlog.put(chunk);
    return await backlog.end();
  } catch (error) {
    await backlog.end(error);
    return false;
  }
}
