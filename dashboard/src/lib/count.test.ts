import { expect, test } from 'vitest';
import { countOf } from './count';

test('a count of a part says that there may be more', () => {
  expect(countOf(12_000, true)).toBe('12,000');
  expect(countOf(12_000, false)).toBe('at least 12,000');
  expect(countOf(0, false)).toBe('at least 0');
});
