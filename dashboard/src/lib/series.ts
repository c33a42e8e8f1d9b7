// What a chart shows of the answers of the API: values by hour, the usual range, and the windows that spoke.
import type { Schemas } from '../api/client';
import { HOUR, ms } from './format';

export interface Series {
  /** Starts of hours in milliseconds, oldest first. */
  starts: number[];
  values: (number | null)[];
  low: (number | null)[];
  high: (number | null)[];
}

export interface Span {
  from: number;
  to: number;
}

/** Where one end of the range is open, the band goes to the edge of the values: no value is too low, or none too high. */
export function ofPoints(points: readonly Schemas['BandPoint'][]): Series {
  const known = points.flatMap((point) => [point.value, point.expected_high]).filter((value) => value !== null);
  const top = Math.max(0, ...known) * 1.05;
  return {
    starts: points.map((point) => ms(point.start)),
    values: points.map((point) => point.value),
    low: points.map(({ expected_low, expected_high }) => expected_low ?? (expected_high === null ? null : Math.min(0, expected_high))),
    high: points.map(({ expected_low, expected_high }) => expected_high ?? (expected_low === null ? null : top)),
  };
}

export const hasBand = (series: Series) => series.high.some((value) => value !== null);

/** Whether most values stand alone, as of a level that is noted every other hour. Lines between neighbours would show none. */
export function isSparse({ values }: Series): boolean {
  const known = values.filter((value) => value !== null).length;
  const alone = values.filter((value, at) => value !== null && (values[at - 1] ?? null) === null && (values[at + 1] ?? null) === null);
  return alone.length > known / 2;
}

/** The values of an earlier time at the hours of a chart, so many milliseconds later. */
export function shifted(series: Series, by: number, starts: readonly number[]): (number | null)[] {
  const values = new Map(series.starts.map((start, index) => [start + by, series.values[index] ?? null]));
  return starts.map((start) => values.get(start) ?? null);
}

/** Windows that touch are one span. */
export function merged(windows: readonly Span[]): Span[] {
  const spans: Span[] = [];
  for (const window of [...windows].sort((a, b) => a.from - b.from)) {
    const last = spans.at(-1);
    if (last && window.from <= last.to) last.to = Math.max(last.to, window.to);
    else spans.push({ ...window });
  }
  return spans;
}

/** The last full hour, but not long after a window and not before its end. The usage of the hour that runs would look like a drop. */
export function chartEnd(window: number, after: number, now: number): number {
  return Math.min(Math.max(Math.floor(now / HOUR), Math.ceil(window / HOUR)) * HOUR, window + after);
}

/** The mean of each hour of the week: seven days from Monday with 24 hours, in the reader's zone. */
export function weekOf(series: Pick<Series, 'starts' | 'values'>, local: (at: number) => Date = (at) => new Date(at)): (number | null)[][] {
  const sums = Array.from({ length: 7 }, () => Array.from({ length: 24 }, () => ({ sum: 0, count: 0 })));
  series.starts.forEach((start, index) => {
    const value = series.values[index];
    if (value === null || value === undefined) return;
    const date = local(start);
    const cell = sums[(date.getDay() + 6) % 7]![date.getHours()]!;
    cell.sum += value;
    cell.count += 1;
  });
  return sums.map((day) => day.map(({ sum, count }) => (count === 0 ? null : sum / count)));
}

/** The time that the chart of an incident shows: a week before it opened until a day after its last window, at most 31 days. */
export function chartPeriod(openedAt: number, lastWindow: number, now: number): Span {
  const to = chartEnd(lastWindow, 24 * HOUR, now);
  return { from: Math.max(openedAt - 7 * 24 * HOUR, to - 30 * 24 * HOUR), to };
}
