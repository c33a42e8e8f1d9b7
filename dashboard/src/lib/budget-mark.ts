// Incidents and anomalies of budgets. Their entity is the month and the mark: `budget / 2026-11 / 80 %`.
import { DAY, HOUR } from './format';
import type { Series, Span } from './series';

export interface BudgetMark {
  month: string;
  /** A share of the quota such as `80 %`, or `pace`. */
  mark: string;
}

interface Item {
  type?: string | null;
  entity_path?: readonly string[] | null;
}

/** The longest period of a series that the API answers. A month can have an hour more, when clocks are put back. */
const MOST = 31 * DAY;

/** The mark that an incident or an anomaly is about, if it is one of a budget. Entities of sources may have the same names. */
export function markOf({ type, entity_path: names }: Item): BudgetMark | undefined {
  const [first, month, mark] = names ?? [];
  const isBudget = first === 'budget' && (type ?? 'budget_share').startsWith('budget_');
  return isBudget && month && mark ? { month, mark } : undefined;
}

/** The full hours from the first one of a month until a time, at least one. */
export function monthUntil(first: number, time: number): Span {
  const to = Math.max(Math.floor(time / HOUR) * HOUR, first + HOUR);
  return { from: first, to: Math.min(to, first + MOST) };
}

/** The usage up to each hour. It has no usual range, because that is one of single hours. */
export function summed({ starts, values }: Series): Series {
  let sum = 0;
  const nothing = starts.map(() => null);
  return { starts, values: values.map((value) => (sum += value ?? 0)), low: nothing, high: nothing };
}
