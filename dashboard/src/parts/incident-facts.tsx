import { duration, money, ms, number, quantity } from '../lib/format';
import type { Incident } from '../lib/incident-data';
import { text } from '../texts';
import { Facts } from './facts';
import { Time } from './time';

export function IncidentFacts({ incident }: { incident: Incident }) {
  const { latest, unit, cost } = incident;
  const spread = latest.baseline_stddev > 0 ? ` ± ${quantity(latest.baseline_stddev, unit)}` : '';
  const lasts = ms(incident.closed_at ?? incident.over_at ?? incident.last_window) - ms(incident.opened_at);
  return (
    <Facts
      of={[
        [text.incident.current, quantity(latest.current_value, unit)],
        [text.incident.usual, quantity(latest.baseline_mean, unit) + spread],
        [text.incident.peak, number(incident.peak_z_score)],
        [text.incident.cost, cost && money(cost.so_far, cost.currency)],
        [text.incident.costAMonth, cost && money(cost.a_month, cost.currency)],
        [text.list.count, number(incident.anomalies)],
        [text.incident.opened, <Time at={incident.opened_at} />],
        [text.incident.lastWindow, <Time at={incident.last_window} />],
        [text.incident.lasts, lasts > 0 ? duration(lasts) : undefined],
        [text.incident.over, incident.over_at ? <Time at={incident.over_at} /> : text.incident.notOver],
      ]}
    />
  );
}
