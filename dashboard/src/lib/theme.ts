// Light, dark, or as the system says. A choice is kept in this browser.
export type Theme = 'auto' | 'light' | 'dark';

const KEY = 'dashboard.theme';
export const THEME_CHANGED = 'theme-changed';

export function theme(): Theme {
  const kept = localStorage.getItem(KEY);
  return kept === 'light' || kept === 'dark' ? kept : 'auto';
}

export function setTheme(chosen: Theme): void {
  localStorage.setItem(KEY, chosen);
  applyTheme();
}

export function applyTheme(): void {
  document.documentElement.dataset.theme = theme();
  dispatchEvent(new Event(THEME_CHANGED));
}

/** Calls `act` when colours change, by a choice on the page or by the system. */
export function onThemeChange(act: () => void): () => void {
  const system = matchMedia('(prefers-color-scheme: dark)');
  addEventListener(THEME_CHANGED, act);
  system.addEventListener('change', act);
  return () => {
    removeEventListener(THEME_CHANGED, act);
    system.removeEventListener('change', act);
  };
}

/** A colour of the style sheet, for what is drawn on a canvas: the one of the two that holds now. */
export function colour(name: string): string {
  const probe = document.createElement('span');
  probe.style.color = `var(--${name})`;
  document.body.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}
