import { describe, expect, test } from 'vitest';
import { DAY, HOUR } from './format';
import { chartPeriod, hasBand, isSparse, merged, ofPoints, shifted, weekOf, type Series } from './series';

const series = (starts: number[], values: (number | null)[]): Series => ({ starts, values, low: [], high: [] });

describe('the band', () => {
  test('goes to the edge where one end is open', () => {
    const found = ofPoints([
      { start: 0, value: 100, expected_low: null, expected_high: 40 },
      { start: HOUR, value: 1, expected_low: 5, expected_high: null },
      { start: 2 * HOUR, value: 1, expected_low: null, expected_high: null },
    ]);
    expect(found.low).toEqual([0, 5, null]);
    expect(found.high).toEqual([40, 105, null]);
    expect([hasBand(found), hasBand(ofPoints([]))]).toEqual([true, false]);
  });
});

test.each([
  [[1, null, 2, null, 3], true],
  [[1, 2, null, 3, 4], false],
  [[null, null], false],
  [[1, 2, null, 3, null], false],
])('%j stands alone: %s', (values, sparse) => expect(isSparse(series([], values))).toBe(sparse));

test('an earlier week is laid over the same hours', () => {
  const week = 7 * DAY;
  expect(shifted(series([0, HOUR], [1, 2]), week, [week, week + HOUR, week + 2 * HOUR])).toEqual([1, 2, null]);
});

test('windows that touch are one span', () => {
  expect(merged([{ from: 5, to: 9 }, { from: 0, to: 5 }, { from: 11, to: 12 }, { from: 6, to: 7 }])).toEqual([
    { from: 0, to: 9 },
    { from: 11, to: 12 },
  ]);
});

test('the week starts on Monday and takes means of what is known', () => {
  const monday = Date.UTC(2026, 10, 16, 13);
  const found = weekOf(series([monday, monday + 7 * DAY, monday - DAY], [10, 20, null]), (at) => {
    const date = new Date(at);
    return new Date(date.getTime() + date.getTimezoneOffset() * 60_000);
  });
  expect(found[0]![13]).toBe(15);
  expect(found[6]![13]).toBeNull();
  expect(found.flat().filter((value) => value !== null)).toHaveLength(1);
});

describe('the period of a chart', () => {
  const now = 100 * DAY;
  test('is a week before until a day after', () => {
    expect(chartPeriod(50 * DAY, 51 * DAY, now)).toEqual({ from: 43 * DAY, to: 52 * DAY });
  });
  test('does not go beyond now', () => expect(chartPeriod(99 * DAY, now - HOUR, now).to).toBe(now));
  test('leaves out the hour that runs, whose usage would look like a drop', () =>
    expect(chartPeriod(99 * DAY, now - 2 * HOUR, now + HOUR / 2).to).toBe(now));
  test('has a window of the hour that runs, if that window spoke', () =>
    expect(chartPeriod(99 * DAY, now + HOUR / 4, now + HOUR / 2).to).toBe(now + HOUR));
  test('has at most 30 days', () => expect(chartPeriod(10 * DAY, 90 * DAY, now)).toEqual({ from: 61 * DAY, to: 91 * DAY }));
});
