import { useMemo, useState } from 'preact/hooks';
import { pathId } from '../api/ids';
import type { Schemas } from '../api/client';
import { markOf, monthUntil } from '../lib/budget-mark';
import { usePage } from '../lib/context';
import { DAY, ms, number, quantity } from '../lib/format';
import { ALL_CUSTOMERS, loadAnomaly, loadSeries, type Anomaly } from '../lib/incident-data';
import { useLoad } from '../lib/load';
import { chartEnd } from '../lib/series';
import { Actions } from '../parts/actions';
import { AffectedPart } from '../parts/affected';
import { BudgetChart } from '../parts/budget-chart';
import { Direction, Severity, State } from '../parts/badges';
import { Chart } from '../parts/chart';
import { Detectors } from '../parts/detectors';
import { EarlierWindows } from '../parts/earlier-windows';
import { Facts } from '../parts/facts';
import { budgetFacts } from '../parts/incident-facts';
import { Heading } from '../parts/heading';
import { History } from '../parts/history';
import { Show } from '../parts/loaded';
import { Section } from '../parts/section';
import { Steps } from '../parts/steps';
import { Time } from '../parts/time';
import { WhoseLinks } from '../parts/whose';
import { text } from '../texts';

export function AnomalyView({ id }: { id: string }) {
  const { client } = usePage();
  const loaded = useLoad((signal) => loadAnomaly(client, id, signal), [id]);
  return <Show of={loaded}>{(detail) => <AnomalyPage detail={detail} again={loaded.again} />}</Show>;
}

function AnomalyPage({ detail, again }: { detail: Schemas['AnomalyDetail']; again: () => void }) {
  const { anomaly } = detail;
  const budget = markOf(anomaly);
  const [message, setMessage] = useState('');
  const done = (said: string) => {
    setMessage(said);
    again();
  };
  return (
    <article>
      <Heading title={`${anomaly.metric} ${text.words.type(anomaly.type)}`}>
        <Severity of={anomaly.severity} />
        <State of={anomaly.state} />
        {!budget && <Direction of={anomaly.direction} />}
      </Heading>
      <WhoseLinks customer={anomaly.customer_id} source={anomaly.source} entity={anomaly.entity_path} />
      <p class="sentence">{anomaly.description}</p>
      {anomaly.incident_id && <p><a href={`#/incidents/${pathId(anomaly.incident_id)}`}>{text.anomaly.incident}</a></p>}
      {anomaly.mute_reason && <p>{text.incident.muted(anomaly.mute_reason)}</p>}
      <Actions kind="anomalies" id={anomaly.anomaly_id} state={anomaly.state} mute={budget ? undefined : { customer: anomaly.customer_id, metric: anomaly.metric }} onDone={done} />
      <p role="status">{message}</p>
      {budget ? (
        <BudgetChart
          of={{ customer: anomaly.customer_id, metric: anomaly.metric, unit: anomaly.unit }}
          period={monthUntil(ms(anomaly.window.start), ms(anomaly.window.end))}
          mark={budget.mark}
          amount={anomaly.baseline_mean}
        />
      ) : anomaly.customer_id !== ALL_CUSTOMERS && <AnomalyChart detail={detail} />}
      <div class="columns">
        <Section title={text.incident.steps}><Steps of={anomaly.investigation_steps} /></Section>
        <Section title={text.incident.facts}><AnomalyFacts anomaly={anomaly} /></Section>
        {!budget && <Section title={text.incident.detectors}><Detectors anomaly={anomaly} /></Section>}
        <AffectedPart anomaly={anomaly} />
        {(anomaly.history?.length ?? 0) > 0 && <Section title={text.incident.timeline}><History of={anomaly.history!} /></Section>}
        {detail.baseline_windows.length > 0 && (
          <Section title={text.anomaly.earlierWindows}><EarlierWindows of={detail.baseline_windows} unit={anomaly.unit} /></Section>
        )}
      </div>
    </article>
  );
}

function AnomalyChart({ detail: { anomaly } }: { detail: Schemas['AnomalyDetail'] }) {
  const { client } = usePage();
  const span = { from: ms(anomaly.window.start), to: ms(anomaly.window.end) };
  const spans = useMemo(() => [span], [anomaly.anomaly_id]);
  const of = {
    customer: anomaly.customer_id,
    metric: anomaly.metric,
    unit: anomaly.unit,
    source: anomaly.source ?? undefined,
    entity: anomaly.entity_path ?? undefined,
  };
  const to = chartEnd(span.to, DAY / 2, Date.now());
  const loaded = useLoad((signal) => loadSeries(client, of, { from: span.from - 3 * DAY, to }, signal), [anomaly.anomaly_id]);
  return (
    <Section title={text.incident.chart}>
      <Show of={loaded}>
        {({ series }) => <Chart label={text.incident.chartOf(anomaly.metric)} series={series} unit={anomaly.unit} spans={spans} />}
      </Show>
    </Section>
  );
}

function AnomalyFacts({ anomaly }: { anomaly: Anomaly }) {
  const { unit } = anomaly;
  const budget = markOf(anomaly);
  return (
    <Facts
      of={[
        [text.anomaly.window, <><Time at={anomaly.window.start} /> – <Time at={anomaly.window.end} /></>],
        ...(budget ? budgetFacts(budget, anomaly, unit) : [
          [text.list.value, quantity(anomaly.current_value, unit)],
          [text.incident.usual, quantity(anomaly.baseline_mean, unit)],
          [text.anomaly.range, `${quantity(anomaly.expected_low, unit)} – ${quantity(anomaly.expected_high, unit)}`],
          [text.list.deviation, number(anomaly.z_score)],
        ] as const),
        [text.anomaly.alert, text.words.alert[anomaly.alert_state] ?? anomaly.alert_state],
        [text.anomaly.catalog, anomaly.catalog_version],
        [text.anomaly.policy, anomaly.config_version],
      ]}
    />
  );
}
