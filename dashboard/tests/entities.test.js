// Workflows and the like: the pages of a source with entities.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { closeBrowser, go, openList, shows, signedIn } from './support/dashboard.js';

let page;
let complaints;
before(async () => {
  ({ page, complaints } = await signedIn('operator', '#/incidents?source=executions'));
});
after(closeBrowser);

const section = (name) => page.locator('section', { has: page.getByRole('heading', { name, exact: true }) });

test('the incident of a workflow leads to the page of the workflow, which has its metrics, usual figures and incidents', async () => {
  await openList(page, '#/incidents?source=executions&metric=execution_error_rate');
  await page.locator('a.row-link').first().click();
  await page.locator('p.sentence').waitFor();
  await page.locator('.whose a', { hasText: 'payments' }).click();
  await page.getByRole('heading', { level: 1, name: 'payments' }).waitFor();
  assert.match(page.url(), /#\/sources\/executions\/entities\/payments\?customer_id=globex$/);

  await section('Incidents').getByText('execution_error_rate').waitFor();
  const charts = section('Metrics of the last 7 days').locator('section.card');
  await charts.first().locator('canvas').waitFor();
  assert.ok((await charts.locator('h3').allInnerTexts()).some((text) => /^execution_duration\s/.test(text)));
  await shows(section('Usual figures'), /Success rate\s+9\d(\.\d)? %/);
  await section('Usual figures').getByRole('row', { name: /^execution_duration/ }).waitFor();
});

test('the page of a customer lists the workflows, and a workflow without an incident has a page, too', async () => {
  await go(page, '#/customers/acme');
  await page.getByRole('heading', { name: 'Workflows and the like' }).waitFor();
  await page.getByRole('link', { name: 'stock-levels', exact: true }).click();
  await page.getByRole('heading', { level: 1, name: 'stock-levels' }).waitFor();
  await section('Incidents').getByText('There are no incidents for these filters.').waitFor();
  await section('Metrics of the last 7 days').locator('canvas').first().waitFor();
});

test('a node has a page below its workflow', async () => {
  await openList(page, '#/incidents?source=execution_nodes');
  await page.locator('a.row-link').first().click();
  await page.locator('p.sentence').waitFor();
  await page.locator('.whose a').nth(1).click();
  await page.getByRole('heading', { level: 1, name: / \/ / }).waitFor();
  await section('Usual figures').getByRole('row', { name: /^node_duration/ }).waitFor();
});

test('filters by source and entity are asked of the API', async () => {
  await openList(page, '#/incidents');
  await page.getByRole('combobox', { name: 'Source', exact: true }).selectOption('executions');
  await page.getByLabel('Entity').fill('invoice-export');
  await page.getByLabel('Entity').press('Enter');
  await page.waitForFunction(() => {
    const metrics = [...document.querySelectorAll('td[data-label="Metric"]')];
    return metrics.length > 0 && metrics.every((cell) => cell.textContent.includes('invoice-export'));
  });
  assert.match(page.url(), /source=executions&entity=invoice-export/);
});

test('without a customer the address of an entity says what to do', async () => {
  await go(page, '#/sources/executions/entities/payments');
  await page.getByText('The address names no customer.').waitFor();
  assert.deepEqual(complaints, []);
});
