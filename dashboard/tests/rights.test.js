import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { closeBrowser, go, rows, signedIn } from './support/dashboard.js';

after(closeBrowser);

const ACTIONS = /^(Acknowledge|Resolve|Reopen|Add note|Mute|Save the policy|Start)$/;
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
  assert.ok(await page.getByLabel(/^Sensitivity \(/).isDisabled());
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
