import { dataOf } from '../api/failure';
import { usePage } from '../lib/context';
import { useLoad } from '../lib/load';
import { useSources } from '../lib/sources';
import { text } from '../texts';
import { Section } from './section';
import { Time } from './time';
import { entityAddress } from './whose';

/** The entities of a customer in each source that has some. A source without any is left out. */
export function EntityLinks({ customer }: { customer: string }) {
  const { client } = usePage();
  const sources = useSources().filter(({ entity }) => entity.length > 0).map(({ name }) => name);
  const { value } = useLoad(
    (signal) =>
      Promise.all(
        sources.map((source) =>
          dataOf(client.GET('/v1/sources/{source}/entities', { params: { path: { source }, query: { customer_id: customer, limit: 50 } }, signal })),
        ),
      ),
    [customer, sources.join()],
  );
  const lists = (value ?? []).filter(({ entities }) => entities.length > 0);
  if (lists.length === 0) return null;
  return (
    <Section title={text.customer.entities}>
      {lists.map(({ source, entities }) => (
        <div key={source}>
          <h3>{source}</h3>
          <ul class="lines">
            {entities.map((entity) => (
              <li key={entity.path}>
                <a href={entityAddress(source, entity.entity_path, customer)}>{entity.entity}</a>
                <span class="quiet"><Time at={entity.last_seen} relative /></span>
              </li>
            ))}
          </ul>
        </div>
      ))}
    </Section>
  );
}
