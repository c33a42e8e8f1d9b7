import { useState } from 'preact/hooks';
import { dataOf } from '../api/failure';
import { pathId } from '../api/ids';
import type { Schemas } from '../api/client';
import { VERBS, verbsOf, type Verb } from '../lib/actions';
import { usePage } from '../lib/context';
import type { Incident } from '../lib/incident-data';
import { useLoad } from '../lib/load';
import { text } from '../texts';
import { ActionDialog, type Asked } from './action-dialog';
import { Direction, Severity, State } from './badges';
import { Show } from './loaded';
import { Section } from './section';

interface Props {
  incident: Incident;
  onDone: (said: string) => void;
}

/** The incidents that probably have the same cause, to look at and to act on together. */
export function OneCause({ incident, onDone }: Props) {
  const { client } = usePage();
  const id = incident.incident_id;
  const loaded = useLoad(
    (signal) => dataOf(client.GET('/v1/incidents/{incident_id}/related', { params: { path: { incident_id: id } }, signal })),
    [id, incident.state],
  );
  const done = (said: string) => {
    loaded.again();
    onDone(said);
  };
  return (
    <Section title={text.oneCause.title}>
      <Show of={loaded}>{(cause) => <Cause cause={cause} incident={incident} onDone={done} />}</Show>
    </Section>
  );
}

function Cause({ cause, incident, onDone }: Props & { cause: Schemas['OneCause'] }) {
  const { rights } = usePage();
  const [asked, setAsked] = useState<Asked>();
  if (cause.related.length === 0) return <p class="quiet">{text.oneCause.none}</p>;
  const all = [incident, ...cause.related.map((one) => one.incident)];
  const idsFor = (verb: Verb) => all.filter((one) => verbsOf(one.state).includes(verb)).map((one) => one.incident_id);
  return (
    <>
      {cause.first_mover === incident.incident_id && <p>{text.oneCause.thisFirst}</p>}
      <ul class="lines">
        {cause.related.map((one) => (
          <li key={one.incident.incident_id}>
            <Severity of={one.incident.severity} />
            {one.incident.state !== 'open' && <State of={one.incident.state} />}
            <a href={`#/incidents/${pathId(one.incident.incident_id)}`}>
              {one.incident.customer_id} · {one.incident.entity ? `${one.incident.entity} · ` : ''}{one.incident.metric}
            </a>
            <Direction of={one.incident.direction} />
            {cause.first_mover === one.incident.incident_id && <strong>{text.oneCause.first}</strong>}
            <span class="quiet">{text.oneCause.why(one.links, one.lead_hours)}</span>
          </li>
        ))}
      </ul>
      {!cause.complete && <p class="quiet">{text.oneCause.incomplete}</p>}
      {rights.write && (
        <div class="buttons" role="group" aria-label={text.oneCause.together}>
          {VERBS.map((verb) => ({ verb, ids: idsFor(verb) })).map(({ verb, ids }) => (
            ids.length > 1 && (
              <button key={verb} type="button" onClick={() => setAsked({ kind: 'incidents', ask: verb, verb, ids })}>
                {text.oneCause.all(text.act[verb], ids.length)}
              </button>
            )
          ))}
        </div>
      )}
      {asked && (
        <ActionDialog
          asked={asked}
          onDone={(_, said) => {
            setAsked(undefined);
            onDone(said);
          }}
          onClose={() => setAsked(undefined)}
        />
      )}
    </>
  );
}
