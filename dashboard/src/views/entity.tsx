import { useMemo } from 'preact/hooks';
import type { Schemas } from '../api/client';
import { dataOf } from '../api/failure';
import { entityNames, entityPath, pathId } from '../api/ids';
import { usePage } from '../lib/context';
import { DAY, HOUR, number, quantity } from '../lib/format';
import { useQuery } from '../lib/hash';
import { useLoad } from '../lib/load';
import { Facts } from '../parts/facts';
import { Heading } from '../parts/heading';
import { IncidentLines } from '../parts/incident-lines';
import { Show } from '../parts/loaded';
import { Notice } from '../parts/notice';
import { Section } from '../parts/section';
import { SmallMultiples } from '../parts/small-multiples';
import { text } from '../texts';

export function EntityView({ source, path }: { source: string; path: string }) {
  const { rights } = usePage();
  const [query] = useQuery();
  const customer = rights.customer ?? query.get('customer_id');
  if (!customer) return <Notice title={text.entity.noCustomer} hint={text.entity.noCustomerHint} />;
  return <EntityPage source={source} names={entityNames(path)} customer={customer} />;
}

function EntityPage({ source, names, customer }: { source: string; names: string[]; customer: string }) {
  const { client } = usePage();
  const written = entityPath(names);
  const incidents = useLoad(
    (signal) => dataOf(client.GET('/v1/incidents', { params: { query: { customer_id: customer, source, entity: written, limit: 20 } }, signal })),
    [source, written, customer],
  );
  const usual = useLoad(
    (signal) =>
      dataOf(client.GET('/v1/sources/{source}/entities/{path}/baselines', {
        params: { path: { source, path: pathId(written) }, query: { customer_id: customer } },
        signal,
      })),
    [source, written, customer],
  );
  const period = useMemo(() => {
    const to = Math.floor(Date.now() / HOUR) * HOUR;
    return { from: to - 7 * DAY, to };
  }, [written]);
  return (
    <article>
      <Heading title={names.join(' / ')} />
      <p class="whose">{source} · <a href={`#/customers/${pathId(customer)}`}>{text.customer.title(customer)}</a></p>
      <Section title={text.customer.incidents}>
        <Show of={incidents}>{(found) => <IncidentLines of={found.incidents} empty={text.list.noIncidents} />}</Show>
      </Section>
      <Section title={text.customer.metrics}>
        <SmallMultiples of={{ customer, source, entity: names }} period={period} />
      </Section>
      <div class="pair">
        <Section title={text.entity.usual}><Show of={usual}>{(found) => <Usual of={found} />}</Show></Section>
      </div>
    </article>
  );
}

function Usual({ of }: { of: Schemas['EntityBaselines'] }) {
  return (
    <>
      <Facts
        of={[
          [text.entity.success, of.success_rate === null ? undefined : quantity(of.success_rate, 'ratio')],
          [text.entity.events, number(of.sample_count)],
        ]}
      />
      <div class="scroll" tabIndex={0} role="region" aria-label={text.entity.usual}>
        <table class="small">
          <thead>
            <tr>
              <th scope="col">{text.list.metric}</th>
              {[text.customer.mean, 'p50', 'p95', 'p99'].map((head) => <th key={head} scope="col" class="number">{head}</th>)}
            </tr>
          </thead>
          <tbody>
            {of.baselines.map((one) => (
              <tr key={one.metric}>
                <td>{one.metric}</td>
                {[one.mean, one.p50, one.p95, one.p99].map((value, index) => <td key={index} class="number">{quantity(value, one.unit)}</td>)}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </>
  );
}
