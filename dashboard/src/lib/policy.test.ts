import { describe, expect, test } from 'vitest';
import { HOUR } from './format';
import { muteOf, withMute, type Policy } from './policy';
import { formOf, InvalidField, policyOf } from './policy-form';
import { mergedPolicy, same } from './policy-merge';

const policy: Policy = {
  sensitivity: 2,
  detectors: ['seasonal'],
  metrics: { calls: { threshold: 4, detectors: ['z_score'] }, gone: { min_change: 5 } },
  mutes: [{ reason: 'a' }],
};

describe('the form', () => {
  test('changes nothing by itself', () => expect(same(policyOf(formOf(policy), policy), policy)).toBe(true));

  test('an emptied field is gone, and what the form does not show stays', () => {
    const form = formOf(policy);
    form.metrics.calls!.threshold = ' ';
    form.metrics.gone!.min_change = '';
    form.sensitivity = '';
    expect(policyOf(form, policy)).toEqual({
      detectors: ['seasonal'],
      metrics: { calls: { detectors: ['z_score'] } },
      mutes: [{ reason: 'a' }],
    });
  });

  test('numbers and words', () => {
    const form = { ...formOf({}), sensitivity: 'high', metrics: { calls: { min_change: '1.5', sensitivity: 'low' } } };
    expect(policyOf(form, {})).toEqual({ sensitivity: 'high', metrics: { calls: { min_change: 1.5, sensitivity: 'low' } } });
  });

  test.each(['x', 'high'])('%s is no threshold', (threshold) => {
    const form = { ...formOf({}), metrics: { calls: { threshold } } };
    expect(() => policyOf(form, {})).toThrow(InvalidField);
    expect(() => policyOf(form, {})).toThrow(/calls, Threshold/);
  });
});

describe('two editors', () => {
  const base: Policy = { sensitivity: 1, metrics: { calls: { threshold: 3, min_change: 5 } }, mutes: [{ reason: 'old' }, { reason: 'both' }] };

  test('each keeps what the other did not touch', () => {
    const mine: Policy = { ...base, metrics: { calls: { threshold: 4, min_change: 5 } } };
    const theirs: Policy = { ...base, sensitivity: 2, metrics: { calls: { threshold: 3, min_change: 9 } } };
    expect(mergedPolicy(base, mine, theirs)).toEqual({ ...base, sensitivity: 2, metrics: { calls: { threshold: 4, min_change: 9 } } });
  });

  test('what I took away stays away, and what they took away, too', () => {
    const mine: Policy = { metrics: { calls: { threshold: 3, min_change: 5 } }, mutes: [{ reason: 'both' }, { reason: 'mine' }] };
    const theirs: Policy = { sensitivity: 1, mutes: [{ reason: 'old' }, { reason: 'theirs' }] };
    expect(mergedPolicy(base, mine, theirs)).toEqual({ mutes: [{ reason: 'theirs' }, { reason: 'mine' }] });
  });

  test('of two changes of one field mine is put on top', () => {
    expect(mergedPolicy(base, { ...base, sensitivity: 3 }, { ...base, sensitivity: 2 }).sensitivity).toBe(3);
  });
});

test('equality does not mind the order of keys, nor null', () => {
  expect(same({ a: 1, b: [{ c: 2, d: null }] }, { b: [{ c: 2 }], a: 1 })).toBe(true);
  expect(same({ a: [1, 2] }, { a: [2, 1] })).toBe(false);
});

test('a mute begins at the last full hour and repeats from there', () => {
  const now = Date.UTC(2026, 10, 21, 13, 45);
  expect(muteOf(now, 24, 'load test', 'calls', 'WEEKLY')).toEqual({
    reason: 'load test',
    metric: 'calls',
    from: '2026-11-21T13:00:00Z',
    until: '2026-11-22T13:00:00Z',
    rrule: 'FREQ=WEEKLY',
  });
  expect(muteOf(now + 3 * HOUR, 1, 'x', undefined, '')).toEqual({ reason: 'x', from: '2026-11-21T16:00:00Z', until: '2026-11-21T17:00:00Z' });
});

test('a mute is added to those that stand', () => {
  expect(withMute({ sensitivity: 1, mutes: [{ reason: 'a' }] }, { reason: 'b' })).toEqual({
    sensitivity: 1,
    mutes: [{ reason: 'a' }, { reason: 'b' }],
  });
});
