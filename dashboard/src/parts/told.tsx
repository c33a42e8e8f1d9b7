import { dataOf } from '../api/failure';
import { pathId } from '../api/ids';
import { usePage } from '../lib/context';
import type { Incident } from '../lib/incident-data';
import { useLoad } from '../lib/load';
import { text } from '../texts';
import { Show } from './loaded';
import { Section } from './section';
import { Time } from './time';

/** Who was told of an incident: its alerts, each with the channels that got it. Customers do not see channels. */
export function Told({ incident }: { incident: Incident }) {
  const { client, rights } = usePage();
  const id = incident.incident_id;
  const path = { incident_id: id };
  const mayLook = rights.admin && !rights.customer;
  const loaded = useLoad(
    async (signal) => (mayLook ? dataOf(client.GET('/v1/incidents/{incident_id}/deliveries', { params: { path }, signal })) : undefined),
    [id, incident.state, incident.last_window],
  );
  if (!mayLook) return null;
  return (
    <Section title={text.told.title}>
      <Show of={loaded}>
        {(found) => (
          <>
            {found?.alerts.length === 0 && <p class="quiet">{text.told.nobody}</p>}
            {found?.story_incident_id && <p><a href={`#/incidents/${pathId(found.story_incident_id)}`}>{text.incident.story}</a></p>}
            <ul class="lines">
              {found?.alerts.map((alert) => (
                <li key={alert.alert_id}>
                  <strong>{text.words.event[alert.event] ?? alert.event}</strong>
                  <span class="quiet"><Time at={alert.at} /></span>
                  {alert.state !== 'sent' && <span>{text.words.alert[alert.state] ?? alert.state}</span>}
                  {alert.state === 'sent' && alert.deliveries.length === 0 && <span class="quiet">{text.told.noChannel}</span>}
                  {alert.deliveries.map(({ channel, state, ended_at }) => (
                    <span key={channel} class="told">
                      {text.told.channel(channel, text.words.delivery[state] ?? state)} {ended_at !== null && <Time at={ended_at} />}
                    </span>
                  ))}
                </li>
              ))}
            </ul>
          </>
        )}
      </Show>
    </Section>
  );
}
