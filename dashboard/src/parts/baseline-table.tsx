import { dataOf } from '../api/failure';
import { pathId } from '../api/ids';
import { usePage } from '../lib/context';
import { number, quantity } from '../lib/format';
import { useLoad } from '../lib/load';
import { text } from '../texts';
import { Show } from './loaded';

export function BaselineTable({ customer }: { customer: string }) {
  const { client } = usePage();
  const loaded = useLoad(
    (signal) =>
      dataOf(client.GET('/v1/customers/{customer_id}/baselines', { params: { path: { customer_id: pathId(customer) } }, signal })),
    [customer],
  );
  return (
    <Show of={loaded}>
      {({ baselines }) => (
        <>
          <p class="quiet">{text.customer.baselinesHint}</p>
          <div class="scroll" tabIndex={0} role="region" aria-label={text.customer.baselines}>
            <table class="small">
              <thead>
                <tr>
                  <th scope="col">{text.list.metric}</th>
                  {[text.customer.mean, text.customer.spread, 'p50', 'p95', 'p99', text.customer.samples].map((head) => (
                    <th key={head} scope="col" class="number">{head}</th>
                  ))}
                </tr>
              </thead>
              <tbody>
                {baselines.map((one) => (
                  <tr key={one.metric}>
                    <td>{one.metric}</td>
                    {[one.mean, one.stddev, one.p50, one.p95, one.p99].map((value, index) => (
                      <td key={index} class="number">{quantity(value, one.unit)}</td>
                    ))}
                    <td class="number">{number(one.sample_count)}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        </>
      )}
    </Show>
  );
}
