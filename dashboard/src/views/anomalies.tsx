import { pathId } from '../api/ids';
import type { Schemas } from '../api/client';
import { dataOf } from '../api/failure';
import { usePage } from '../lib/context';
import { apiFilters } from '../lib/filters';
import { ms, number, quantity } from '../lib/format';
import { useQuery } from '../lib/hash';
import { usePages } from '../lib/pages';
import { Direction, Severity, State } from '../parts/badges';
import { FilterBar } from '../parts/filter-bar';
import { Heading } from '../parts/heading';
import { RecordList } from '../parts/record-list';
import type { Column } from '../parts/record-table';
import { Time } from '../parts/time';
import { text } from '../texts';

type Anomaly = Schemas['Anomaly'];
type AnomalyQuery = NonNullable<import('../api/schema').paths['/v1/anomalies']['get']['parameters']['query']>;

const PAGE = 100;
const STATES = ['open', 'acknowledged', 'resolved'];
// The compiler says if docs/openapi.json names another type.
const TYPES = Object.keys({
  usage_anomaly: 0,
  new_usage: 0,
  shape_change: 0,
  data_stopped: 0,
  budget_share: 0,
  budget_pace: 0,
  duration_spike: 0,
  output_size_drop: 0,
  error_rate_increase: 0,
  new_error_type: 0,
  consecutive_failures: 0,
  spike_in_failures: 0,
  performance_degradation: 0,
  unusual_execution_time: 0,
  pattern_deviation: 0,
  resource_exhaustion: 0,
} satisfies Record<Anomaly['type'], 0>);

const columns: Column<Anomaly>[] = [
  { key: 'severity', head: text.list.severity, cell: (row) => <Severity of={row.severity} />, by: (row) => Number(row.severity === 'critical') },
  { key: 'state', head: text.list.state, cell: (row) => <State of={row.state} />, by: (row) => row.state },
  {
    key: 'customer',
    head: text.list.customer,
    cell: (row) => <a class="row-link" href={`#/anomalies/${pathId(row.anomaly_id)}`}>{row.customer_id}</a>,
    by: (row) => row.customer_id,
  },
  { key: 'metric', head: text.list.metric, cell: (row) => <>{row.metric}{row.entity && <small> {row.entity}</small>}</>, by: (row) => row.metric },
  { key: 'direction', head: text.list.direction, cell: (row) => <Direction of={row.direction} />, by: (row) => row.direction },
  { key: 'type', head: text.list.type, cell: (row) => text.words.type(row.type), by: (row) => row.type },
  { key: 'value', head: text.list.value, cell: (row) => quantity(row.current_value, row.unit), number: true },
  { key: 'usual', head: text.list.usual, cell: (row) => quantity(row.baseline_mean, row.unit), number: true },
  { key: 'z', head: text.list.deviation, cell: (row) => number(row.z_score), by: (row) => Math.abs(row.z_score), number: true },
  { key: 'detected', head: text.list.detected, cell: (row) => <Time at={row.detected_at} />, by: (row) => ms(row.detected_at) },
];

const idOf = (row: Anomaly) => row.anomaly_id;
const textOf = (row: Anomaly) =>
  [row.customer_id, row.metric, row.entity ?? '', row.direction, row.severity, row.state, row.type, row.description].join(' ');

export function AnomaliesView() {
  const { client } = usePage();
  const [query] = useQuery();
  const filters = apiFilters(query);
  const asked = (cursor?: string) => ({ params: { query: { ...filters, limit: PAGE, cursor } as AnomalyQuery } });
  const pages = usePages<Anomaly>(
    async (cursor, signal) => {
      const answer = await dataOf(client.GET('/v1/anomalies', { ...asked(cursor), signal }));
      return { rows: answer.anomalies, next: answer.next_cursor };
    },
    idOf,
    [JSON.stringify(filters)],
  );
  return (
    <>
      <Heading title={text.views.anomalies} />
      <FilterBar states={STATES} types={TYPES} />
      <RecordList
        kind="anomalies"
        title={text.views.anomalies}
        empty={text.list.noAnomalies}
        pages={pages}
        columns={columns}
        idOf={idOf}
        textOf={textOf}
        csvPage={(cursor) => client.GET('/v1/anomalies', { ...asked(cursor), headers: { accept: 'text/csv' }, parseAs: 'text' })}
      />
    </>
  );
}
