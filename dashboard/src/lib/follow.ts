// Work that the detector does by and by: a run or a backtest is started, then asked for until it has ended.

const FIRST_WAIT_MS = 1_000;
const LONGEST_WAIT_MS = 5_000;

export interface Work {
  status: string;
}

export const isOver = ({ status }: Work) => ['completed', 'failed', 'lost'].includes(status);

/** Asks until the work is over, and tells each answer. Waits a little longer each time. */
export async function follow<T extends Work>(first: T, ask: () => Promise<T>, tell: (work: T) => void, signal: AbortSignal): Promise<void> {
  let work = first;
  tell(work);
  for (let wait = FIRST_WAIT_MS; !isOver(work); wait = Math.min(LONGEST_WAIT_MS, wait * 1.5)) {
    await new Promise((done) => setTimeout(done, wait));
    if (signal.aborted) return;
    work = await ask();
    if (signal.aborted) return;
    tell(work);
  }
}
