import { pathId } from '../api/ids';
import type { Anomaly } from '../lib/incident-data';
import { text } from '../texts';
import { Severity } from './badges';
import { Time } from './time';

export function AnomalyLines({ of }: { of: readonly Anomaly[] }) {
  if (of.length === 0) return <p class="quiet">{text.none}</p>;
  return (
    <ul class="lines">
      {of.map((anomaly) => (
        <li key={anomaly.anomaly_id}>
          <Severity of={anomaly.severity} />
          <a href={`#/anomalies/${pathId(anomaly.anomaly_id)}`}><Time at={anomaly.detected_at} /></a>
        </li>
      ))}
    </ul>
  );
}
