import { pathId } from '../api/ids';
import type { Schemas } from '../api/client';
import { dataOf } from '../api/failure';
import { usePage } from '../lib/context';
import { apiFilters } from '../lib/filters';
import { money, ms, number, quantity } from '../lib/format';
import { useQuery } from '../lib/hash';
import { usePages } from '../lib/pages';
import { TYPES } from '../lib/types';
import { Direction, Severity, State } from '../parts/badges';
import { FilterBar } from '../parts/filter-bar';
import { Heading } from '../parts/heading';
import { RecordList } from '../parts/record-list';
import type { Column } from '../parts/record-table';
import { Time } from '../parts/time';
import { text } from '../texts';

type Incident = Schemas['Incident'];
type IncidentSort = Schemas['IncidentSort'];

const PAGE = 100;
// Orders that the API knows, by how the address writes them.
const SORTS: Record<string, IncidentSort> = { '-last': 'last_window', '-opened': 'opened_at', '-severity': 'severity', '-anomalies': 'anomalies', '-cost': 'cost' };
const STATES = ['open', 'acknowledged', 'resolved', 'accepted', 'stale'];

const columns: Column<Incident>[] = [
  { key: 'severity', head: text.list.severity, cell: (row) => <Severity of={row.severity} />, by: (row) => Number(row.severity === 'critical') },
  { key: 'state', head: text.list.state, cell: (row) => <State of={row.state} />, by: (row) => row.state },
  {
    key: 'customer',
    head: text.list.customer,
    cell: (row) => <a class="row-link" href={`#/incidents/${pathId(row.incident_id)}`}>{row.customer_id}</a>,
    by: (row) => row.customer_id,
  },
  { key: 'metric', head: text.list.metric, cell: (row) => <>{row.metric}{row.entity && <small> {row.entity}</small>}</>, by: (row) => row.metric },
  { key: 'direction', head: text.list.direction, cell: (row) => <Direction of={row.direction} />, by: (row) => row.direction },
  { key: 'value', head: text.list.value, cell: (row) => quantity(row.latest.current_value, row.unit), number: true },
  { key: 'usual', head: text.list.usual, cell: (row) => quantity(row.latest.baseline_mean, row.unit), number: true },
  { key: 'z', head: text.list.deviation, cell: (row) => number(row.peak_z_score), by: (row) => Math.abs(row.peak_z_score), number: true },
  { key: 'anomalies', head: text.list.count, cell: (row) => number(row.anomalies), by: (row) => row.anomalies, number: true },
  {
    key: 'cost',
    head: text.list.cost,
    cell: (row) => (row.cost ? <Cost of={row.cost} /> : text.none),
    by: (row) => Math.abs(row.cost?.a_month ?? 0),
    number: true,
    wraps: true,
  },
  { key: 'opened', head: text.list.opened, cell: (row) => <Time at={row.opened_at} short />, by: (row) => ms(row.opened_at) },
  { key: 'last', head: text.list.lastWindow, cell: (row) => <Time at={row.last_window} short />, by: (row) => ms(row.last_window) },
];

// The currency stands below the amount, so that all columns have room on the screen of a laptop.
function Cost({ of }: { of: Schemas['IncidentCost'] }) {
  const [amount, currency] = money(of.a_month, of.currency).split(' ');
  return <>{amount} <small>{currency}</small></>;
}

const idOf = (row: Incident) => row.incident_id;
const textOf = (row: Incident) =>
  [row.customer_id, row.metric, row.entity ?? '', row.direction, row.severity, row.state, row.description].join(' ');

export function IncidentsView() {
  const { client } = usePage();
  const [query] = useQuery();
  const filters = { ...apiFilters(query), sort: SORTS[query.get('sort') ?? ''] };
  const asked = (cursor?: string) => ({ params: { query: { ...filters, limit: PAGE, cursor } as IncidentQuery } });
  const pages = usePages<Incident>(
    async (cursor, signal) => {
      const answer = await dataOf(client.GET('/v1/incidents', { ...asked(cursor), signal }));
      return { rows: answer.incidents, next: answer.next_cursor };
    },
    idOf,
    [JSON.stringify(filters)],
  );
  // Without prices the column of costs would be empty.
  const hasCosts = pages.rows.some((row) => row.cost) || filters.sort === 'cost';
  return (
    <>
      <Heading title={text.views.incidents} />
      <FilterBar states={STATES} types={TYPES} />
      <RecordList
        kind="incidents"
        title={text.views.incidents}
        empty={text.list.noIncidents}
        pages={pages}
        columns={hasCosts ? columns : columns.filter(({ key }) => key !== 'cost')}
        idOf={idOf}
        textOf={textOf}
        ofApi={Object.keys(SORTS)}
        csvPage={(cursor) => client.GET('/v1/incidents', { ...asked(cursor), headers: { accept: 'text/csv' }, parseAs: 'text' })}
      />
    </>
  );
}

type IncidentQuery = NonNullable<import('../api/schema').paths['/v1/incidents']['get']['parameters']['query']>;
