// Two people change a policy at once. The changes of the slower one are put on top of those of the faster one, field by
// field, so that neither loses what the other did not touch.
import type { Mute, Policy } from './policy';

type Fields = Record<string, unknown>;

export function mergedPolicy(base: Policy, mine: Policy, theirs: Policy): Policy {
  const result = mergedFields(base as Fields, mine as Fields, theirs as Fields, ['metrics', 'budgets', 'mutes']);
  const metrics: Fields = {};
  const named = [base, mine, theirs].flatMap((policy) => Object.keys(policy.metrics ?? {}));
  for (const name of new Set(named)) {
    const of = (policy: Policy) => (policy.metrics?.[name] ?? {}) as Fields;
    const override = mergedFields(of(base), of(mine), of(theirs), []);
    if (Object.keys(override).length > 0) metrics[name] = override;
  }
  if (Object.keys(metrics).length > 0) result.metrics = metrics;
  // A budget is merged as a whole, because its quota and its cost exclude each other.
  const budgets = mergedFields(base.budgets ?? {}, mine.budgets ?? {}, theirs.budgets ?? {}, []);
  if (Object.keys(budgets).length > 0) result.budgets = budgets;
  const mutes = mergedMutes(base.mutes ?? [], mine.mutes ?? [], theirs.mutes ?? []);
  if (mutes.length > 0) result.mutes = mutes;
  return result as Policy;
}

function mergedFields(base: Fields, mine: Fields, theirs: Fields, without: readonly string[]): Fields {
  const result: Fields = {};
  for (const key of new Set([...Object.keys(base), ...Object.keys(mine), ...Object.keys(theirs)])) {
    if (without.includes(key)) continue;
    const value = same(base[key], mine[key]) ? theirs[key] : mine[key];
    if (value !== undefined && value !== null) result[key] = value;
  }
  return result;
}

function mergedMutes(base: readonly Mute[], mine: readonly Mute[], theirs: readonly Mute[]): Mute[] {
  const holds = (mutes: readonly Mute[], mute: Mute) => mutes.some((one) => same(one, mute));
  const kept = theirs.filter((mute) => holds(mine, mute) || !holds(base, mute));
  const added = mine.filter((mute) => !holds(base, mute) && !holds(theirs, mute));
  return [...kept, ...added];
}

/** Whether two values are equal as JSON. The order of the keys of an object does not matter; null counts as absent. */
export function same(a: unknown, b: unknown): boolean {
  return JSON.stringify(sortedKeys(a)) === JSON.stringify(sortedKeys(b));
}

function sortedKeys(value: unknown): unknown {
  if (value === null) return undefined;
  if (Array.isArray(value)) return value.map(sortedKeys);
  if (typeof value !== 'object') return value;
  return Object.fromEntries(
    Object.entries(value as Fields)
      .filter(([, field]) => field !== null && field !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, field]) => [key, sortedKeys(field)]),
  );
}
