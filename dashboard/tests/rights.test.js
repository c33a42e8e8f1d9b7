import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { address, closeBrowser, go, rows, signedIn } from './support/dashboard.js';

after(closeBrowser);

const ACTIONS = /^(Acknowledge|Resolve|Reopen|Add note|Mute|Save the policy|Start)$/;
// Controls that change nothing: they look, filter, order, load, export or choose what is shown.
const LOOKING = /^(Refresh|Try again|Keys|Export as CSV|Load (more|all)|Stop|Clear filters|Show|Sort by|24 hours|\d+ days|\d weeks? earlier|(Severity|State|Direction|Source|Metric|Type|Customer|Entity|Period|Text|From|To|Days)\b|Policy of one customer|z-score|Anomalies|Cost a month|Opened|Last window|Detected|Value|Usual|Show what would have paged)/;
const views = (page) => page.getByRole('navigation').getByRole('link').allInnerTexts();

test('a reader sees every view and is offered no change', async () => {
  const { page } = await signedIn('reader');
  assert.deepEqual(await views(page), ['Overview', 'Incidents', 'Anomalies', 'Runs', 'Settings']);
  await rows(page);
  assert.equal(await page.locator('table.records input[type=checkbox]').count(), 0);
  await page.keyboard.press('j');
  await page.keyboard.press('a');
  assert.equal(await page.getByRole('dialog').count(), 0);
  await page.keyboard.press('Enter');
  await page.locator('p.sentence').waitFor();
  assert.equal(await page.getByRole('button', { name: ACTIONS }).count(), 0);
  await go(page, '#/runs');
  await page.getByRole('heading', { name: 'Last run' }).waitFor();
  assert.equal(await page.getByRole('button', { name: ACTIONS }).count(), 0);
  await go(page, '#/settings');
  await page.getByText('Your account may not change policies.').waitFor();
  assert.equal(await page.getByRole('button', { name: ACTIONS }).count(), 0);
  assert.ok(await page.getByLabel('Sensitivity', { exact: true }).isDisabled());
});

test('a reader is offered no control of change in any view: what is there looks, filters, exports or leaves', async () => {
  const { page } = await signedIn('reader');
  const incident = await (await rows(page)).locator('a.row-link').filter({ hasNotText: /^\*$/ }).first().getAttribute('href');
  await go(page, '#/anomalies');
  const anomaly = await (await rows(page)).locator('a.row-link').filter({ hasNotText: /^\*$/ }).first().getAttribute('href');
  const seen = [];
  for (const view of ['#/overview', '#/incidents', incident, '#/anomalies', anomaly, '#/customers/cust_0001',
    '#/sources/executions/entities/payments?customer_id=globex', '#/runs', '#/settings', '#/settings/cust_0001']) {
    await go(page, view);
    await page.locator('main h1').first().waitFor();
    await page.waitForLoadState('networkidle');
    const controls = page.locator('main').locator('button, [role=button], input, select, textarea');
    for (const control of await controls.all()) {
      const name = await control.evaluate((element) =>
        element.disabled || element.closest('fieldset:disabled') ? '' : (element.getAttribute('aria-label') || element.labels?.[0]?.innerText.trim() || element.textContent.trim() || element.outerHTML));
      if (name && !LOOKING.test(name)) seen.push(`${view}: ${name}`);
    }
  }
  assert.deepEqual(seen, []);
});

test('what the page does not offer to a reader, the API does not take from a reader', async () => {
  const { page, context } = await signedIn('reader');
  await rows(page);
  const asked = page.waitForRequest((request) => request.url().includes('/v1/incidents?'));
  await page.getByLabel('Severity').selectOption('critical');
  const { authorization } = (await asked).headers();
  const id = await (await rows(page)).first().getAttribute('data-id');
  const path = /^[A-Za-z0-9_][A-Za-z0-9_.-]*$/.test(id) ? id : `~${Buffer.from(id).toString('base64url')}`;
  for (const [action, body] of [
    ['acknowledge', {}], ['resolve', {}], ['reopen', {}], ['feedback', { kind: 'confirmed' }],
  ]) {
    const answer = await context.request.post(new URL(`v1/incidents/${path}/${action}`, address()).href, { headers: { authorization }, data: body });
    assert.equal(answer.status(), 403, action);
  }
});

test('a token bound to a customer sees the pages of that customer alone', async () => {
  const { page } = await signedIn('customer', '');
  assert.deepEqual(await views(page), ['My usage', 'Incidents', 'Anomalies']);
  const own = (await page.getByRole('heading', { level: 1 }).innerText()).replace('Customer ', '');
  await go(page, '#/incidents');
  await page.locator('table.records tbody tr, .notice').first().waitFor();
  const customers = await page.locator('td[data-label=Customer]').allInnerTexts();
  assert.ok(customers.every((customer) => customer === own), customers.join());
  for (const view of ['#/runs', '#/settings', '#/settings/x']) {
    await go(page, view);
    await page.getByText('Your account does not show this view.').waitFor();
  }
  await go(page, '#/customers/another-customer');
  await page.getByRole('alert').first().waitFor();
});
