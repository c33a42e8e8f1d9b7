import { describe, expect, test } from 'vitest';
import { withoutHead } from './export';
import { apiFilters, periodOf } from './filters';
import { addressOf, segment, withQuery } from './hash';
import { joined } from './pages';
import { nextSorting, readSorting, sorted } from './sorting';

describe('addresses', () => {
  test.each([
    ['', '/', ''],
    ['#/incidents', '/incidents', ''],
    ['#/incidents?state=open&text=a?b', '/incidents', 'state=open&text=a?b'],
    ['#runs', '/runs', ''],
  ])('%s', (hash, path, query) => expect(addressOf(hash)).toEqual({ path, query }));

  test.each([
    ['#/customers/a%2Fb%3Dc?x=1', 'a/b=c'],
    ['#/customers/a%2525', 'a%25'],
    ['#/customers/50%', '50%'],
    ['#/customers', ''],
  ])('the id of %s is decoded once', (hash, id) => expect(segment(1, hash)).toBe(id));

  test('a change keeps the other filters and removes empty ones', () => {
    expect(withQuery('/incidents', 'state=open&metric=x', { state: undefined, text: 'a b' })).toBe('/incidents?metric=x&text=a+b');
    expect(withQuery('/incidents', 'state=open', { state: '' })).toBe('/incidents');
  });
});

describe('filters', () => {
  test('only those of the API go to the API', () => {
    expect(apiFilters(new URLSearchParams('state=open&sort=-z&text=x&from=now-7d&metric='))).toEqual({ state: 'open', text: 'x', from: 'now-7d' });
  });

  test.each([
    ['', ''],
    ['from=now-7d', 'now-7d'],
    ['from=2026-11-21T13:00:00Z', 'own'],
    ['from=now-7d&to=now-1d', 'own'],
  ])('the period of %s', (query, period) => expect(periodOf(new URLSearchParams(query))).toBe(period));
});

describe('order', () => {
  const rows = [{ n: 2 }, { n: null }, { n: 10 }, { n: -1 }];
  test('up, down, and rows without a value last', () => {
    expect(sorted(rows, (row) => row.n, false).map((row) => row.n)).toEqual([-1, 2, 10, null]);
    expect(sorted(rows, (row) => row.n, true).map((row) => row.n)).toEqual([10, 2, -1, null]);
  });
  test('equal rows keep their order', () => {
    expect(sorted(['b1', 'a', 'b2'], (row) => row[0], true)).toEqual(['b1', 'b2', 'a']);
  });
  test('a head goes through three orders', () => {
    expect(nextSorting('z', undefined)).toBe('-z');
    expect(nextSorting('z', readSorting('-z'))).toBe('z');
    expect(nextSorting('z', readSorting('z'))).toBeUndefined();
    expect(nextSorting('z', readSorting('-other'))).toBe('-z');
  });
});

test('a row on two pages is shown once', () => expect(joined(['a', 'b'], ['b', 'c'], String)).toEqual(['a', 'b', 'c']));

test('the head of a CSV stands once', () => {
  expect(withoutHead('a,b\n1,"x\ny"\n')).toBe('1,"x\ny"\n');
  expect(withoutHead('a,b')).toBe('');
});
