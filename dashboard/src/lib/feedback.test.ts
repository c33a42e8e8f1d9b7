import { expect, test } from 'vitest';
import { bodyOf, isStored } from './feedback';

const NOW = Date.UTC(2026, 10, 21, 13);

test('only what is expected has an end, and an empty note is none', () => {
  expect(bodyOf({ kind: 'expected', days: 7, note: 'export' }, false, NOW)).toEqual({
    kind: 'expected',
    until: '2026-11-28T13:00:00.000Z',
    note: 'export',
  });
  expect(bodyOf({ kind: 'false_alarm', days: 7, note: '' }, false, NOW)).toEqual({ kind: 'false_alarm' });
  expect(bodyOf({ kind: 'confirmed', days: 7, note: '' }, true, NOW)).toEqual({ kind: 'confirmed', dry_run: true });
});

test('a dry run is told from what is stored', () => {
  expect(isStored({ effect: 'x' } as never)).toBe(true);
  expect(isStored({ backtest_id: 'x' } as never)).toBe(false);
});
