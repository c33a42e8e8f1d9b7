import { describe, expect, test } from 'vitest';
import { HOUR } from './format';
import { muteOf, withMute, type Policy } from './policy';
import { formOf, InvalidField, policyOf } from './policy-form';
import { mergedPolicy, same } from './policy-merge';

const policy: Policy = {
  sensitivity: 2,
  detectors: ['seasonal'],
  metrics: { calls: { threshold: 4, detectors: ['z_score'] }, gone: { min_change: 5 } },
  budgets: { calls: { cost: 40, shares: [0.29, 1] }, gone: { unlimited: true } },
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
      budgets: policy.budgets,
      mutes: [{ reason: 'a' }],
    });
  });

  test('numbers and words', () => {
    const form = { ...formOf({}), sensitivity: 'high', metrics: { calls: { min_change: '1.5', sensitivity: 'low' } } };
    expect(policyOf(form, {})).toEqual({ sensitivity: 'high', metrics: { calls: { min_change: 1.5, sensitivity: 'low' } } });
  });

  test('a budget that is taken away is gone, and so are budgets without any', () => {
    const { calls } = formOf(policy).budgets;
    expect(policyOf({ ...formOf(policy), budgets: { calls: calls! } }, policy).budgets).toEqual({ calls: policy.budgets!.calls });
    expect(policyOf({ ...formOf(policy), budgets: {} }, policy)).not.toHaveProperty('budgets');
  });

  test('a budget that cannot hold is refused, with its metric and field', () => {
    const form = formOf({ budgets: { calls: { quota: 5 } } });
    form.budgets.calls!.pace = '28';
    expect(() => policyOf(form, {})).toThrow(InvalidField);
    expect(() => policyOf(form, {})).toThrow('Budget of calls, Pace: Write a whole number from 0 to 27.');
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

  test('budgets of different metrics do not touch each other, and one budget is taken as a whole', () => {
    const before: Policy = { budgets: { calls: { quota: 5 }, bytes: { quota: 7 }, gone: { quota: 9 } } };
    const mine: Policy = { budgets: { calls: { cost: 6 }, bytes: { quota: 7 }, gone: { quota: 9 }, fresh: { quota: 1 } } };
    const theirs: Policy = { budgets: { calls: { quota: 5, shares: [0.5] }, bytes: { quota: 8 } } };
    expect(mergedPolicy(before, mine, theirs).budgets).toEqual({ calls: { cost: 6 }, bytes: { quota: 8 }, fresh: { quota: 1 } });
    expect(mergedPolicy(before, {}, before)).toEqual({});
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
