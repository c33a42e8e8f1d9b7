import { useMemo } from 'preact/hooks';
import { dataOf } from '../api/failure';
import { pathId } from '../api/ids';
import { usePage } from '../lib/context';
import { DAY, HOUR } from '../lib/format';
import { ALL_CUSTOMERS } from '../lib/incident-data';
import { useLoad } from '../lib/load';
import { USAGE, useSources } from '../lib/sources';
import { BaselineTable } from '../parts/baseline-table';
import { EntityLinks } from '../parts/entity-links';
import { Heading } from '../parts/heading';
import { IncidentLines } from '../parts/incident-lines';
import { Show } from '../parts/loaded';
import { Notice } from '../parts/notice';
import { PolicySummary } from '../parts/policy-summary';
import { Section } from '../parts/section';
import { SmallMultiples } from '../parts/small-multiples';
import { WeekMap } from '../parts/week-map';
import { text } from '../texts';

export function CustomerView({ id }: { id: string }) {
  const { client, rights } = usePage();
  // A catalog may have workflows and the like alone.
  const hasUsage = useSources().some(({ name }) => name === USAGE);
  const incidents = useLoad(
    (signal) => dataOf(client.GET('/v1/incidents', { params: { query: { customer_id: id, limit: 20 } }, signal })),
    [id],
  );
  const period = useMemo(() => {
    const to = Math.floor(Date.now() / HOUR) * HOUR;
    return { from: to - 7 * DAY, to };
  }, [id]);

  if (id === ALL_CUSTOMERS) {
    return (
      <Notice title={text.customer.all} hint={text.customer.allHint}>
        <a class="button" href="#/incidents?customer_id=*">{text.views.toIncidents}</a>
      </Notice>
    );
  }
  return (
    <article>
      <Heading title={text.customer.title(id)} />
      <Section title={text.customer.incidents}>
        <Show of={incidents}>{(found) => <IncidentLines of={found.incidents} empty={text.list.noIncidents} />}</Show>
        <p><a href={`#/incidents?customer_id=${encodeURIComponent(id)}`}>{text.incident.similar}</a></p>
      </Section>
      {hasUsage && (
        <>
          <Section title={text.customer.metrics}><SmallMultiples of={{ customer: id }} period={period} /></Section>
        </>
      )}
      <div class="pair">
        {hasUsage && (
          <>
            <Section title={text.customer.week}><WeekMap customer={id} until={period.to} /></Section>
            <Section title={text.customer.baselines}><BaselineTable customer={id} /></Section>
          </>
        )}
        <EntityLinks customer={id} />
        {rights.admin && !rights.customer && (
          <Section title={text.customer.policy}>
            <PolicySummary customer={id} />
            <a href={`#/settings/${pathId(id)}`}>{text.customer.change}</a>
          </Section>
        )}
      </div>
    </article>
  );
}
