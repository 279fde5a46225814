// Loads what a part shows, with the states that loading has.
import { useEffect, useState } from "preact/hooks";
import { ApiError } from "./api.ts";

/** The thing that was asked for, once it is here; the last of it stays while it is asked for again. */
export interface Loaded<T> {
  value?: T;
  error?: ApiError;
  isLoading: boolean;
  again: () => void;
}

/** Milliseconds after which a gateway that could not be reached is asked again. */
export const untilAgain = 3_000;

/** Ask for something when `key` changes, and every so many milliseconds where `every` says so. */
export function useLoad<T>(key: string, load: (signal: AbortSignal) => Promise<T>, { every }: { every?: number } = {}): Loaded<T> {
  const [state, setState] = useState<Omit<Loaded<T>, "again"> & { key: string }>({ key, isLoading: true });
  const [round, setRound] = useState(0);
  useEffect(() => {
    const aborter = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const next = () => setRound((last) => last + 1);
    setState((last) => (last.key === key ? { ...last, isLoading: true } : { key, isLoading: true }));
    load(aborter.signal).then(
      (value) => {
        if (aborter.signal.aborted) return;
        setState({ key, value, isLoading: false });
        if (every !== undefined) timer = setTimeout(next, every);
      },
      (error: unknown) => {
        if (aborter.signal.aborted) return;
        const told = asApiError(error);
        setState((last) => ({ ...last, key, error: told, isLoading: false }));
        if (told.status === 0) timer = setTimeout(next, untilAgain);
      },
    );
    return () => {
      aborter.abort();
      clearTimeout(timer);
    };
  }, [key, round]);
  const shown = state.key === key ? state : { key, isLoading: true };
  return { ...shown, again: () => setRound((last) => last + 1) };
}

export function asApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  return new ApiError(error instanceof Error ? error.message : String(error), { status: 0, code: "page" });
}
