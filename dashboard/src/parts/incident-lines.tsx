import { pathId } from '../api/ids';
import type { Schemas } from '../api/client';
import { Direction, Severity, State } from './badges';
import { Time } from './time';

interface Props {
  of: readonly Schemas['Incident'][];
  empty: string;
  onOpen?: () => void;
}

/** A short list of incidents: severity, whose, what, since when. */
export function IncidentLines({ of, empty, onOpen }: Props) {
  if (of.length === 0) return <p class="quiet">{empty}</p>;
  return (
    <ul class="lines">
      {of.map((incident) => (
        <li key={incident.incident_id}>
          <Severity of={incident.severity} />
          {incident.state !== 'open' && <State of={incident.state} />}
          <a href={`#/incidents/${pathId(incident.incident_id)}`} onClick={onOpen}>
            {incident.customer_id} · {incident.entity ? `${incident.entity} · ` : ''}{incident.metric}
          </a>
          <Direction of={incident.direction} />
          <span class="quiet"><Time at={incident.opened_at} relative /></span>
        </li>
      ))}
    </ul>
  );
}
