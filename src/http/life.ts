// The requests under way, and how they end with their process.
import { AsyncLocalStorage } from "node:async_hooks";
import { GatewayError } from "../errors.ts";

/** Time that requests have to answer with the error that ends them, in milliseconds: their clients may not read. */
export const lastWords = 2000;

/** The process's end, and the requests that are under way until then. */
export interface Life {
  readonly ending: boolean;
  /** From now on the process says that it is not ready. */
  end: () => void;
  /** End every request under way, and every one that still comes, with an error. */
  cut: () => void;
  /** Count a request in; what it gives counts it out. */
  enter: (request: Pick<AbortController, "abort">) => () => void;
  /** Resolves once no request is under way, also none that goes on behind its answer. */
  idle: () => Promise<void>;
  /** Run what belongs to a request; `end` ends it with an error. */
  run: <T>(request: UnderWay, work: () => T) => T;
  /** End the request to which the code belongs that has just thrown outside of every promise. Gives its id, where it is known. */
  blame: (error: unknown) => string | undefined;
}

/** A request, as timers and listeners that it left behind know it. */
export interface UnderWay {
  id: string;
  end: (error: GatewayError) => void;
}

/** `isTraced` is whether code that a request leaves behind is known to be that request's, which costs some 6 % of CPU before Node 24. */
export function createLife({ isTraced = true } = {}): Life {
  const requests = new Set<Pick<AbortController, "abort">>();
  const waiting: (() => void)[] = [];
  const underWay = new AsyncLocalStorage<UnderWay>();
  let state: "up" | "ending" | "cut" = "up";
  const stop = (request: Pick<AbortController, "abort">) =>
    request.abort(new GatewayError("shutting_down", "the gateway is shutting down", { retryAfter: 1 }));
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
    run: (request, work) => (isTraced ? underWay.run(request, work) : work()),
    blame: (error) => {
      const request = underWay.getStore();
      request?.end(new GatewayError("internal_error", "internal error", { cause: error }));
      return request?.id;
    },
    idle: () => (requests.size === 0 ? Promise.resolve() : new Promise((resolve) => waiting.push(resolve))),
  };
}
