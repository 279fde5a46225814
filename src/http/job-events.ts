// Shows a job while it goes on, as server-sent events.
import { setTimeout as delay } from "node:timers/promises";
import type { RouterContext } from "@koa/router";
import type { DurableLive } from "../gateway/durable.ts";
import type { Events } from "../plugin/compose.ts";
import type { UnifiedRequest } from "../plugin/context.ts";
import { answerEvents, type EventAnswer } from "./events.ts";
import type { Gateway, RequestState } from "./gateway.ts";
import { betweenSigns } from "./generations.ts";
import { jobOf, serviceOf } from "./jobs.ts";
import { viewOf } from "./requests.ts";
import { idsOf } from "../trace.ts";

/** Time between two looks at a job whose events are wanted, in milliseconds: each is a query, and its end in this process is known at once. */
export const betweenLooks = 1_000;

/**
 * GET /v1/images/jobs/{id}/events: the job as it is now, each of its states from there on, and its pictures as they come where it is served in this
 * process. The last event is that of its end. Throws a 404 for another client's.
 */
export async function streamJob(ctx: RouterContext, gateway: Gateway): Promise<void> {
  const state = ctx.state as RequestState;
  const { durable } = serviceOf(gateway);
  const first = await jobOf(ctx, gateway);
  // A client that connects again by itself, though it has heard of the end, is asked to stop.
  if (first.endedAt !== undefined && ctx.get("last-event-id") === lastId) return void (ctx.status = 204);
  if (ctx.method === "HEAD") {
    ctx.status = 200;
    ctx.type = "text/event-stream";
    return;
  }
  const facts: Pick<UnifiedRequest, "n"> = { n: Infinity };
  const kind = first.operation === "edit" ? "image_edit" : "image_generation";
  const log = gateway.log.child({ request: state.id, ...idsOf(state.trace) });
  const answer = answerEvents(ctx, { kind, request: facts, heartbeat: gateway.heartbeat ?? betweenSigns, log });
  state.events = answer;
  answer.events.accepted();
  let shown: DurableLive | undefined;
  let hide = () => {};
  try {
    for (let told = ""; ;) {
      const row = await jobOf(ctx, gateway);
      const live = durable.find(first.id);
      const view = { object: "image.job", ...(await viewOf(ctx, gateway, row)) };
      const isOver = row.endedAt !== undefined;
      const now = JSON.stringify(view);
      if (now !== told) await answer.tell(`image.job.${view.status}`, view, isOver ? lastId : undefined);
      told = now;
      // Elsewhere it goes on, and the client finds it there.
      if (isOver || gateway.life?.ending) {
        answer.end();
        return;
      }
      if (live && live !== shown) {
        hide();
        Object.assign(facts, live.request, { n: Infinity });
        hide = live.show(viewerOf(live, answer));
        shown = live;
      }
      await Promise.race([live?.outcome, delay(betweenLooks, undefined, { signal: state.signal })].filter(Boolean).map(settled));
      state.signal.throwIfAborted();
    }
  } finally {
    hide();
  }
}

/** The id of a job's last event. */
const lastId = "end";

function settled(work: Promise<unknown> | undefined): Promise<unknown> {
  return Promise.resolve(work).catch(() => undefined);
}

/** Shows pictures to a client for which nobody waits: while it reads one, unfinished ones are left out. */
function viewerOf({ join }: DurableLive, { events }: EventAnswer): Events {
  let writing = 0;
  return {
    accepted: () => undefined,
    show: (shown) => {
      if (writing > 0 && shown.partial !== undefined) return Promise.resolve();
      writing += 1;
      // The picture is kept until it is written.
      const leave = join();
      void settled(events.show?.(shown)).finally(() => {
        writing -= 1;
        leave();
      });
      return Promise.resolve();
    },
  };
}
