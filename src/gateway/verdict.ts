import { clientError, GatewayError, ProviderFailure } from "../errors.ts";

/** What a client is told in the end, of all that stood in the way. */
export interface Verdict {
  /** An attempt failed, and another may be made. */
  hear(error: unknown): void;
  /** One could not be tried for so many milliseconds. */
  held(milliseconds: number): void;
  /** Whether no channel can send this very request: then the client is to change it. */
  isClients(): boolean;
  /** What an error that ends everything is to the client. */
  of(error: unknown): unknown;
  error(): unknown;
}

export function createVerdict(model: string): Verdict {
  let failure: ProviderFailure | undefined;
  let unfit: unknown;
  let soonest: number | undefined;
  const ofUs = (error: ProviderFailure) => error.kind === "auth" || error.kind === "quota";
  return {
    hear: (error) => {
      if (!(error instanceof ProviderFailure)) unfit ??= error;
      // What the client can do something about is told before the operator's own troubles.
      else if (!failure || !ofUs(error) || ofUs(failure)) failure = error;
    },
    held: (milliseconds) => (soonest = Math.min(soonest ?? Infinity, milliseconds)),
    isClients: () => unfit !== undefined && failure === undefined && soonest === undefined,
    of: (error) => (error instanceof ProviderFailure ? clientError(error) : error),
    error: () => {
      if (soonest !== undefined && (!failure || ofUs(failure))) {
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
