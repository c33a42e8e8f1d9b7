import { useEffect, useRef } from 'preact/hooks';

/** Calls `act` now and then every `seconds`, but not while the tab is hidden. A tab that is shown again is updated at once. */
export function usePoll(act: () => void, seconds: number): void {
  const latest = useRef(act);
  latest.current = act;
  useEffect(() => {
    let last = 0;
    const tick = () => {
      if (document.hidden) return;
      if (Date.now() - last < seconds * 1000 - 50) return;
      last = Date.now();
      latest.current();
    };
    tick();
    const timer = setInterval(tick, seconds * 1000);
    document.addEventListener('visibilitychange', tick);
    return () => {
      clearInterval(timer);
      document.removeEventListener('visibilitychange', tick);
    };
  }, [seconds]);
}
