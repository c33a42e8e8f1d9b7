import { describe, expect, test } from 'vitest';
import { allFaultsOf, budgetFieldsOf, budgetOf, faultsOf, NEW_BUDGET, refusedField, type Budget } from './budget-form';

const fields = (changes: object) => ({ ...NEW_BUDGET, amount: '1', ...changes });

describe('a budget comes back from its fields', () => {
  test.each<Budget>([
    { quota: 2_000_000_000_000 },
    { quota: 1e24, days_before_end: 0 },
    { quota: 0.5, shares: [0.29, 0.8, 1.1, 10] },
    { cost: 12.5, shares: [], days_before_end: 27 },
    { unlimited: true },
  ])('%j', (budget) => {
    expect(faultsOf(budgetFieldsOf(budget))).toEqual({});
    expect(budgetOf(budgetFieldsOf(budget))).toEqual(budget);
  });

  test('what the API answers as null or false is absent', () =>
    expect(budgetOf(budgetFieldsOf({ quota: 5, cost: null, unlimited: false, shares: null, days_before_end: null }))).toEqual({ quota: 5 }));
});

test('shares are percents', () => {
  expect(budgetFieldsOf({ quota: 1, shares: [0.5, 0.29, 1] }).shares).toBe('50, 29, 100');
  expect(budgetOf(fields({ shares: '50 80,100' })).shares).toEqual([0.5, 0.8, 1]);
  expect(budgetOf(fields({ shares: ' none ' })).shares).toEqual([]);
});

test('a change of the limit leaves nothing of the former one', () => {
  const before = budgetFieldsOf({ quota: 7, shares: [0.5], days_before_end: 2 });
  expect(budgetOf({ ...before, limit: 'cost' })).toEqual({ cost: 7, shares: [0.5], days_before_end: 2 });
  expect(budgetOf({ ...before, limit: 'unlimited' })).toEqual({ unlimited: true });
});

describe('faults', () => {
  test.each(['', ' ', '0', '-1', '1,000', 'many', '0x10', 'Infinity', '1e25'])('%j is no quota', (amount) =>
    expect(Object.keys(faultsOf(fields({ amount })))).toEqual(['amount']));
  test.each(['1', '0.5', '.5', '1e24', ' 12 '])('%j is a quota', (amount) => expect(faultsOf(fields({ amount }))).toEqual({}));
  test('money has a limit of its own', () => {
    expect(faultsOf(fields({ limit: 'cost', amount: '1e15' }))).toEqual({});
    expect(Object.keys(faultsOf(fields({ limit: 'cost', amount: '1e16' })))).toEqual(['amount']);
  });
  test.each(['0', '1001', '80.5', 'all', '80, none', '1 2 3 4 5 6', '-5'])('%j are no shares', (shares) =>
    expect(Object.keys(faultsOf(fields({ shares })))).toEqual(['shares']));
  test.each(['', 'none', '1', '1000', '10, 20, 30, 40, 50'])('%j are shares', (shares) => expect(faultsOf(fields({ shares }))).toEqual({}));
  test.each(['28', '-1', '2.5', 'x'])('%j is no pace', (pace) => expect(Object.keys(faultsOf(fields({ pace })))).toEqual(['pace']));
  test.each(['', '0', '27'])('%j is a pace', (pace) => expect(faultsOf(fields({ pace }))).toEqual({}));
  test('without a limit nothing else counts', () =>
    expect(faultsOf({ limit: 'unlimited', amount: 'x', shares: 'x', pace: 'x' })).toEqual({}));
  test('are of the budgets that have some', () =>
    expect(allFaultsOf({ good: fields({}), bad: fields({ pace: '99' }) })).toEqual({ bad: { pace: expect.any(String) } }));
});

test.each([
  ['budgets.api_calls.cost', { api_calls: { amount: 'no' } }],
  ['budgets.api_calls.quota', { api_calls: { amount: 'no' } }],
  ['budgets.api_calls.shares', { api_calls: { shares: 'no' } }],
  ['budgets.api_calls.days_before_end', { api_calls: { pace: 'no' } }],
  ['budgets.storage_peak', { storage_peak: { amount: 'no' } }],
  ['metrics.api_calls', {}],
  ['budgets', {}],
  [undefined, {}],
])('a refusal of %s is shown at its field', (parameter, faults) => expect(refusedField(parameter, 'no')).toEqual(faults));
