import { describe, expect, test } from 'vitest';
import { ago, axisValue, duration, HOUR, DAY, listTime, localTime, money, ms, number, quantity, utcTime } from './format';

describe('numbers', () => {
  test.each([
    [0, '0'],
    [0.12345, '0.123'],
    [12.345, '12.3'],
    [999.6, '1,000'],
    [1234.5, '1,235'],
    [-9_876_543, '-9,876,543'],
  ])('%d', (value, written) => expect(number(value)).toBe(written));

  test.each([
    [9_140_000_000, 'bytes', '9.14 GB'],
    [999, 'bytes', '999 bytes'],
    [1500, 'ms', '1.5 s'],
    [0.031, 'ratio', '3.1 %'],
    [12_345, 'documents', '12,345 documents'],
    [null, 'documents', '–'],
  ])('%s %s', (value, unit, written) => expect(quantity(value, unit)).toBe(written));
});

test.each([
  [0, '0.00 USD'],
  [1.5, '1.50 USD'],
  [-80.256, '-80.26 USD'],
  [9900.4, '9,900 USD'],
])('%d of money', (amount, written) => expect(money(amount, 'USD')).toBe(written));

test.each([
  [850, '850 ms'],
  [90_000, '90 s'],
  [10 * 60_000, '10 min'],
  [5 * HOUR, '5 h'],
  [3 * DAY, '3 days'],
])('%d ms', (value, written) => expect(duration(value)).toBe(written));

test.each([
  [0, 'just now'],
  [5 * 60_000, '5 min ago'],
  [-3 * HOUR, 'in 3 h'],
  [5 * DAY, '5 days ago'],
])('%d ms before now', (before, written) => expect(ago(1e12 - before, 1e12)).toBe(written));

test('times of answers are milliseconds or RFC 3339', () => {
  expect(ms(1_795_266_000_000)).toBe(ms('2026-11-21T13:00:00Z'));
  expect(utcTime(1_795_266_000_000)).toBe('2026-11-21 13:00 UTC');
});

test('a list leaves out the present year only', () => {
  const at = ms('2026-11-21T13:00:00Z');
  expect(localTime(at)).toContain('2026');
  expect(listTime(at, at)).not.toContain('2026');
  expect(listTime(at, ms('2027-02-01T00:00:00Z'))).toContain('2026');
});

test('beside an axis zero needs no unit', () => expect([axisValue(0, 'bytes'), axisValue(1500, 'bytes'), axisValue(7, 'calls')]).toEqual(['0', '1.5 kB', '7']));
