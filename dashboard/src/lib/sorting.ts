export interface Sorting {
  key: string;
  down: boolean;
}

type Sortable = string | number | null | undefined;

/** `-opened` in an address is the column `opened`, the largest first. */
export function readSorting(written: string | null): Sorting | undefined {
  if (!written) return undefined;
  return written.startsWith('-') ? { key: written.slice(1), down: true } : { key: written, down: false };
}

/** The order after a click on a head: the largest first, then the smallest first, then that of the API. */
export function nextSorting(key: string, present: Sorting | undefined): string | undefined {
  if (present?.key !== key) return `-${key}`;
  return present.down ? key : undefined;
}

/** Rows without a value stand last in both orders. Equal rows keep their order. */
export function sorted<T>(rows: readonly T[], value: (row: T) => Sortable, down: boolean): T[] {
  return [...rows].sort((a, b) => {
    const [left, right] = [value(a), value(b)];
    const missing = Number(left === null || left === undefined) - Number(right === null || right === undefined);
    if (missing !== 0 || left === null || left === undefined) return missing;
    const order = typeof left === 'string' || typeof right === 'string' ? String(left).localeCompare(String(right)) : left - right!;
    return down ? -order : order;
  });
}
