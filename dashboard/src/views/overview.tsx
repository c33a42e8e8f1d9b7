import type { Schemas } from '../api/client';
import { dataOf } from '../api/failure';
import { pathId } from '../api/ids';
import { usePage } from '../lib/context';
import { useQuery } from '../lib/hash';
import { useLoad } from '../lib/load';
import { useSources } from '../lib/sources';
import { CountBars } from '../parts/count-bars';
import { DayBars } from '../parts/day-bars';
import { Heading } from '../parts/heading';
import { HealthBanner } from '../parts/health-banner';
import { InPart } from '../parts/in-part';
import { IncidentLines } from '../parts/incident-lines';
import { Show } from '../parts/loaded';
import { Notice } from '../parts/notice';
import { NowTiles } from '../parts/now-tiles';
import { Precision } from '../parts/precision';
import { Section } from '../parts/section';
import { text } from '../texts';

const DAYS = [1, 7, 30, 90];
const DEFAULT_DAYS = 30;

export function OverviewView() {
  const { client, rights } = usePage();
  const [query, change] = useQuery();
  const asked = Number(query.get('days'));
  const days = DAYS.includes(asked) ? asked : DEFAULT_DAYS;
  const source = query.get('source') ?? undefined;
  const trends = useLoad(
    (signal) => dataOf(client.GET('/v1/anomalies/trends', { params: { query: { from: `now-${days}d`, top: 10, source } }, signal })),
    [days, source],
  );
  const mayLook = rights.admin && !rights.customer;
  const status = useLoad(async (signal) => (mayLook ? dataOf(client.GET('/v1/status', { signal })) : undefined), []);
  const recent = useLoad(
    (signal) => dataOf(client.GET('/v1/incidents', { params: { query: { from: 'now-24h', limit: 10 } }, signal })),
    [],
  );
  return (
    <>
      <Heading title={text.views.overview} />
      {status.value && <HealthBanner of={status.value} />}
      <NowTiles />
      <div class="segments" role="group" aria-label={text.overview.period}>
        {DAYS.map((one) => (
          <button key={one} type="button" aria-pressed={one === days} onClick={() => change({ days: one === DEFAULT_DAYS ? undefined : String(one) })}>
            {text.overview.days(one)}
          </button>
        ))}
      </div>
      <SourceChoice source={source} onChange={(chosen) => change({ source: chosen })} />
      <Show of={trends}>{(found) => <TrendsPart trends={found} days={days} source={source} />}</Show>
      <Section title={text.overview.recent}>
        <Show of={recent}>{({ incidents }) => <IncidentLines of={incidents} empty={text.overview.noRecent} />}</Show>
      </Section>
      {status.value && <Precision of={status.value.precision} />}
    </>
  );
}

function SourceChoice({ source, onChange }: { source: string | undefined; onChange: (source: string | undefined) => void }) {
  const sources = useSources();
  if (sources.length < 2) return null;
  return (
    <label class="field inline-field">
      {text.list.source}
      <select value={source ?? ''} onChange={(event) => onChange(event.currentTarget.value || undefined)}>
        <option value="">{text.any}</option>
        {sources.map(({ name }) => <option key={name}>{name}</option>)}
      </select>
    </label>
  );
}

function TrendsPart({ trends, days, source }: { trends: Schemas['Trends']; days: number; source: string | undefined }) {
  if (trends.total === 0 && trends.complete) return <Notice title={text.overview.noneInPeriod} />;
  const { words } = text;
  const own = source ? `&source=${encodeURIComponent(source)}` : '';
  const list = (filter: string) => `#/anomalies?from=now-${days}d${own}&${filter}`;
  return (
    <>
      <Section title={text.overview.byDay}>
        <p class="quiet">{text.overview.total(trends.total)}</p>
        <InPart of={trends} />
        <DayBars of={trends.by_day} />
      </Section>
      <div class="columns">
        <Section title={text.overview.bySeverity}>
          <CountBars of={[
            { name: words.severity.critical!, count: trends.by_severity.critical, link: list('severity=critical'), kind: 'critical' },
            { name: words.severity.warning!, count: trends.by_severity.warning, link: list('severity=warning'), kind: 'warning' },
          ]} />
        </Section>
        <Section title={text.overview.byDirection}>
          <CountBars of={Object.entries(trends.by_direction).map(([name, count]) => ({ name: words.direction[name] ?? name, count, link: list(`direction=${name}`) }))} />
        </Section>
        <Section title={text.overview.byMetric}>
          <CountBars of={Object.entries(trends.by_metric).map(([name, count]) => ({ name, count, link: list(`metric=${encodeURIComponent(name)}`) }))} />
        </Section>
        {!source && Object.keys(trends.by_source).length > 1 && (
          <Section title={text.overview.bySource}>
            <CountBars of={Object.entries(trends.by_source).map(([name, count]) => ({ name, count, link: list(`source=${encodeURIComponent(name)}`) }))} />
          </Section>
        )}
        <Section title={text.overview.byType}>
          <CountBars of={Object.entries(trends.by_type).map(([name, count]) => ({ name: words.type(name), count, link: list(`type=${encodeURIComponent(name)}`) }))} />
        </Section>
        <Section title={text.overview.topCustomers}>
          <CountBars of={trends.top_customers.map(({ customer_id, total }) => ({
            name: customer_id,
            count: total,
            link: customer_id === '*' ? list('customer_id=*') : `#/customers/${pathId(customer_id)}`,
          }))} />
        </Section>
      </div>
    </>
  );
}
