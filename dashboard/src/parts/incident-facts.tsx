import { markOf, type BudgetMark } from '../lib/budget-mark';
import { duration, money, ms, number, quantity } from '../lib/format';
import type { Incident } from '../lib/incident-data';
import { text } from '../texts';
import { Facts } from './facts';
import { Time } from './time';

export function IncidentFacts({ incident }: { incident: Incident }) {
  const { latest, unit, cost } = incident;
  const spread = latest.baseline_stddev > 0 ? ` ± ${quantity(latest.baseline_stddev, unit)}` : '';
  const budget = markOf(incident);
  const lasts = ms(incident.closed_at ?? incident.over_at ?? incident.last_window) - ms(incident.opened_at);
  return (
    <Facts
      of={[
        ...(budget ? budgetFacts(budget, latest, unit) : [
          [text.incident.current, quantity(latest.current_value, unit)],
          [text.incident.usual, quantity(latest.baseline_mean, unit) + spread],
          [text.incident.peak, number(incident.peak_z_score)],
        ] as const),
        [text.incident.cost, cost && money(cost.so_far, cost.currency)],
        [text.incident.costAMonth, cost && money(cost.a_month, cost.currency)],
        [text.list.count, number(incident.anomalies)],
        [text.incident.opened, <Time at={incident.opened_at} />],
        [text.incident.lastWindow, <Time at={incident.last_window} />],
        [text.incident.lasts, lasts > 0 ? duration(lasts) : undefined],
        [text.incident.over, incident.over_at ? <Time at={incident.over_at} /> : budget ? undefined : text.incident.notOver],
      ]}
    />
  );
}

/** The figures of a budget: what was used, and the amount that the mark stands for. */
export const budgetFacts = ({ month, mark }: BudgetMark, of: { current_value: number; baseline_mean: number }, unit: string) => [
  [text.budgets.month, month],
  [text.budgets.used, quantity(of.current_value, unit)],
  [text.budgets.of(mark), quantity(of.baseline_mean, unit)],
] as const;
