import { GatewayError } from "../errors.ts";

/** Whether the process is about to end, and the requests that are under way until it does. */
export interface Life {
  readonly ending: boolean;
  /** From now on the process says that it is not ready. */
  end: () => void;
  /** End every request under way, and every one that still comes, with an error. */
  cut: () => void;
  /** Count a request in; what it gives counts it out. */
  enter: (request: AbortController) => () => void;
  /** Resolves once no request is under way, also none that goes on behind its answer. */
  idle: () => Promise<void>;
}

export function createLife(): Life {
  const requests = new Set<AbortController>();
  const waiting: (() => void)[] = [];
  let state: "up" | "ending" | "cut" = "up";
  const stop = (request: AbortController) =>
    request.abort(new GatewayError("shutting_down", "the gateway is shutting down; send the request again", { retryAfter: 1 }));
  return {
    get ending() {
      return state !== "up";
    },
    end: () => (state = "ending"),
    cut: () => {
      state = "cut";
      requests.forEach(stop);
    },
    enter: (request) => {
      requests.add(request);
      if (state === "cut") stop(request);
      return () => {
        requests.delete(request);
        if (requests.size === 0) for (const resolve of waiting.splice(0)) resolve();
      };
    },
    idle: () => (requests.size === 0 ? Promise.resolve() : new Promise((resolve) => waiting.push(resolve))),
  };
}
