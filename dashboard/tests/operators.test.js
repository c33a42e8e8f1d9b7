// What operators look at: counts, trends by source, lists that the API searches and orders, channels, versions and runs.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { closeBrowser, go, openList, rows, shows, signedIn } from './support/dashboard.js';
import { api, freshCustomer, incidentsOf, insertUsage, judge, setPolicy } from './support/usage.js';

let page;
let complaints;
before(async () => {
  ({ page, complaints } = await signedIn('operator', '#/overview'));
});
after(closeBrowser);

const section = (name) => page.locator('section', { has: page.getByRole('heading', { name, exact: true }) });
const cells = (name) => page.locator(`table.records td[data-label="${name}"]`).allInnerTexts();
const numberOf = (text) => Number(text.replace(/\D/g, ''));

test('the tiles of the overview are the counts of the API, of all incidents', async () => {
  const { by_state } = await api('GET', 'incidents/counts');
  await page.locator('ul.tiles li').first().waitFor();
  const shown = (await page.locator('ul.tiles strong').allInnerTexts()).map(numberOf);
  const of = (state) => by_state[state] ?? { critical: 0, warning: 0 };
  assert.deepEqual(shown, [of('open').critical, of('open').warning, of('acknowledged').critical + of('acknowledged').warning]);
  assert.ok(shown[0] > 0);
});

test('trends are of all sources, and of one that is chosen', async () => {
  const { by_source } = await api('GET', 'anomalies/trends?from=now-30d&top=10');
  assert.deepEqual(Object.keys(by_source).sort(), ['execution_nodes', 'executions', 'usage']);
  for (const [name, count] of Object.entries(by_source)) {
    assert.equal(numberOf(await section('By source').locator('li', { has: page.getByRole('link', { name, exact: true }) }).locator('.number').innerText()), count, name);
  }
  await page.getByRole('combobox', { name: 'Source' }).selectOption('executions');
  await page.getByText(`${by_source.executions} anomal`).waitFor();
  assert.match(page.url(), /source=executions/);
  assert.equal(await section('By source').count(), 0);
  await section('By severity').getByRole('link').first().click();
  await rows(page);
  assert.match(page.url(), /#\/anomalies\?from=now-30d&source=executions&severity=/);
});

test('the API searches the list for a text, also in what is not loaded', async () => {
  await openList(page, '#/anomalies');
  const { anomalies } = await api('GET', 'anomalies?source=usage&limit=100&to=now-10h');
  const { anomaly_id, description } = anomalies.at(-1);
  assert.equal(await page.locator(`tr[data-id="${anomaly_id}"]`).count(), 0, 'the anomaly is not among the first hundred');
  await page.getByLabel('Text').fill(description.toUpperCase());
  await page.locator(`tr[data-id="${anomaly_id}"]`).waitFor();
  assert.ok((await page.locator('table.records tbody tr').count()) < 100);
  assert.equal(new URLSearchParams(page.url().split('?')[1]).get('text'), description.toUpperCase());
});

test('incidents are filtered by type and ordered by the API', async () => {
  await openList(page, '#/incidents');
  await page.getByRole('combobox', { name: 'Type', exact: true }).selectOption('new_error_type');
  await page.waitForFunction(() => {
    const metrics = [...document.querySelectorAll('td[data-label="Metric"]')];
    return metrics.length > 0 && metrics.every((cell) => cell.textContent.startsWith('execution_new_error'));
  });
  await openList(page, '#/incidents');
  const asked = page.waitForRequest((request) => request.url().includes('sort=anomalies'));
  await page.getByRole('button', { name: 'Anomalies', exact: true }).click();
  await asked;
  await rows(page);
  const { incidents } = await api('GET', 'incidents?sort=anomalies&limit=100');
  await page.waitForFunction((first) => document.querySelector('table.records tbody tr')?.dataset.id === first, incidents[0].incident_id);
  const shown = (await cells('Anomalies')).map(numberOf);
  assert.deepEqual(shown, incidents.map(({ anomalies }) => anomalies));
});

test('the list has the cost of each incident, and the API puts the most expensive first', async () => {
  const dear = await freshCustomer('dear');
  const cheap = dear.replace('dear', 'cheap');
  const prices = { [dear]: 0.001, [cheap]: 0.00001 };
  for (const [customer, price] of Object.entries(prices)) {
    await insertUsage(customer);
    await setPolicy(customer, { metrics: { compute_time: { price } } });
  }
  await judge(Object.keys(prices));
  const costs = {};
  for (const [customer, price] of Object.entries(prices)) {
    const [{ cost, latest }] = await incidentsOf(customer);
    // The window that spoke is one hour. What the model expects is close to the mean of the earlier windows.
    const amount = (latest.current_value - latest.baseline_mean) * price * 730;
    assert.ok(amount > 1000 && Math.abs(cost.a_month / amount - 1) < 0.01, `${customer}: ${cost.a_month}, not ${amount}`);
    costs[customer] = `${Math.round(cost.a_month).toLocaleString('en')} USD`;
  }

  await openList(page, '#/incidents');
  const asked = page.waitForRequest((request) => request.url().includes('sort=cost'));
  await page.getByRole('button', { name: 'Cost a month', exact: true }).click();
  await asked;
  const { incidents } = await api('GET', 'incidents?sort=cost&limit=100');
  await page.waitForFunction((ids) => ids.every((id, at) => document.querySelectorAll('table.records tbody tr')[at]?.dataset.id === id), incidents.map(({ incident_id }) => incident_id));
  const customers = await cells('Customer');
  const shown = (await cells('Cost a month')).map((cell) => cell.replace(/\s+/g, ' '));
  for (const customer of [dear, cheap]) assert.equal(shown[customers.indexOf(customer)], costs[customer], customer);
  assert.ok(customers.indexOf(dear) < customers.indexOf(cheap), 'the dear one is first');
  const amounts = shown.map((cell) => (cell === '–' ? 0 : Math.abs(Number(cell.replace(/[^\d.-]/g, '')))));
  assert.deepEqual(amounts, [...amounts].sort((a, b) => b - a), 'the largest cost is first, and rows without one are last');
  assert.equal(shown.at(-1), '–');
  const [width, needed] = await page.locator('.scroll', { has: page.locator('table.records') }).evaluate((box) => [box.clientWidth, box.scrollWidth]);
  assert.ok(needed <= width, `with costs the list needs ${needed} px and has ${width}`);
  for (const customer of Object.keys(prices)) await setPolicy(customer, {});
});

test('settings show the channels with their state and routes, and nothing secret', async () => {
  await go(page, '#/settings');
  const part = section('Channels');
  await part.getByRole('row', { name: /^slack slack sends/ }).waitFor();
  await shows(part.locator('ul.lines'), /all severities\s+all metrics\s+paged-1, paged-2, paged-3 and 21 more\s+to slack/);
  assert.doesNotMatch(await page.locator('main').innerText(), /127\.0\.0\.1|services\/|secret:/);
});

test('a version of the policy has its author, its time and its content', async () => {
  await go(page, '#/settings/cust_0042');
  await page.getByLabel('Time zone').fill('Europe/Berlin');
  await page.getByRole('button', { name: 'Save the policy' }).click();
  const said = await page.getByText(/^Saved as version/).innerText();
  const line = section('Versions').locator('li').first();
  await line.getByText(`Version ${numberOf(said)}`).waitFor();
  await shows(line, /changed by operator/);
  await line.locator('time').waitFor();
  await line.getByText('The policy').click();
  await line.getByText('"time_zone": "Europe/Berlin"').waitFor();
  await page.getByLabel('Time zone').fill('');
  await page.getByRole('button', { name: 'Save the policy' }).click();
  await section('Versions').locator('li').nth(1).waitFor();
  await page.getByText(`Saved as version ${numberOf(said) + 1}.`).waitFor();
});

test('the policy of one customer is previewed for that customer', async () => {
  await go(page, '#/settings/cust_0002');
  // No change of any metric matters, so whatever paged pages no more.
  for (const metric of ['api_calls', 'bandwidth', 'storage_peak', 'compute_time']) {
    await page.getByLabel(`${metric}: Least change`, { exact: true }).fill('1000000000000000');
  }
  await page.getByLabel('Days').selectOption('7');
  const answered = page.waitForResponse((response) => response.url().endsWith('/v1/backtests') && response.request().method() === 'POST');
  await page.getByRole('button', { name: 'Show what would have paged' }).click();
  assert.deepEqual((await (await answered).json()).customer_ids, ['cust_0002']);
  const result = page.locator('.preview');
  await result.waitFor({ timeout: 150_000 });
  const [, gone] = (await result.innerText()).match(/(\d+) gone/);
  assert.ok(Number(gone) > 0, 'a deaf policy of the customer loses pages');
  const customers = await result.locator('ul.lines a').allInnerTexts();
  assert.ok(customers.every((customer) => customer === 'cust_0002'), customers.join());
});

test('runs are listed with what they took and what they could not judge, by source', async () => {
  await go(page, '#/runs');
  const list = section('Runs of the last 7 days');
  await list.locator('tbody tr').first().waitFor();
  const { runs } = await api('GET', 'runs?limit=20');
  assert.equal(await list.locator('tbody tr').count(), runs.length);
  const first = await list.locator('tbody tr').first().innerText();
  assert.match(first, /completed/);
  assert.match(first, /\d (ms|s)\b/);
  assert.ok((await list.locator('tbody').innerText()).includes('no data'), 'series that could not be judged, by reason');
  await list.locator('summary').first().click();
  await list.getByText('Anomalies found').first().waitFor();
  await list.getByRole('combobox', { name: 'Source' }).selectOption('executions');
  await page.waitForFunction(() => {
    const sources = [...document.querySelectorAll('table.runs tbody tr td:nth-child(2)')];
    return sources.length > 0 && sources.every((cell) => cell.textContent === 'executions');
  });
});

test('the freshness of each source, the reach of ClickHouse and the version of the program are shown', async () => {
  await go(page, '#/runs');
  const part = section('Freshness of the data');
  for (const source of ['usage', 'executions', 'execution_nodes']) {
    await shows(part.getByRole('row', { name: new RegExp(`^${source} answers`) }), /answers\s+(\d+ (min|h)|just now).*\s+[\d.]+ (s|min|h|days) ago/);
  }
  const { version } = await api('GET', 'status');
  await shows(section('Health'), new RegExp(`Version\\s+${version.replaceAll('.', '\\.')}`));
  assert.deepEqual(complaints, []);
});
