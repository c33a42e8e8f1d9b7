// Customers of single tests: usage in ClickHouse, and runs of the detector by the API.
import assert from 'node:assert/strict';
import { address, setting } from './dashboard.js';

export const HOUR = 3_600_000;
const DAYS = 35;
// Usual compute time of an hour, in milliseconds.
const USUAL_MS = 300_000;

/** The end of the last full hour, in milliseconds. */
export const lastFullHour = () => Math.floor(Date.now() / HOUR) * HOUR;

/** Asks the API as a program with all rights. */
export async function api(method, route, body, headers = {}) {
  const ask = () => fetch(new URL(`v1/${route}`, address()), {
    method,
    headers: { authorization: `Bearer ${setting('API_TOKEN_ADMIN')}`, ...(body && { 'content-type': 'application/json' }), ...headers },
    body: body && JSON.stringify(body),
  });
  let response = await ask();
  // A busy machine: the API says when to try again.
  if (response.status === 503) {
    await new Promise((done) => setTimeout(done, 1000 * Number(response.headers.get('retry-after') ?? 1)));
    response = await ask();
  }
  const text = await response.text();
  assert.ok(response.ok, `${method} ${route}: ${response.status} ${text}`);
  return JSON.parse(text);
}

/** Replaces the policy of a customer, whatever stands in it. */
export async function setPolicy(customer, policy) {
  const route = `config/customers/${customer}`;
  const { version } = await api('GET', route);
  return api('PUT', route, policy, { 'if-match': `"${version}"` });
}

/** The name of a customer that has no incident yet: of `paged-1`, `paged-2` and on, whose alerts go to the receiver. */
export async function freshCustomer(prefix = 'paged') {
  for (let number = 1; number <= 24; number += 1) {
    const customer = `${prefix}-${number}`;
    if ((await api('GET', `incidents?customer_id=${customer}&limit=1`)).incidents.length === 0) return customer;
  }
  return assert.fail(`All customers ${prefix}-… have incidents. Start with a fresh stack: make down, make purge`);
}

/** Five weeks of compute time up to `end`: steady, and twentyfold in the hours that are so many hours before the last one. */
export async function insertUsage(customer, { end = lastFullHour(), risen = [0] } = {}) {
  await clickhouse(`
    INSERT INTO events (transaction_id, customer_id, event_type, timestamp, properties)
    SELECT concat('${customer}-', toString(number)), '${customer}', 'compute',
      fromUnixTimestamp64Milli(toInt64(${end} - (number + 1) * ${HOUR} + 1800000)),
      concat('{"cpu_ms":', toString(toUInt64(${USUAL_MS} * (0.95 + 0.1 * (cityHash64(number) % 1000) / 1000) * if(number IN (${risen.join()}), 20, 1))), '}')
    FROM numbers(${DAYS * 24})`);
}

/** So many customers, `risen_0001` and on, each with five weeks of compute time that rose twentyfold in the last hour. */
export async function insertRisen(count, end = lastFullHour()) {
  await clickhouse(`
    INSERT INTO events (transaction_id, customer_id, event_type, timestamp, properties)
    WITH intDiv(number, ${DAYS * 24}) + 1 AS customer, number % ${DAYS * 24} AS ago
    SELECT concat('risen-', toString(number)), concat('risen_', leftPad(toString(customer), 4, '0')), 'compute',
      fromUnixTimestamp64Milli(toInt64(${end} - (ago + 1) * ${HOUR} + 1800000)),
      concat('{"cpu_ms":', toString(toUInt64(${USUAL_MS} * (0.95 + 0.1 * (cityHash64(number) % 1000) / 1000) * if(ago = 0, 20, 1))), '}')
    FROM numbers(${count * DAYS * 24})`);
}

/** Runs the detector for customers, or for all, for the window that ends at `time`. */
export async function judge(customers, time = lastFullHour()) {
  const first = await api('POST', 'detections', { ...(customers && { customer_ids: customers }), time });
  for (let attempt = 0; attempt < 120; attempt += 1) {
    const work = await api('GET', `detections/${first.detection_id}`);
    if (work.status === 'completed') return work.summary;
    assert.ok(!['failed', 'lost'].includes(work.status), JSON.stringify(work));
    await new Promise((done) => setTimeout(done, 500));
  }
  return assert.fail('the run did not end within a minute');
}

export const incidentsOf = async (customer) => (await api('GET', `incidents?customer_id=${customer}&limit=100`)).incidents;

async function clickhouse(sql) {
  const headers = process.env.CLICKHOUSE_USER ? { 'X-ClickHouse-User': process.env.CLICKHOUSE_USER, 'X-ClickHouse-Key': process.env.CLICKHOUSE_PASSWORD ?? '' } : {};
  const response = await fetch(`${setting('CLICKHOUSE_URL')}/?database=${setting('CLICKHOUSE_DATABASE')}`, { method: 'POST', body: sql, headers });
  assert.ok(response.ok, await response.text());
}
