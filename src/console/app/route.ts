// Reads and sets the reader's place in the console: the address after `#`.
import { createStore } from "./store.ts";

/** `#/requests/req_1?model=demo` is the part `requests`, its `id` and its query. */
export interface Place {
  part: string;
  id: string | undefined;
  query: URLSearchParams;
}

const placeIn = (hash: string): Place => {
  const [path = "", query = ""] = hash.replace(/^#\/?/, "").split("?");
  const [part = "", id] = path.split("/");
  return {
    part: part === "" ? "draw" : part,
    id: id === undefined || id === "" ? undefined : decodeURIComponent(id),
    query: new URLSearchParams(query),
  };
};

export const place = createStore(placeIn(location.hash));
addEventListener("hashchange", () => place.set(placeIn(location.hash)));

/** The address of a part, or of one thing in it. */
export function addressOf(part: string, id?: string, query: Readonly<Record<string, string | undefined>> = {}): string {
  const given = Object.entries(query).filter((entry): entry is [string, string] => entry[1] !== undefined && entry[1] !== "");
  const text = new URLSearchParams(given).toString();
  return `#/${part}${id === undefined ? "" : `/${encodeURIComponent(id)}`}${text === "" ? "" : `?${text}`}`;
}

/** Go there. `replace` leaves no step behind for the way back. */
export function go(address: string, { replace = false } = {}): void {
  if (!replace) location.hash = address;
  else {
    history.replaceState(null, "", address);
    place.set(placeIn(location.hash));
  }
}
