import { useState } from 'preact/hooks';
import { usePage } from '../lib/context';
import { dataOf } from '../api/failure';
import { pathId } from '../api/ids';
import type { Client } from '../api/client';
import { DAY, ms, quantity } from '../lib/format';
import { useLoad } from '../lib/load';
import { weekOf } from '../lib/series';
import { USAGE, useSources } from '../lib/sources';
import { text } from '../texts';
import { Show } from './loaded';

const DAYS = 28;
const SHADES = 8;
const HOURS = Array.from({ length: 24 }, (_, hour) => hour);

/** The 168 hours of the week as a heat map of one metric: darker is more. */
export function WeekMap({ customer, until }: { customer: string; until: number }) {
  const { client } = usePage();
  const [chosen, setChosen] = useState<string>();
  const metrics = useSources().find(({ name }) => name === USAGE)?.metrics ?? [];
  const metric = metrics.find((one) => one.metric === chosen) ?? metrics[0];
  const loaded = useLoad(
    async (signal) => metric && loadValues(client, customer, metric.metric, until, signal),
    [customer, metric?.metric, until],
  );
  if (!metric) return null;
  return (
    <>
      <label class="field">
        {text.list.metric}
        <select value={metric.metric} onChange={(event) => setChosen(event.currentTarget.value)}>
          {metrics.map((one) => <option key={one.metric}>{one.metric}</option>)}
        </select>
      </label>
      <p class="quiet">{text.customer.weekHint}</p>
      <Show of={loaded}>{(found) => found && <Heat week={weekOf(found)} unit={metric.unit} />}</Show>
    </>
  );
}

async function loadValues(client: Client, customer: string, metric: string, until: number, signal: AbortSignal) {
  const query = { metric, interval: 'hour', from: String(until - DAYS * DAY), to: String(until) };
  const path = { customer_id: pathId(customer) };
  const { points } = await dataOf(client.GET('/v1/customers/{customer_id}/usage', { params: { path, query }, signal }));
  return { starts: points.map(({ start }) => ms(start)), values: points.map(({ value }) => value) };
}

function Heat({ week, unit }: { week: (number | null)[][]; unit: string }) {
  const most = Math.max(0, ...week.flat().filter((value) => value !== null));
  const shade = (value: number | null) => (value === null ? 'none' : most === 0 ? 0 : Math.min(SHADES - 1, Math.floor((value / most) * SHADES)));
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label={text.customer.week}>
      <table class="heat">
        <thead>
          <tr>
            <th scope="col"><span class="sr">{text.customer.hour}</span></th>
            {HOURS.map((hour) => <th key={hour} scope="col">{hour}</th>)}
          </tr>
        </thead>
        <tbody>
          {week.map((day, index) => (
            <tr key={index}>
              <th scope="row">{text.customer.weekdays[index]}</th>
              {day.map((value, hour) => (
                <td key={hour} class={`heat-${shade(value)}`} title={`${text.customer.weekdays[index]} ${hour}:00 · ${quantity(value, unit)}`}>
                  <span class="sr">{quantity(value, unit)}</span>
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
