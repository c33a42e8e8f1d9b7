import { describe, expect, test } from 'vitest';
import { entityNames, entityPath, pathId, readId } from './ids';

describe('ids in paths', () => {
  const cases = ['cust_0001', 'a/b', '..', '.', '~x', '50%', '%2F', 'Ä?#', '<img src=x>', '😀', '-x', '1795266000000.api_calls.spike.Y3V'];
  test.each(cases)('%s comes back', (id) => expect(readId(pathId(id))).toBe(id));
  test.each(cases)('%s is written in characters that no router and no gateway decodes', (id) =>
    expect(pathId(id)).toMatch(/^[A-Za-z0-9_.~-]+$/));

  test('a plain id stays readable', () => expect(pathId('cust_0001')).toBe('cust_0001'));
  test('the form is that of the API: base64url without padding', () => expect(pathId('a/b')).toBe('~YS9i'));
  test('dots alone are no segment of a path', () => expect(pathId('..')).toBe('~Li4'));
  test.each(['~', '~!', '~_w'])('%s is no valid form, so it is the id itself', (segment) =>
    expect(readId(segment)).toBe(segment === '~' ? '' : segment));
});

describe('names of an entity', () => {
  test('each is percent-encoded', () => expect(entityPath(['a/b', 'c d'])).toBe('a%2Fb/c%20d'));
  test('they come back', () => expect(entityNames(entityPath(['a/b', '50%', 'ü']))).toEqual(['a/b', '50%', 'ü']));
  test('a text that is not encoded is a name', () => expect(entityNames('50%/x')).toEqual(['50%', 'x']));
});
