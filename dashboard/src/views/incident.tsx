import { useState } from 'preact/hooks';
import { pathId } from '../api/ids';
import { markOf, monthUntil } from '../lib/budget-mark';
import { usePage } from '../lib/context';
import { ms } from '../lib/format';
import { useFresh } from '../lib/fresh';
import { loadIncident, seriesOf, type Incident, type IncidentData } from '../lib/incident-data';
import { useLoad } from '../lib/load';
import { Actions } from '../parts/actions';
import { AffectedPart } from '../parts/affected';
import { AnomalyLines } from '../parts/anomaly-lines';
import { BudgetChart } from '../parts/budget-chart';
import { Direction, Severity, State } from '../parts/badges';
import { Detectors } from '../parts/detectors';
import { Heading } from '../parts/heading';
import { IncidentChart } from '../parts/incident-chart';
import { IncidentFacts } from '../parts/incident-facts';
import { Show } from '../parts/loaded';
import { OneCause } from '../parts/one-cause';
import { OtherMetrics } from '../parts/other-metrics';
import { Section } from '../parts/section';
import { Steps } from '../parts/steps';
import { Timeline } from '../parts/timeline';
import { Told } from '../parts/told';
import { WhoseLinks } from '../parts/whose';
import { text } from '../texts';

export function IncidentView({ id }: { id: string }) {
  const { client } = usePage();
  const loaded = useLoad((signal) => loadIncident(client, id, signal), [id]);
  return <Show of={loaded}>{(data) => <IncidentPage data={data} again={loaded.again} />}</Show>;
}

function IncidentPage({ data, again }: { data: IncidentData; again: () => void }) {
  const { detail, anomalies, newest } = data;
  const [message, setMessage] = useState('');
  const { incident } = detail;
  useFresh(incident, again);
  const anomaly = newest?.anomaly ?? anomalies[0];
  const of = seriesOf(incident, anomaly);
  const budget = markOf(incident);
  const done = (said: string) => {
    setMessage(said);
    again();
  };
  return (
    <article>
      <Heading title={budget ? text.budgets.incident(incident.metric) : text.incident.title(incident.metric, incident.direction)}>
        <Severity of={incident.severity} />
        <State of={incident.state} />
        {!budget && <Direction of={incident.direction} />}
      </Heading>
      <WhoseLinks customer={incident.customer_id} source={anomaly?.source} entity={incident.entity_path} />
      <p class="sentence">{incident.description}</p>
      <Remarks incident={incident} />
      <Actions kind="incidents" id={incident.incident_id} state={incident.state} mute={budget ? undefined : { customer: incident.customer_id, metric: incident.metric }} onDone={done} />
      <p role="status">{message}</p>
      {of && budget && anomaly ? (
        <BudgetChart
          of={of}
          period={monthUntil(ms(anomaly.window.start), ms(incident.closed_at ?? Date.now()))}
          mark={budget.mark}
          amount={incident.latest.baseline_mean}
        />
      ) : of ? (
        <Section title={text.incident.chart}>
          <IncidentChart incident={incident} of={of} anomalies={anomalies} />
        </Section>
      ) : (
        <p class="quiet">{text.incident.noSeries}</p>
      )}
      <div class="columns">
        <Section title={text.incident.steps}><Steps of={detail.investigation_steps} /></Section>
        <Section title={text.incident.facts}><IncidentFacts incident={incident} /></Section>
        {anomaly && !budget && <Section title={text.incident.detectors}><Detectors anomaly={anomaly} /></Section>}
        {anomaly && <AffectedPart anomaly={anomaly} />}
        <OneCause incident={incident} onDone={done} />
        <Section title={text.incident.timeline}><Timeline incident={incident} anomalies={anomalies} /></Section>
        <Told incident={incident} />
        <Section title={text.incident.anomalies}><AnomalyLines of={anomalies} /></Section>
      </div>
      {of && <OtherMetrics of={of} until={ms(incident.last_window)} />}
    </article>
  );
}

function Remarks({ incident }: { incident: Incident }) {
  const { rights } = usePage();
  return (
    <>
      {markOf(incident) && rights.admin && !rights.customer && (
        <p><a href={`#/settings/${pathId(incident.customer_id)}`}>{text.budgets.ofCustomer}</a></p>
      )}
      {incident.recurring ? <p class="quiet">{text.incident.recurring(incident.recurring)}</p> : null}
      {incident.story_incident_id && (
        <p class="quiet">
          <a href={`#/incidents/${pathId(incident.story_incident_id)}`}>{text.incident.story}</a>
        </p>
      )}
    </>
  );
}
