// Writes server-sent events, one after the other, as fast as their client reads.
import type { Context } from "koa";
import type { Logger } from "pino";
import type { RequestState } from "./gateway.ts";
import { putInto, type Put } from "./write.ts";

/** Writes an answer of events. Its head goes out with the first of them. */
export interface EventWriter {
  /** Write one event behind those that are being written; `write` puts all of it. */
  send: (write: (put: Put) => Promise<void>) => Promise<void>;
  /** From now on show signs of life while nothing is written: a comment, or what `sign` puts. */
  beat: (sign?: (put: Put) => Promise<void>) => void;
}

const comment = async (put: Put): Promise<void> => put(": still at work\n\n");

/** `heartbeat` is the time between two signs of life, in milliseconds. */
export function createEventWriter(ctx: Context, { heartbeat, log }: { heartbeat: number; log: Logger }): EventWriter {
  const { res } = ctx;
  const state = ctx.state as RequestState;
  let timer: NodeJS.Timeout | undefined;
  let last: Promise<void> = Promise.resolve();
  let waiting = 0;
  // Not the request's signal: what was made is written also where the request is cut.
  const gone = new AbortController();
  res.once("close", () => {
    clearInterval(timer);
    gone.abort();
  });
  const put = putInto(res, gone.signal);

  const send: EventWriter["send"] = (write) => {
    waiting += 1;
    const turn = last.then(() => writeOut(write)).finally(() => (waiting -= 1));
    last = turn.catch(() => undefined);
    return turn;
  };

  const writeOut = async (write: (put: Put) => Promise<void>): Promise<void> => {
    if (!res.headersSent) {
      ctx.status = 200;
      ctx.set({ "content-type": "text/event-stream", "cache-control": "no-cache", "x-accel-buffering": "no" });
      ctx.respond = false;
      ctx.flushHeaders();
    }
    try {
      await write(put);
    } catch (error) {
      // Half an event cannot be taken back; only a broken connection shows that it is not whole.
      if (!state.signal.aborted && !res.destroyed) {
        state.failed = 502;
        log.error({ err: error }, "the answer broke off");
      }
      res.destroy();
      throw error;
    }
  };

  return {
    send,
    beat: (sign = comment) => {
      timer ??= setInterval(() => {
        // A slow client may read for long after the last was written.
        if (waiting === 0 && !res.writableEnded) send(sign).catch(() => undefined);
      }, heartbeat);
    },
  };
}
