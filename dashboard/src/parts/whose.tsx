import { entityPath, pathId } from '../api/ids';
import { ALL_CUSTOMERS } from '../lib/incident-data';
import { USAGE } from '../lib/sources';
import { text } from '../texts';

interface Props {
  customer: string;
  source?: string | null;
  entity?: readonly string[] | null;
}

/** Links to the customer and the entity. All customers together have no page. */
export function WhoseLinks({ customer, source, entity }: Props) {
  if (customer === ALL_CUSTOMERS) return <p>{text.customer.all}</p>;
  return (
    <p class="whose">
      <a href={`#/customers/${pathId(customer)}`}>{text.customer.title(customer)}</a>
      {source && source !== USAGE && entity && entity.length > 0 && (
        <>
          {' · '}
          <a href={entityAddress(source, entity, customer)}>{entity.join(' / ')}</a>
        </>
      )}
    </p>
  );
}

export function entityAddress(source: string, names: readonly string[], customer: string): string {
  return `#/sources/${pathId(source)}/entities/${pathId(entityPath(names))}?customer_id=${encodeURIComponent(customer)}`;
}
