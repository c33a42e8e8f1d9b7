import { useMemo } from 'preact/hooks';
import type { Schemas } from '../api/client';
import { usePage } from '../lib/context';
import { loadSeries, type SeriesOf } from '../lib/incident-data';
import { useLoad } from '../lib/load';
import type { Span } from '../lib/series';
import { USAGE, useSources } from '../lib/sources';
import { text } from '../texts';
import { Chart } from './chart';
import { Show } from './loaded';

interface Props {
  of: Omit<SeriesOf, 'metric' | 'unit'>;
  period: Span;
  without?: string;
}

/** One small chart for each metric of a customer or an entity. */
export function SmallMultiples({ of, period, without }: Props) {
  const source = useSources().find(({ name }) => name === (of.source ?? USAGE));
  const metrics = (source?.metrics ?? []).filter(({ metric }) => metric !== without);
  return (
    <div class="multiples">
      {metrics.map((metric) => <Small key={metric.metric} of={of} period={period} metric={metric} />)}
    </div>
  );
}

function Small({ of, period, metric }: { of: Props['of']; period: Span; metric: Schemas['SourceMetric'] }) {
  const { client } = usePage();
  const series = useMemo(() => ({ ...of, metric: metric.metric, unit: metric.unit }), [of.customer, of.source, metric.metric]);
  const loaded = useLoad(
    (signal) => loadSeries(client, series, period, signal),
    [of.customer, of.entity?.join('/'), metric.metric, period.from, period.to],
  );
  return (
    <section class="card">
      <h3>{metric.metric} <small>{metric.unit}</small></h3>
      <Show of={loaded}>
        {({ series: found }) =>
          found.values.some((value) => value !== null) ? (
            <Chart label={text.incident.chartOf(metric.metric)} series={found} unit={metric.unit} height={130} quiet />
          ) : (
            <p class="quiet">{text.customer.noUsage}</p>
          )
        }
      </Show>
    </section>
  );
}
