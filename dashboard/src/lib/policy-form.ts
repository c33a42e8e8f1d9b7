// A policy as the fields of a form, and back. What the form does not show is kept as it is.
import { text } from '../texts';
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
    mutes: policy.mutes ?? [],
  };
}

const written = (value: unknown) => (value === null || value === undefined ? '' : String(value));

/** A field that is no number. */
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
  put(policy, 'mutes', form.mutes.length > 0 ? form.mutes : undefined);
  return policy as Policy;
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
