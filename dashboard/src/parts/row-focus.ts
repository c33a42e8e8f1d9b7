// The row that keys act on is the one that has the focus. So a screen reader says where it is, and Enter opens it.

const links = () => [...document.querySelectorAll<HTMLElement>('table.records tbody tr a.row-link')];

export function focusedId(): string | undefined {
  return document.activeElement?.closest<HTMLElement>('table.records tr[data-id]')?.dataset.id;
}

/** Moves the focus to the row so many rows further. Without a focused row the first one takes it. */
export function moveFocus(by: 1 | -1): void {
  const all = links();
  const row = document.activeElement?.closest('tr');
  const at = all.findIndex((link) => link.closest('tr') === row);
  const next = at < 0 ? 0 : Math.min(all.length - 1, Math.max(0, at + by));
  all[next]?.focus();
  all[next]?.scrollIntoView({ block: 'nearest' });
}
