import { useMemo } from 'preact/hooks';
import { summed } from '../lib/budget-mark';
import { usePage } from '../lib/context';
import { loadSeries, type SeriesOf } from '../lib/incident-data';
import { useLoad } from '../lib/load';
import type { Span } from '../lib/series';
import { text } from '../texts';
import { Chart } from './chart';
import { Show } from './loaded';
import { Section } from './section';

interface Props {
  of: SeriesOf;
  /** The month so far. */
  period: Span;
  mark: string;
  /** What the mark stands for. */
  amount: number;
}

/** The usage of a month, hour by hour on top of each other, beside the amount at which people are told. */
export function BudgetChart({ of, period, mark, amount }: Props) {
  const { client } = usePage();
  const loaded = useLoad((signal) => loadSeries(client, of, period, signal), [of.customer, of.metric, period.from, period.to]);
  const series = useMemo(() => loaded.value && summed(loaded.value.series), [loaded.value]);
  const lines = useMemo(() => [{ label: text.budgets.of(mark), values: series?.starts.map(() => amount) ?? [] }], [series, mark, amount]);
  return (
    <Section title={text.budgets.chart}>
      <Show of={loaded}>{() => series && <Chart label={text.budgets.chartOf(of.metric)} series={series} unit={of.unit} earlier={lines} />}</Show>
    </Section>
  );
}
