// The budgets of a policy as the fields of a form, and back: what is written, what is wrong with it, and where a refusal of the
// API belongs.
import type { Schemas } from '../api/client';
import { text } from '../texts';

export type Budget = Schemas['Budget'];
export type Limit = 'quota' | 'cost' | 'unlimited';
export type BudgetField = 'amount' | 'shares' | 'pace';

export interface BudgetFields {
  limit: Limit;
  amount: string;
  /** In percent, with commas between them. Empty: those that the API takes by default. */
  shares: string;
  /** Days before the end of the month. */
  pace: string;
}

/** What is wrong, by metric and field. */
export type BudgetFaults = Record<string, Partial<Record<BudgetField, string>>>;

export const NEW_BUDGET: BudgetFields = { limit: 'quota', amount: '', shares: '', pace: '' };

/** The word for an empty list of shares. An empty field stands for the default. */
const NO_SHARE = 'none';
const MOST_SHARES = 5;
const MOST_PERCENT = 1000;
const MOST_DAYS = 27;
const MOST = { quota: 1e24, cost: 1e15 } as const;

export function budgetFieldsOf(budget: Budget): BudgetFields {
  const { quota, cost, unlimited, shares, days_before_end: days } = budget;
  return {
    limit: unlimited ? 'unlimited' : typeof cost === 'number' ? 'cost' : 'quota',
    amount: String(cost ?? quota ?? ''),
    shares: !shares ? '' : shares.length === 0 ? NO_SHARE : shares.map(percent).join(', '),
    pace: String(days ?? ''),
  };
}

// 0.29 x 100 is 28.999999999999996.
const percent = (share: number) => String(Number((share * 100).toFixed(6)));

/** The budget that the fields say. They have no faults. */
export function budgetOf({ limit, amount, shares, pace }: BudgetFields): Budget {
  if (limit === 'unlimited') return { unlimited: true };
  const percents = percentsOf(shares);
  return {
    [limit]: Number(amount),
    ...(percents ? { shares: percents.map((one) => Number(one) / 100) } : {}),
    ...(pace.trim() ? { days_before_end: Number(pace) } : {}),
  };
}

/** What is wrong with the fields of a budget. */
export function faultsOf({ limit, amount, shares, pace }: BudgetFields): Partial<Record<BudgetField, string>> {
  const { faults } = text.budgets;
  if (limit === 'unlimited') return {};
  const percents = percentsOf(shares) ?? [];
  return {
    ...(isAmount(amount, MOST[limit]) ? {} : { amount: faults.amount }),
    ...(percents.length <= MOST_SHARES && percents.every((one) => isWhole(one, 1, MOST_PERCENT)) ? {} : { shares: faults.shares }),
    ...(pace.trim() === '' || isWhole(pace.trim(), 0, MOST_DAYS) ? {} : { pace: faults.pace }),
  };
}

/** The same of all budgets of a form. Those without a fault are absent. */
export function allFaultsOf(budgets: Readonly<Record<string, BudgetFields>>): BudgetFaults {
  const all = Object.entries(budgets).map(([metric, fields]) => [metric, faultsOf(fields)] as const);
  return Object.fromEntries(all.filter(([, faults]) => Object.keys(faults).length > 0));
}

const FIELDS: Record<string, BudgetField> = { quota: 'amount', cost: 'amount', unlimited: 'amount', shares: 'shares', days_before_end: 'pace' };

/** The field that a refusal of the API is about, such as `budgets.api_calls.cost`. Nothing for a refusal of something else. */
export function refusedField(parameter: string | undefined, message: string): BudgetFaults {
  const [part, metric, field] = (parameter ?? '').split('.');
  return part === 'budgets' && metric ? { [metric]: { [FIELDS[field ?? ''] ?? 'amount']: message } } : {};
}

// A comma could separate thousands or decimals, so none is taken.
const isAmount = (field: string, most: number) => /^\d*\.?\d+(e[+-]?\d+)?$/i.test(field.trim()) && Number(field) > 0 && Number(field) <= most;

const isWhole = (field: string, least: number, most: number) => /^\d+$/.test(field) && Number(field) >= least && Number(field) <= most;

function percentsOf(field: string): string[] | undefined {
  const said = field.trim();
  if (said === '') return undefined;
  return said === NO_SHARE ? [] : said.split(/[\s,;]+/).filter(Boolean);
}
