import { expect, test } from 'vitest';
import { markOf, monthUntil, summed } from './budget-mark';
import { DAY, HOUR } from './format';

const entity_path = ['budget', '2026-11', '80 %'];

test.each([
  [{ type: 'budget_share', entity_path }, { month: '2026-11', mark: '80 %' }],
  [{ type: 'budget_pace', entity_path: ['budget', '2026-11', 'pace'] }, { month: '2026-11', mark: 'pace' }],
  [{ type: null, entity_path }, { month: '2026-11', mark: '80 %' }],
  [{ type: 'duration_spike', entity_path }, undefined],
  [{ type: 'usage_anomaly', entity_path: null }, undefined],
  [{ type: null, entity_path: ['payments', 'a', 'b'] }, undefined],
])('%j is of the mark %j', (item, mark) => expect(markOf(item)).toEqual(mark));

test('a month is shown up to its last full hour, and never longer than the API answers', () => {
  expect(monthUntil(DAY, 3 * DAY + 1.5 * HOUR)).toEqual({ from: DAY, to: 3 * DAY + HOUR });
  expect(monthUntil(DAY, DAY)).toEqual({ from: DAY, to: DAY + HOUR });
  expect(monthUntil(DAY, 60 * DAY)).toEqual({ from: DAY, to: 32 * DAY });
});

test('usage is summed up to each hour, and an hour without data adds nothing', () => {
  const found = summed({ starts: [0, 1, 2], values: [5, null, 2], low: [1, 1, 1], high: [9, 9, 9] });
  expect(found).toEqual({ starts: [0, 1, 2], values: [5, 5, 7], low: [null, null, null], high: [null, null, null] });
});
