import type { Anomaly, Incident } from '../lib/incident-data';
import { timelineOf } from '../lib/timeline';
import { Time } from './time';

export function Timeline({ incident, anomalies }: { incident: Incident; anomalies: readonly Anomaly[] }) {
  return (
    <ol class="timeline">
      {timelineOf(incident, anomalies).map(({ at, what, by, note }, index) => (
        <li key={index}>
          <span class="quiet"><Time at={at} /></span>
          <span>
            <strong>{what}</strong> {by}
            {note && <span class="note">{note}</span>}
          </span>
        </li>
      ))}
    </ol>
  );
}
