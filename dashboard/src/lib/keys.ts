import { useEffect, useRef, useState } from 'preact/hooks';

export type Keys = Record<string, () => void>;

const KEY = 'dashboard.keys';

/** Keys of single letters can be switched off, for people whose software types letters by itself. */
export function useKeysOn(): [boolean, (on: boolean) => void] {
  const [on, setOn] = useState(localStorage.getItem(KEY) !== 'off');
  return [
    on,
    (wanted) => {
      localStorage.setItem(KEY, wanted ? 'on' : 'off');
      setOn(wanted);
    },
  ];
}

/** Calls what belongs to a key, unless the person types into a field, a dialog is open, or Ctrl and the like are held. */
export function useKeys(keys: Keys, on: boolean): void {
  const latest = useRef(keys);
  latest.current = keys;
  useEffect(() => {
    if (!on) return;
    const pressed = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey || isField(event.target)) return;
      if (document.querySelector('dialog[open]')) return;
      const act = latest.current[event.key];
      if (!act) return;
      event.preventDefault();
      act();
    };
    document.addEventListener('keydown', pressed);
    return () => document.removeEventListener('keydown', pressed);
  }, [on]);
}

function isField(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  if (target instanceof HTMLInputElement) return target.type !== 'checkbox';
  return ['TEXTAREA', 'SELECT'].includes(target.tagName);
}
