// A policy as the fields of a form, and back. What the form does not show is kept as it is.
import { text } from '../texts';
import { allFaultsOf, budgetFieldsOf, budgetOf, type BudgetField, type BudgetFields } from './budget-form';
import type { Mute, Policy } from './policy';

export const OVERRIDES = [
  ['threshold', text.settings.threshold],
  ['critical_threshold', text.settings.critical],
  ['min_change', text.settings.minChange],
  ['min_relative_change', text.settings.minRelative],
  ['price', text.settings.price],
  ['min_cost', text.settings.minCost],
  ['sensitivity', text.settings.factor],
] as const;

export type OverrideKey = (typeof OVERRIDES)[number][0];

export interface Form {
  sensitivity: string;
  timeZone: string;
  delay: string;
  detectors: string[];
  metrics: Record<string, Partial<Record<OverrideKey, string>>>;
  budgets: Record<string, BudgetFields>;
  mutes: Mute[];
}

export function formOf(policy: Policy): Form {
  const metrics: Form['metrics'] = {};
  for (const [name, override] of Object.entries(policy.metrics ?? {})) {
    metrics[name] = Object.fromEntries(OVERRIDES.map(([key]) => [key, written(override[key])]));
  }
  const detectors = policy.detectors;
  return {
    sensitivity: written(policy.sensitivity),
    timeZone: policy.time_zone ?? '',
    delay: written(policy.window_delay_hours),
    detectors: Array.isArray(detectors) ? detectors : detectors ? [detectors] : [],
    metrics,
    budgets: mapped(policy.budgets ?? {}, budgetFieldsOf),
    mutes: policy.mutes ?? [],
  };
}

const mapped = <T, U>(of: Record<string, T>, change: (one: T) => U): Record<string, U> =>
  Object.fromEntries(Object.entries(of).map(([key, one]) => [key, change(one)]));

const written = (value: unknown) => (value === null || value === undefined ? '' : String(value));

/** A field whose value cannot hold. */
export class InvalidField extends Error {}

/** The policy that a form says, on top of the one that the form was made of. Throws an InvalidField. */
export function policyOf(form: Form, base: Policy): Policy {
  const metrics: NonNullable<Policy['metrics']> = {};
  for (const name of new Set([...Object.keys(base.metrics ?? {}), ...Object.keys(form.metrics)])) {
    const override: Record<string, unknown> = { ...base.metrics?.[name] };
    for (const [key, label] of OVERRIDES) {
      put(override, key, valueOf(form.metrics[name]?.[key] ?? '', `${name}, ${label}`, key === 'sensitivity'));
    }
    if (Object.keys(override).length > 0) metrics[name] = override;
  }
  const policy: Record<string, unknown> = { ...base };
  put(policy, 'sensitivity', valueOf(form.sensitivity, text.settings.factor, true));
  put(policy, 'time_zone', form.timeZone.trim() || undefined);
  put(policy, 'window_delay_hours', valueOf(form.delay, text.settings.delay, false));
  put(policy, 'detectors', form.detectors.length > 0 ? form.detectors : undefined);
  put(policy, 'metrics', Object.keys(metrics).length > 0 ? metrics : undefined);
  refuseFaults(form);
  put(policy, 'budgets', Object.keys(form.budgets).length > 0 ? mapped(form.budgets, budgetOf) : undefined);
  put(policy, 'mutes', form.mutes.length > 0 ? form.mutes : undefined);
  return policy as Policy;
}

function refuseFaults({ budgets }: Form): void {
  for (const [metric, faults] of Object.entries(allFaultsOf(budgets))) {
    for (const [field, fault] of Object.entries(faults)) throw new InvalidField(text.budgets.invalid(metric, text.budgets.fields[field as BudgetField], fault));
  }
}

const WORDS = ['low', 'medium', 'high'];

function valueOf(field: string, name: string, words: boolean): number | string | undefined {
  const said = field.trim();
  if (said === '') return undefined;
  if (words && WORDS.includes(said)) return said;
  const value = Number(said.replace(',', '.'));
  if (!Number.isFinite(value)) throw new InvalidField(text.settings.invalid(name));
  return value;
}

function put(object: Record<string, unknown>, key: string, value: unknown): void {
  if (value === undefined) delete object[key];
  else object[key] = value;
}
