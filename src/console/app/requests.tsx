// Requests: what was asked for, by whom, and what became of it.
import { useEffect, useState } from "preact/hooks";
import { get, withQuery, type ApiError } from "./api.ts";
import { asApiError, untilAgain } from "./load.ts";
import type { Page, RequestRow } from "./model.ts";
import { DataTable, Empty, Failure, Loading, State } from "./parts.tsx";
import { Result, sizeChange } from "./result.tsx";
import { addressOf, go } from "./route.ts";
import { session } from "./session.ts";
import { useStore } from "./store.ts";
import { isOver } from "./watch-job.ts";
import { momentText, secondsText, usd } from "./words.ts";

/** Names by which the list may be narrowed, with their titles. */
const filters = [
  ["model", "Model"],
  ["channel", "Channel"],
  ["client", "Client"],
] as const;

const states = ["queued", "in_progress", "completed", "failed", "cancelled", "uncertain"];

/** The query of the list for what the reader has chosen; a day is one of UTC, as those of usage and budgets are. */
function queryOf(chosen: URLSearchParams): Record<string, string | number> {
  const { day = "", ...rest } = Object.fromEntries(chosen);
  const since = day === "" ? NaN : Date.parse(`${day}T00:00Z`) / 1000;
  return { ...rest, ...(Number.isFinite(since) && { since, until: since + 86_400 }), limit: 50 };
}

export function Requests({ id, query }: { id: string | undefined; query: URLSearchParams }) {
  if (id !== undefined)
    return (
      <div class="list">
        <p>
          <a href="#/requests">All requests</a>
        </p>
        <Result id={id} />
      </div>
    );
  return <List query={query} />;
}

function List({ query }: { query: URLSearchParams }) {
  const { rows, error, isLoading, hasMore, more } = usePages(withQuery("v1/requests", queryOf(query)));
  return (
    <div class="list">
      <Filters query={query} />
      {error && <Failure error={error} again={more} />}
      {rows.length > 0 && <Table rows={rows} />}
      {rows.some(sizeChange) && <p class="quiet">* Another size was asked for: open the request to see why it was changed.</p>}
      {isLoading && <Loading what="requests" lines={rows.length === 0 ? 12 : 2} />}
      {!isLoading && !error && rows.length === 0 && (
        <Empty title="No request is like that">
          <p>{query.size > 0 ? <a href="#/requests">Show all</a> : "Draw a picture, and it stands here."}</p>
        </Empty>
      )}
      {hasMore && !isLoading && (
        <p>
          <button type="button" onClick={more}>
            More
          </button>
        </p>
      )}
    </div>
  );
}

function Filters({ query }: { query: URLSearchParams }) {
  const { scope } = useStore(session) ?? {};
  const set = (name: string, value: string) => {
    go(addressOf("requests", undefined, { ...Object.fromEntries(query), [name]: value.trim() }), { replace: true });
  };
  return (
    <form class="filters" role="search" aria-label="Requests" onSubmit={(event) => event.preventDefault()}>
      <div class="field">
        <label for="by-id">Id</label>
        <input
          id="by-id"
          placeholder="req_…"
          onChange={({ currentTarget: { value } }) => {
            if (value.trim() !== "") go(addressOf("requests", value.trim()));
          }}
        />
      </div>
      {filters
        .filter(([name]) => name !== "client" || scope === "all")
        .map(([name, title]) => (
          <div key={name} class="field">
            <label for={`by-${name}`}>{title}</label>
            {/* Not the value itself: what is being written must outlive a list that arrives meanwhile. */}
            <input
              key={query.get(name)}
              id={`by-${name}`}
              defaultValue={query.get(name) ?? ""}
              onChange={({ currentTarget }) => set(name, currentTarget.value)}
            />
          </div>
        ))}
      <div class="field">
        <label for="by-status">State</label>
        <select id="by-status" value={query.get("status") ?? ""} onChange={({ currentTarget }) => set("status", currentTarget.value)}>
          <option value="">any</option>
          {states.map((state) => (
            <option key={state} value={state}>
              {state.replaceAll("_", " ")}
            </option>
          ))}
        </select>
      </div>
      <div class="field">
        <label for="by-day">Day (UTC)</label>
        <input id="by-day" type="date" value={query.get("day") ?? ""} onChange={({ currentTarget }) => set("day", currentTarget.value)} />
      </div>
    </form>
  );
}

function Table({ rows }: { rows: readonly RequestRow[] }) {
  const { scope } = useStore(session) ?? {};
  return (
    <DataTable
      label="Requests"
      columns={[
        "Begun",
        "State",
        "Model",
        "Channel",
        ...(scope === "all" ? ["Client"] : []),
        "Size",
        ...["Pictures", "Took", "Cost"].map((amount) => ({ amount })),
      ]}
    >
      {rows.map((row) => (
        <tr key={row.id}>
          <td class="number">
            <a href={addressOf("requests", row.id)}>{momentText(row.created_at)}</a>
          </td>
          <td>
            <State name={row.uncertain ? "uncertain" : row.status} /> <span class="quiet">{row.error?.code}</span>
          </td>
          <td>{row.model}</td>
          <td>{row.channel}</td>
          {scope === "all" && <td>{row.client}</td>}
          <td class="number">{sizeOf(row)}</td>
          <td class="amount">{isOver(row.status) ? `${row.made ?? 0} of ${row.n}` : row.n}</td>
          <td class="amount">{secondsText(row.seconds)}</td>
          <td class="amount">{usd(row.cost)}</td>
        </tr>
      ))}
    </DataTable>
  );
}

/** The size that came, and a mark where another was asked for. */
function sizeOf(row: RequestRow): string {
  const first = row.pictures?.[0];
  if (first?.width === undefined) return "";
  return `${first.width} × ${first.height}${sizeChange(row) ? " *" : ""}`;
}

interface Pages {
  rows: readonly RequestRow[];
  error: ApiError | undefined;
  isLoading: boolean;
  hasMore: boolean;
  more: () => void;
}

/** The rows of a list of requests, as many pages of it as were wanted. */
export function usePages(path: string): Pages {
  const [state, setState] = useState<Omit<Pages, "more">>({ rows: [], error: undefined, isLoading: true, hasMore: false });
  const load = async (rows: readonly RequestRow[], signal?: AbortSignal) => {
    setState((last) => ({ ...last, rows, error: undefined, isLoading: true }));
    try {
      const after = rows.at(-1)?.id;
      const page = await get<Page<RequestRow>>(after === undefined ? path : `${path}&after=${encodeURIComponent(after)}`, { signal });
      if (signal?.aborted) return;
      setState({ rows: [...rows, ...page.data], error: undefined, isLoading: false, hasMore: page.has_more });
    } catch (error) {
      if (!signal?.aborted) setState((last) => ({ ...last, error: asApiError(error), isLoading: false }));
    }
  };
  useEffect(() => {
    const aborter = new AbortController();
    void load([], aborter.signal);
    return () => aborter.abort();
  }, [path]);
  useEffect(() => {
    if (state.error?.status !== 0) return undefined;
    const timer = setTimeout(() => void load(state.rows), untilAgain);
    return () => clearTimeout(timer);
  }, [state.error]);
  return {
    ...state,
    more: () => {
      if (!state.isLoading) void load(state.rows);
    },
  };
}
