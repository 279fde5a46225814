// Calls the gateway that served the page.
import { leave, session } from "./session.ts";

/** An answer that is an error: its words, and what the gateway names it and the field by. `status` is 0 where no answer came. */
export class ApiError extends Error {
  readonly status: number;
  readonly code: string;
  readonly param: string | undefined;
  readonly requestId: string | undefined;
  constructor(message: string, facts: { status: number; code: string; param?: string; requestId?: string }) {
    super(message);
    this.status = facts.status;
    this.code = facts.code;
    this.param = facts.param;
    this.requestId = facts.requestId;
  }
}

export interface ErrorBody {
  error?: { message: string; code: string | null; param: string | null };
}

/** The address of a path of the gateway. The page may stand below a prefix, and so does all the rest then. */
export const urlOf = (path: string) => new URL(path, new URL(".", document.baseURI)).href;

interface Call extends RequestInit {
  /** Another key than the one of this tab, to try it. */
  key?: string;
}

/** Call the gateway with the key of this tab. Throws an `ApiError` for every answer that is none of success. */
export async function call(path: string, { key = session.value?.key, headers, ...init }: Call = {}): Promise<Response> {
  const authorization = key === undefined ? undefined : { authorization: `Bearer ${key}` };
  let response: Response;
  try {
    response = await fetch(urlOf(path), {
      ...init,
      headers: { ...authorization, ...(headers as Record<string, string>) },
      cache: "no-store",
    });
  } catch (cause) {
    if (init.signal?.aborted) throw cause;
    throw new ApiError("The gateway cannot be reached. Look whether it runs; this page tries again by itself.", {
      status: 0,
      code: "offline",
    });
  }
  if (response.ok) return response;
  const error = await errorIn(response);
  if (error.status === 401 && key === session.value?.key) leave(error.message);
  throw error;
}

async function errorIn(response: Response): Promise<ApiError> {
  const { status, headers } = response;
  const body = (await response.json().catch(() => ({}))) as ErrorBody;
  const requestId = headers.get("x-request-id") ?? undefined;
  const { message, code, param } = body.error ?? { message: `The gateway answered with ${status}.`, code: null, param: null };
  return new ApiError(message, { status, code: code ?? "unknown", param: param ?? undefined, requestId });
}

/** The JSON that a path answers with. */
export async function get<T>(path: string, init: Call = {}): Promise<T> {
  return (await (await call(path, init)).json()) as T;
}

/** A path with a query; what is empty is left out. */
export function withQuery(path: string, query: Readonly<Record<string, string | number | undefined>>): string {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== "");
  const text = new URLSearchParams(given.map(([name, value]): [string, string] => [name, String(value)])).toString();
  return text === "" ? path : `${path}?${text}`;
}

/** Read server-sent events until they end. */
export async function* eventsOf(response: Response): AsyncGenerator<Record<string, unknown>> {
  let text = "";
  if (!response.body) return;
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    text += value;
    const events = text.split("\n\n");
    text = events.pop() ?? "";
    for (const event of events) {
      const data = event
        .split("\n")
        .filter((line) => line.startsWith("data:"))
        .map((line) => line.slice("data:".length).trimStart());
      if (data.length > 0) yield JSON.parse(data.join("\n")) as Record<string, unknown>;
    }
  }
}
