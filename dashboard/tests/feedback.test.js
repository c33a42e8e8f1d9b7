// Feedback that the next run obeys, seen on the page. Two customers have the same usage; feedback is given on one.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { closeBrowser, go, openList, shows, signedIn } from './support/dashboard.js';
import { HOUR, api, freshCustomer, incidentsOf, insertUsage, judge, lastFullHour } from './support/usage.js';

let page;
before(async () => {
  ({ page } = await signedIn('operator'));
});
after(closeBrowser);

/** Opens the newest incident of a customer, or an older one. */
async function openIncident(customer, number = 0) {
  const all = await openList(page, `#/incidents?customer_id=${customer}`);
  await all.nth(number).locator('a.row-link').click();
  await page.locator('.whose a', { hasText: customer }).waitFor();
}

async function say(kind) {
  await page.getByRole('button', { name: 'Give feedback' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByRole('radio', { name: kind }).check();
  await dialog.getByRole('button', { name: 'Give feedback' }).click();
  await page.getByText(/^Thank you\./).waitFor();
}

/** Starts a run by the page, for all customers and the last full hour. */
async function startRun() {
  await go(page, '#/runs');
  await page.getByLabel('Dry run: write and publish nothing').uncheck();
  await page.getByRole('button', { name: 'Start', exact: true }).click();
  const own = page.locator('section', { has: page.getByRole('heading', { name: 'Start a run' }) });
  await own.getByText('completed', { exact: true }).waitFor({ timeout: 60_000 });
}

test('two false alarms raise the threshold in the run that is started next, and the page says by whose feedback', async () => {
  const judged = await freshCustomer('judged');
  const twin = judged.replace('judged', 'twin');
  const end = lastFullHour();
  for (const customer of [judged, twin]) await insertUsage(customer, { end, risen: [20, 9, 0] });
  // Three runs after each rise find usage back. So each rise is an incident of its own.
  for (const ago of [20, 19, 18, 17, 9, 8, 7, 6]) await judge([judged, twin], end - ago * HOUR);
  assert.deepEqual((await incidentsOf(judged)).map(({ state }) => state), ['resolved', 'resolved']);
  for (const number of [0, 1]) {
    await openIncident(judged, number);
    await say('a false alarm');
    await page.locator('ol.timeline').getByText('Called a false alarm').waitFor();
  }

  await startRun();
  await openIncident(judged);
  await shows(page.locator('p.sentence'), /threshold was raised from [\d.]+ to [\d.]+ by feedback of \d{4}-\d\d-\d\d/);
  await openIncident(twin);
  assert.doesNotMatch(await page.locator('p.sentence').innerText(), /threshold was raised/, 'without feedback nothing is raised');
});

test('what is called the new normal is accepted, and stays so in the run that is started next', async () => {
  const judged = await freshCustomer('normal');
  const twin = judged.replace('normal', 'odd');
  const end = lastFullHour();
  for (const customer of [judged, twin]) await insertUsage(customer, { end, risen: [0, 1, 2, 3] });
  for (const ago of [2, 1]) await judge([judged, twin], end - ago * HOUR);
  await openIncident(judged);
  await say('the new normal');
  await page.locator('.heading').getByText('Accepted as normal').waitFor();

  await startRun();
  const stateOf = async (customer) => {
    await openIncident(customer);
    return [await page.locator('.heading .state').innerText(), await page.locator('dl.facts', { hasText: 'Anomalies' }).first().innerText()];
  };
  const [[own, figures], [others]] = [await stateOf(judged), await stateOf(twin)];
  assert.match(own, /Accepted as normal/);
  assert.match(others, /Open/);
  assert.match(figures, /Anomalies\s+3/, 'the run judged the hour, and the incident stays accepted');
});

test('the overview says how often people confirm what was found, by metric and by detector', async () => {
  const right = await freshCustomer('right');
  const wrong = right.replace('right', 'wrong');
  for (const customer of [right, wrong]) await insertUsage(customer);
  await judge([right, wrong]);
  const before = (await api('GET', 'status')).precision;
  for (const [customer, kind] of [[right, 'a real anomaly'], [wrong, 'a false alarm']]) {
    await openIncident(customer);
    await say(kind);
  }

  const figuresOf = ({ confirmed, false_alarms: alarms }) => ({ confirmed, alarms });
  const of = (rows, name) => figuresOf(rows.find((row) => row.name === name) ?? { confirmed: 0, false_alarms: 0 });
  const after = (await api('GET', 'status')).precision;
  const known = of(before.by_metric, 'compute_time');
  assert.deepEqual(of(after.by_metric, 'compute_time'), { confirmed: known.confirmed + 1, alarms: known.alarms + 1 });

  await go(page, '#/overview');
  const part = page.locator('section', { has: page.getByRole('heading', { name: 'What people confirm' }) });
  await part.waitFor();
  const tables = await part.locator('table').evaluateAll((all) => all.map((table) => [...table.rows].map((row) => [...row.cells].map((cell) => cell.innerText))));
  assert.deepEqual(tables.map(([head]) => head), ['Metric', 'Detector'].map((name) => [name, 'Precision', 'Confirmed', 'False alarms']));
  const expected = [after.by_metric, after.by_detector].map((rows) =>
    rows.map(({ name, confirmed, false_alarms: alarms }) => [name, `${Number(((100 * confirmed) / (confirmed + alarms)).toPrecision(3))} %`, String(confirmed), String(alarms)]));
  assert.deepEqual(tables.map(([, ...rows]) => rows), expected);
  const sum = (rows) => rows.reduce((all, row) => all + row.confirmed + row.false_alarms, 0);
  assert.equal(sum(after.by_detector), sum(before.by_detector) + 2, 'each feedback counts for one detector');
});
