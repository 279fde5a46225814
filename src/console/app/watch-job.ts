// Follows a job while it is made, through interruptions of the connection.
import { call, eventsOf } from "./api.ts";
import type { RequestRow } from "./model.ts";

/** All that is known of a job. `sketch` is the address of its latest unfinished picture, `isAway` says that the connection is interrupted. */
export interface JobView {
  row?: Pick<RequestRow, "id" | "status" | "model" | "created_at" | "progress" | "error" | "channel" | "attempts">;
  sketch?: string;
  isAway: boolean;
}

/** Milliseconds after which an interrupted connection is tried again. */
const untilAgain = 2_000;

export const isOver = (status: string | undefined) => status !== undefined && status !== "queued" && status !== "in_progress";

/** Show a job from now on until it is over; `show` is given all that is known, each time that more is. Rejects with an `ApiError` for one that is not there. */
export async function watchJob(id: string, show: (view: JobView) => void, signal: AbortSignal): Promise<void> {
  let view: JobView = { isAway: false };
  const more = (next: Partial<JobView>) => {
    view = { ...view, ...next };
    show(view);
  };
  while (!isOver(view.row?.status)) {
    try {
      const response = await call(`v1/images/jobs/${encodeURIComponent(id)}/events`, { signal });
      for await (const event of eventsOf(response)) {
        if (String(event.type).startsWith("image.job.")) more({ row: event as unknown as NonNullable<JobView["row"]>, isAway: false });
        else if (typeof event.b64_json === "string") more({ sketch: pictureOf(event.b64_json, String(event.output_format)) });
      }
    } catch (error) {
      if (signal.aborted) return;
      const { status } = error as { status?: number };
      if (status !== undefined && status > 0 && status < 500) throw error;
    }
    if (isOver(view.row?.status)) return;
    more({ isAway: true });
    await new Promise((resolve) => setTimeout(resolve, untilAgain));
    if (signal.aborted) return;
  }
}

const pictureOf = (base64: string, format: string) => `data:image/${/^\w+$/.test(format) ? format : "png"};base64,${base64}`;
