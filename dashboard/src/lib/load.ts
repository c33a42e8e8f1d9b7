import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import { asFailure, type Failure } from '../api/failure';

export interface Loaded<T> {
  value?: T;
  failure?: Failure;
  loading: boolean;
  again: () => void;
}

/** Loads when the view opens and when one of `deps` changes. An answer of earlier `deps` is dropped. */
export function useLoad<T>(load: (signal: AbortSignal) => Promise<T>, deps: readonly unknown[]): Loaded<T> {
  const [state, setState] = useState<Omit<Loaded<T>, 'again'>>({ loading: true });
  const [attempt, setAttempt] = useState(0);
  const known = useRef(deps);

  useEffect(() => {
    const stop = new AbortController();
    const same = known.current.every((value, index) => value === deps[index]);
    known.current = deps;
    // A reload keeps what is shown; another object does not show the one before.
    setState((before) => ({ value: same ? before.value : undefined, loading: true }));
    load(stop.signal).then(
      (value) => stop.signal.aborted || setState({ value, loading: false }),
      (cause: unknown) =>
        stop.signal.aborted || setState((before) => ({ value: before.value, failure: asFailure(cause), loading: false })),
    );
    return () => stop.abort();
  }, [...deps, attempt]);

  return { ...state, again: useCallback(() => setAttempt((n) => n + 1), []) };
}
