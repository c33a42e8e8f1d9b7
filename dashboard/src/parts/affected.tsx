import { usePage } from '../lib/context';
import type { Anomaly } from '../lib/incident-data';
import { linkOf, templateOf } from '../lib/links';
import { text } from '../texts';
import { Section } from './section';

/** Affected entities, ids and examples. An id is a link where the installation has a template for its kind. */
export function AffectedPart({ anomaly }: { anomaly: Anomaly }) {
  const { affected_entities: affected = [], examples = [], example_ids: idsOfExamples = [], values = [] } = anomaly;
  const ids = Object.entries(anomaly.ids ?? {});
  if (affected.length + examples.length + values.length + ids.length === 0) return null;
  return (
    <Section title={text.incident.affected}>
      {affected.length > 0 && <ul>{affected.map((name) => <li key={name}>{name}</li>)}</ul>}
      {values.length > 0 && (
        <>
          <h3>{text.incident.values}</h3>
          <ul>{values.map((value) => <li key={value}><code>{value}</code></li>)}</ul>
        </>
      )}
      {ids.length > 0 && (
        <>
          <h3>{text.incident.ids}</h3>
          <ul>{ids.map(([kind, id]) => <li key={kind}>{kind}: <Id kind={kind} id={id} /></li>)}</ul>
        </>
      )}
      {examples.length > 0 && (
        <>
          <h3>{text.incident.examples}</h3>
          <ul>{examples.map((id, place) => <li key={id}><Example id={id} ids={idsOfExamples[place]} /></li>)}</ul>
        </>
      )}
    </Section>
  );
}

/** The ids of an example, each with its kind. An example without any is an execution. */
function Example({ id, ids = {} }: { id: string; ids?: Record<string, string> }) {
  const kinds = Object.entries(ids);
  if (kinds.length === 0) return <Id kind="execution_id" id={id} />;
  return <>{kinds.map(([kind, of], place) => <span key={kind}>{place > 0 && ', '}{kind}: <Id kind={kind} id={of} /></span>)}</>;
}

function Id({ kind, id }: { kind: string; id: string }) {
  const { config } = usePage();
  const address = linkOf(templateOf(config.links ?? {}, kind), id);
  return address ? <a href={address} target="_blank" rel="noopener noreferrer">{id}</a> : <code>{id}</code>;
}
