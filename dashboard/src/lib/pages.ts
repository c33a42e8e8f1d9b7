// A list that is read page by page with the cursor of the API.
import { useEffect, useRef, useState } from 'preact/hooks';
import { asFailure, type Failure } from '../api/failure';

export interface ListPage<T> {
  rows: T[];
  next: string | null | undefined;
}

export interface Pages<T> {
  rows: T[];
  failure?: Failure;
  loading: boolean;
  more: boolean;
  loadMore: () => void;
  loadAll: () => void;
  stop: () => void;
  again: () => void;
  /** Puts a changed row in the place of the row with the same id. */
  replace: (changed: T[]) => void;
}

type Load<T> = (cursor: string | undefined, signal: AbortSignal) => Promise<ListPage<T>>;

interface State<T> {
  rows: T[];
  next?: string | null;
  failure?: Failure;
  loading: boolean;
  started: boolean;
}

const empty = { rows: [], loading: true, started: false };

export function usePages<T>(load: Load<T>, idOf: (row: T) => string, deps: readonly unknown[]): Pages<T> {
  const [state, setState] = useState<State<T>>(empty);
  const [attempt, setAttempt] = useState(0);
  const run = useRef<AbortController | undefined>(undefined);

  const read = async (cursor: string | undefined, all: boolean) => {
    run.current?.abort();
    const stop = (run.current = new AbortController());
    let next = cursor;
    setState((before) => ({ ...before, loading: true, failure: undefined }));
    try {
      do {
        const page = await load(next, stop.signal);
        if (stop.signal.aborted) return;
        next = page.next ?? undefined;
        const goesOn = all && next !== undefined;
        setState((before) => ({
          rows: joined(before.started ? before.rows : [], page.rows, idOf),
          next,
          loading: goesOn,
          started: true,
        }));
      } while (all && next !== undefined);
    } catch (cause) {
      if (!stop.signal.aborted) setState((before) => ({ ...before, failure: asFailure(cause), loading: false }));
    }
  };

  useEffect(() => {
    setState(empty);
    void read(undefined, false);
    return () => run.current?.abort();
  }, [...deps, attempt]);

  const more = Boolean(state.next);
  return {
    rows: state.rows,
    failure: state.failure,
    loading: state.loading,
    more,
    loadMore: () => void read(state.next ?? undefined, false),
    loadAll: () => void read(state.next ?? undefined, true),
    stop: () => {
      run.current?.abort();
      setState((before) => ({ ...before, loading: false }));
    },
    again: () => (state.rows.length === 0 ? setAttempt((n) => n + 1) : void read(state.next ?? undefined, false)),
    replace: (changed) => {
      const byId = new Map(changed.map((row) => [idOf(row), row]));
      setState((before) => ({ ...before, rows: before.rows.map((row) => byId.get(idOf(row)) ?? row) }));
    },
  };
}

/** A row that changed while pages were turned can be on two of them. The first one stays. */
export function joined<T>(rows: readonly T[], more: readonly T[], idOf: (row: T) => string): T[] {
  const known = new Set(rows.map(idOf));
  return [...rows, ...more.filter((row) => !known.has(idOf(row)))];
}
