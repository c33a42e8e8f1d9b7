// Incidents of budgets. The run of the newest hour, which judges budgets, was made before the tests (tools/checks/browser_data.py).
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { axeFaults, closeBrowser, openList, shows, signedIn } from './support/dashboard.js';
import { api, HOUR, incidentsOf } from './support/usage.js';

const BUDGETED = 'budgeted';
const CALLS_PER_HOUR = 40;

let page;
let complaints;
before(async () => {
  ({ page, complaints } = await signedIn('operator'));
});
after(closeBrowser);

const written = (calls) => `${new Intl.NumberFormat('en', calls >= 1000 ? { maximumFractionDigits: 0 } : { maximumSignificantDigits: 3 }).format(calls)} calls`;

/** The incident of a share of the budget. */
const incidentOf = async (mark) => (await incidentsOf(BUDGETED)).find(({ entity_path }) => entity_path?.[2] === mark);

async function openIncident(mark) {
  const { incident_id } = await incidentOf(mark);
  const all = await openList(page, `#/incidents?customer_id=${BUDGETED}&type=budget_share`);
  assert.equal(await all.count(), 2, 'one incident for each share that is reached');
  await page.locator(`tr[data-id="${incident_id}"] a.row-link`).click();
  await page.getByRole('heading', { name: 'api_calls budget', level: 1 }).waitFor();
}

test('the incident of a budget says what is used of it, in words, figures and a chart of the month', async () => {
  const { quota } = (await api('GET', `config/customers/${BUDGETED}`)).config.budgets.api_calls;
  const incident = await incidentOf('80 %');
  const end = new Date(incident.opened_at);
  const last = new Date(end - HOUR);
  const first = Date.UTC(last.getUTCFullYear(), last.getUTCMonth(), 1);
  const used = CALLS_PER_HOUR * ((end - first) / HOUR);
  const month = last.toISOString().slice(0, 7);

  await openIncident('80 %');
  assert.equal(
    await page.locator('p.sentence').innerText(),
    `api_calls: ${Math.floor((100 * used) / quota)} % of the budget of ${month} is used: ${written(used)} of ${written(quota)}`,
  );
  await shows(page.locator('.heading'), /Warning/);
  const facts = await page.locator('dl.facts').first().innerText();
  for (const [name, value] of [['Month', month], ['Used when people were told', written(used)], ['80 % of the quota', written(0.8 * quota)]]) {
    assert.match(facts, new RegExp(`${name}\\s+${value}(\\s|$)`));
  }
  assert.doesNotMatch(facts, /z-score|Usual/);
  await page.getByRole('listitem').getByText('Raise the quota in the policy').waitFor();

  await page.locator('.chart canvas').first().waitFor();
  assert.deepEqual(await axeFaults(page), []);
  await page.getByText('Figures as a table').first().click();
  const table = page.getByRole('region', { name: 'api_calls in the month so far: Figures as a table' });
  const lines = table.locator('tbody tr');
  await lines.first().waitFor();
  assert.deepEqual(await table.locator('thead th').allInnerTexts(), ['Hour', 'value', '80 % of the quota']);
  // The newest hour is first. An hour may have passed since the run, in which the customer used nothing.
  assert.deepEqual((await lines.first().locator('td').allInnerTexts()).slice(1), [written(used), written(0.8 * quota)]);
  assert.deepEqual((await lines.last().locator('td').allInnerTexts()).slice(1), [`${CALLS_PER_HOUR} calls`, written(0.8 * quota)]);
  await page.getByRole('link', { name: 'Budgets of this customer' }).click();
  await page.getByLabel('api_calls: Amount').waitFor();
  assert.equal(await page.getByLabel('api_calls: Amount').inputValue(), String(quota));
});

test('the incident of a budget takes the actions, and no mute, which would hold nothing back', async () => {
  await openIncident('50 %');
  const dialog = page.getByRole('dialog');
  const note = `a new contract ${Date.now()}`;
  assert.equal(await page.getByRole('button', { name: 'Mute' }).count(), 0);
  await page.getByRole('button', { name: 'Acknowledge', exact: true }).click();
  await dialog.getByLabel(/^Note/).fill(note);
  await dialog.getByRole('button', { name: 'Acknowledge' }).click();
  await page.locator('ol.timeline').getByText(note).first().waitFor();
  await page.locator('.heading').getByText('Acknowledged').waitFor();
  assert.equal((await incidentOf('50 %')).state, 'acknowledged');
  await page.getByRole('button', { name: 'Resolve', exact: true }).click();
  await dialog.getByRole('button', { name: 'Resolve' }).click();
  await page.locator('.heading').getByText('Resolved').waitFor();
  assert.equal((await incidentOf('50 %')).state, 'resolved');
  assert.equal((await incidentOf('80 %')).state, 'open', 'the incident of the other share stays');
  await page.getByRole('button', { name: 'Reopen', exact: true }).click();
  await dialog.getByRole('button', { name: 'Reopen' }).click();
  await page.locator('.heading').getByText('Open').waitFor();

  await page.locator('section', { has: page.getByRole('heading', { name: 'Its anomalies' }) }).locator('a').first().click();
  await page.getByRole('heading', { name: 'api_calls budget share', level: 1 }).waitFor();
  await page.locator('.chart canvas').first().waitFor();
  await shows(page.locator('dl.facts').first(), /50 % of the quota/);
  assert.deepEqual(complaints, []);
});
