// Chooses the error that a client gets after every way to serve its request has failed.
import { clientError, GatewayError, ProviderFailure } from "../errors.ts";

/** The error for the client, chosen among everything that stood in the way. */
export interface Verdict {
  /** An attempt failed, and another may be made. */
  add(error: unknown): void;
  /** A candidate cannot be tried for so many milliseconds. */
  addWait(milliseconds: number): void;
  /** True where no channel can send this very request, so that the client has to change it. */
  isClients(): boolean;
  /** An error that ends everything, as the client gets it. */
  of(error: unknown): unknown;
  error(): unknown;
}

export function createVerdict(model: string): Verdict {
  let failure: ProviderFailure | undefined;
  let unfit: unknown;
  let soonest: number | undefined;
  const isOperators = (error: ProviderFailure) => error.kind === "auth" || error.kind === "quota";
  return {
    add: (error) => {
      if (!(error instanceof ProviderFailure)) unfit ??= error;
      // A failure that the client can act upon goes before the operator's own troubles.
      else if (!failure || !isOperators(error) || isOperators(failure)) failure = error;
    },
    addWait: (milliseconds) => (soonest = Math.min(soonest ?? Infinity, milliseconds)),
    isClients: () => unfit !== undefined && failure === undefined && soonest === undefined,
    of: (error) => (error instanceof ProviderFailure ? clientError(error) : error),
    error: () => {
      if (soonest !== undefined && (!failure || isOperators(failure))) {
        const seconds = Math.max(1, Math.ceil(soonest / 1000));
        return new GatewayError("rate_limit_exceeded", `${model} takes no more requests for now; try again in ${seconds} s`, {
          retryAfter: seconds,
          cause: failure,
        });
      }
      if (failure) return clientError(failure);
      return unfit ?? new GatewayError("no_channel_available", `no channel can serve ${model} now`);
    },
  };
}
