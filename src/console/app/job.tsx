// A picture while it is made, and when it is there.
import { useEffect, useRef, useState } from "preact/hooks";
import { call, get, withQuery, type ApiError } from "./api.ts";
import { asApiError, useLoad } from "./load.ts";
import type { Page, RequestRow } from "./model.ts";
import { Failure, Loading, State } from "./parts.tsx";
import { Result } from "./result.tsx";
import { isOver, watchJob, type JobView } from "./watch-job.ts";
import { secondsText } from "./words.ts";

export function Job({ id }: { id: string }) {
  const [view, setView] = useState<JobView>({ isAway: false });
  const [error, setError] = useState<ApiError>();
  useEffect(() => {
    const aborter = new AbortController();
    setView({ isAway: false });
    setError(undefined);
    watchJob(id, setView, aborter.signal).catch((thrown: unknown) => {
      if (!aborter.signal.aborted) setError(asApiError(thrown));
    });
    return () => aborter.abort();
  }, [id]);
  if (error) return <Failure error={error} />;
  if (!view.row) return <Loading what="the picture" lines={6} />;
  if (isOver(view.row.status)) return <Result id={id} />;
  return <UnderWay row={view.row} view={view} />;
}

function UnderWay({ row, view }: { row: NonNullable<JobView["row"]>; view: JobView }) {
  const { id, status, model, progress, created_at: createdAt } = row;
  const usual = useUsualSeconds(model);
  const elapsed = useSeconds(createdAt);
  const part = progress ?? (usual === undefined ? undefined : Math.min(95, (100 * elapsed) / usual));
  const section = useRef<HTMLElement>(null);
  // On a phone it stands below the form.
  useEffect(() => section.current?.scrollIntoView({ block: "nearest" }), []);
  return (
    <section ref={section} class="under-way" aria-label="Picture under way">
      <div class="canvas">{view.sketch === undefined ? <div class="bone" /> : <img src={view.sketch} alt="Unfinished picture" />}</div>
      <p class="line">
        <State name={status} />
        <span class="number" role="timer">
          {secondsText(elapsed)}
        </span>
        <progress max={100} value={part} aria-label="Progress" />
        <button type="button" onClick={() => void call(`v1/images/jobs/${id}/cancel`, { method: "POST" }).catch(() => undefined)}>
          Cancel
        </button>
      </p>
      <p class="quiet">
        {usual === undefined ? "" : `Others took ${secondsText(usual)} on average. `}
        {view.isAway ? "The connection is interrupted; this page looks again by itself." : "You may leave this page: the picture is kept."}
      </p>
    </section>
  );
}

/** Seconds since then, while they pass. The two clocks may differ, so it begins at nothing at the least. */
function useSeconds(since: number): number {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 200);
    return () => clearInterval(timer);
  }, []);
  return Math.max(0, now / 1000 - since);
}

/** Seconds that the model's latest pictures took on average; undefined where there are none. */
function useUsualSeconds(model: string): number | undefined {
  const { value } = useLoad(`usual ${model}`, (signal) =>
    get<Page<RequestRow>>(withQuery("v1/requests", { model, status: "completed", limit: 20 }), { signal }),
  );
  const all = value?.data.flatMap(({ seconds }) => seconds ?? []) ?? [];
  return all.length === 0 ? undefined : all.reduce((sum, seconds) => sum + seconds, 0) / all.length;
}
