// Budgets on the settings page.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { axeFaults, closeBrowser, go, signedIn } from './support/dashboard.js';
import { api, setPolicy } from './support/usage.js';

const OWNER = 'cust_0060';

let page;
let complaints;
before(async () => {
  ({ page, complaints } = await signedIn('operator', '#/overview'));
});
after(closeBrowser);

const field = (name, on = page) => on.getByLabel(`api_calls: ${name}`, { exact: true });
const save = (on = page) => on.getByRole('button', { name: 'Save the policy' }).click();
const saved = (on = page) => on.getByText(/^Saved as version/).waitFor();
const budgets = async () => (await api('GET', `config/customers/${OWNER}`)).config.budgets;

/** Opens the policy of a customer that has this content. */
async function openPolicy(policy, on = page) {
  await setPolicy(OWNER, policy);
  await reload(on);
}

async function reload(on = page) {
  await go(on, '#/runs');
  await on.getByRole('heading', { name: 'Runs', level: 1 }).waitFor();
  await go(on, `#/settings/${OWNER}`);
  await on.getByRole('heading', { name: 'Budgets' }).waitFor();
}

async function add(metric, on = page) {
  await on.getByLabel('New budget of').selectOption(metric);
  await on.getByRole('button', { name: 'Add a budget' }).click();
}

test('a budget is added, is there after a reload, is changed and is removed', async () => {
  await openPolicy({});
  await page.getByText('No budgets.').waitFor();
  assert.deepEqual(await page.getByLabel('New budget of').locator('option').allInnerTexts(), ['api_calls', 'bandwidth', 'compute_time'], 'metrics whose hours add up');
  await add('api_calls');
  await field('Amount').fill('2500000');
  await page.getByText('= 2,500,000 calls').waitFor();
  await field('Told at, %').fill('50, 90, 120');
  await field('Pace').fill('5');
  await save();
  await saved();
  assert.deepEqual(await budgets(), { api_calls: { quota: 2_500_000, shares: [0.5, 0.9, 1.2], days_before_end: 5 } });

  await page.reload();
  await field('Amount').waitFor();
  assert.deepEqual(await Promise.all(['Amount', 'Told at, %', 'Pace'].map((name) => field(name).inputValue())), ['2500000', '50, 90, 120', '5']);
  await field('Price of a unit').fill('0.01');
  await field('Limit').selectOption({ label: 'USD' });
  await field('Amount').fill('400');
  await field('Told at, %').fill('none');
  await field('Pace').fill('');
  await save();
  await saved();
  assert.deepEqual(await budgets(), { api_calls: { cost: 400, shares: [] } });
  await field('Limit').selectOption({ label: 'no limit' });
  assert.ok(await field('Amount').isDisabled());
  await save();
  await page.waitForFunction(() => document.querySelector('[aria-label="api_calls: Amount"]').value === '');
  await page.locator('ol.timeline').getByText('"unlimited": true').waitFor({ state: 'attached' });
  assert.deepEqual(await budgets(), { api_calls: { unlimited: true } });

  await reload();
  await page.getByRole('button', { name: 'Remove: budget of api_calls' }).click();
  await page.getByText('No budgets.').waitFor();
  await save();
  await saved();
  await reload();
  await page.getByText('No budgets.').waitFor();
  assert.equal(await budgets(), undefined);
});

test('an invalid budget is refused at its fields, before anything is sent', async () => {
  await openPolicy({});
  let sent = 0;
  const count = (request) => (sent += Number(request.method() === 'PUT'));
  page.on('request', count);
  await add('api_calls');
  await field('Amount').fill('2,500');
  await field('Told at, %').fill('80.5');
  await field('Pace').fill('28');
  await save();
  await page.getByRole('alert').getByText('Budget of api_calls, Amount: Write a number above 0, without commas.').waitFor();
  for (const [name, said] of [
    ['Amount', 'Write a number above 0, without commas.'],
    ['Told at, %', 'Write at most 5 whole numbers from 1 to 1000, or none.'],
    ['Pace', 'Write a whole number from 0 to 27.'],
  ]) {
    assert.equal(await field(name).getAttribute('aria-invalid'), 'true', name);
    const message = await field(name).evaluate((input) => document.getElementById(input.getAttribute('aria-describedby'))?.innerText);
    assert.equal(message, said);
  }
  assert.deepEqual(await axeFaults(page), []);
  await page.setViewportSize({ width: 360, height: 740 });
  assert.ok((await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)) <= 0, 'the table is no wider than a phone');
  await page.setViewportSize({ width: 1280, height: 900 });

  await field('Amount').fill('2500');
  await field('Told at, %').fill('80');
  await field('Pace').fill('27');
  assert.equal(await field('Amount').getAttribute('aria-invalid'), 'false', 'a field that is put right is right at once');
  assert.equal(sent, 0, 'nothing was sent');
  await save();
  await saved();
  assert.equal(sent, 1);
  page.off('request', count);
});

test('a budget that the API alone can refuse has the message of the API at its field', async () => {
  await openPolicy({});
  await add('api_calls');
  await field('Limit').selectOption({ label: 'USD' });
  await field('Amount').fill('400');
  await save();
  const alert = page.getByRole('alert').filter({ hasText: 'only for a metric with a price' });
  await alert.waitFor();
  const message = await field('Amount').evaluate((input) => document.getElementById(input.getAttribute('aria-describedby'))?.innerText);
  assert.equal(message, await alert.innerText());
  await field('Price of a unit').fill('0.01');
  assert.equal(await field('Amount').getAttribute('aria-invalid'), 'false');
  await save();
  await saved();
});

test('of two editors of budgets the slower one loses nothing and overwrites nothing', async () => {
  await openPolicy({ budgets: { api_calls: { quota: 1000 } } });
  const { page: other } = await signedIn('operator', `#/settings/${OWNER}`);
  await field('Amount', other).waitFor();
  await field('Amount').fill('2000');
  await save();
  await saved();
  await add('compute_time', other);
  await other.getByLabel('compute_time: Amount').fill('60000');
  await save(other);
  await other.getByText(/Somebody else has changed the policy/).waitFor();
  await other.getByRole('button', { name: 'Put my changes on top of theirs' }).click();
  await other.waitForFunction(() => document.querySelector('[aria-label="api_calls: Amount"]').value === '2000');
  await save(other);
  await saved(other);
  assert.deepEqual(await budgets(), { api_calls: { quota: 2000 }, compute_time: { quota: 60_000 } });
});

test('a reader sees a budget and cannot change it', async () => {
  await setPolicy(OWNER, { budgets: { api_calls: { quota: 1000 } } });
  const { page: reader } = await signedIn('reader', `#/settings/${OWNER}`);
  await field('Amount', reader).waitFor();
  assert.equal(await field('Amount', reader).inputValue(), '1000');
  for (const control of [...['Limit', 'Amount', 'Told at, %', 'Pace'].map((name) => field(name, reader)),
    reader.getByRole('button', { name: 'Remove: budget of api_calls' }), reader.getByRole('button', { name: 'Add a budget' })]) {
    assert.ok(await control.isDisabled(), String(control));
  }
});

test('a policy with a budget is previewed, and one that cannot hold is not', async () => {
  await openPolicy({ budgets: { api_calls: { quota: 1000 } } });
  await page.getByLabel('Days').selectOption('7');
  const preview = () => page.getByRole('button', { name: 'Show what would have paged' }).click();
  await field('Amount').fill('0');
  await preview();
  await page.getByRole('alert').getByText('Budget of api_calls, Amount').waitFor();
  await field('Amount').fill('2000');
  let body;
  await page.route('**/v1/backtests', (route) => {
    body = route.request().postDataJSON();
    return route.continue();
  });
  await preview();
  await page.locator('.preview').waitFor({ timeout: 150_000 });
  await page.unroute('**/v1/backtests');
  assert.deepEqual(body?.customer_policy.budgets, { api_calls: { quota: 2000 } });
  await setPolicy(OWNER, {});
  assert.deepEqual(complaints, []);
});
