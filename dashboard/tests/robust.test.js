import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { closeBrowser, go, rows, signedIn } from './support/dashboard.js';

after(closeBrowser);

const HOSTILE = '<img src=x onerror="alert(1)"><script>alert(2)</script>javascript:alert(3) "\'`{{7*7}}\u202e';
/** Fields whose values are words of the API, ids of objects or times. All other texts are of customers. */
const FIXED = /(_id|_at|^at|state|severity|direction|type|start|end|window_end|cursor|event|action|trust|reason|condition|status|name|unit|anomalies_link|day|last_seen|last_window|interval|judged_by)$/;
const OF_CUSTOMERS = /^(customer_id|reason|actor|updated_by)$/;

function poisoned(value, key = '') {
  if (Array.isArray(value)) return value.map((one) => poisoned(one, key));
  if (value && typeof value === 'object') return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, poisoned(one, name)]));
  return typeof value === 'string' && (OF_CUSTOMERS.test(key) || !FIXED.test(key)) ? HOSTILE : value;
}

test('hostile names are texts in every view', async () => {
  const { page, context, complaints } = await signedIn('operator');
  const id = await (await rows(page)).first().getAttribute('data-id');
  const anomaly = await page.evaluate(() => undefined);
  assert.equal(anomaly, undefined);
  await context.route(/\/v1\/(incidents|anomalies|config|status)/, async (route) => {
    if (route.request().method() !== 'GET') return route.continue();
    const answer = await route.fetch();
    const body = await answer.json();
    const poison = poisoned(body);
    // The first answer of an incident leads to its anomalies, so that link stays.
    return route.fulfill({ response: answer, json: poison });
  });
  for (const view of ['#/overview', '#/incidents?limit=1', `#/incidents/${id}`, '#/anomalies', '#/runs', '#/settings', '#/customers/cust_0001']) {
    await go(page, view);
    await page.locator('main h1, main .notice').first().waitFor();
    await page.waitForLoadState('networkidle');
    assert.equal(await page.locator('main img, main script').count(), 0, view);
    const odd = await page.evaluate(() => [...document.querySelectorAll('a[href]')].map((a) => a.href).filter((href) => !/^https?:/.test(href)));
    assert.deepEqual(odd, [], view);
  }
  await go(page, '#/incidents');
  await page.getByText('<img src=x').first().waitFor();
  assert.deepEqual(complaints, []);
});

test('a hostile id in an address is a text, too', async () => {
  const { page, complaints } = await signedIn('operator', `#/customers/${encodeURIComponent('<img src=x onerror=alert(1)>')}`);
  await page.getByRole('heading', { level: 1 }).filter({ hasText: '<img src=x' }).waitFor();
  assert.equal(await page.locator('main img').count(), 0);
  assert.deepEqual(complaints, []);
});

test('figures that the API counted in part say so', async () => {
  const { page, context, complaints } = await signedIn('operator');
  await context.route(/\/v1\/(anomalies\/trends|incidents\/counts|status|channels)/, async (route) => {
    const answer = await route.fetch();
    const body = await answer.json();
    const channels = body.channels?.map((one) => ({ ...one, complete: false }));
    return route.fulfill({ response: answer, json: { ...body, complete: false, channels } });
  });
  await go(page, '#/overview');
  const notes = page.getByText('Counted in part');
  await notes.nth(1).waitFor();
  assert.equal(await notes.count(), 2, 'those of incidents now and those of the period');
  await go(page, '#/runs');
  await page.getByText(/^at least \d/).first().waitFor();
  await go(page, '#/settings');
  await page.getByRole('cell', { name: /^at least \d/ }).nth(1).waitFor();
  assert.deepEqual(complaints, []);
});

test('503 in mid-use says so, and trying again goes on', async () => {
  const { page, context } = await signedIn('operator');
  await rows(page);
  await context.route(/\/v1\/incidents\?/, (route) =>
    route.fulfill({ status: 503, headers: { 'retry-after': '7' }, json: { detail: 'The store of anomalies does not answer.', code: 'store_unavailable' } }));
  await page.getByLabel('Severity').selectOption('critical');
  const alert = page.getByRole('alert').filter({ hasText: 'The store of anomalies does not answer. Try again in 7 s.' });
  await alert.waitFor();
  await context.unroute(/\/v1\/incidents\?/);
  await alert.getByRole('button', { name: 'Try again' }).click();
  await rows(page);
});

test('offline in mid-use says so, and the page goes on afterwards', async () => {
  const { page, context } = await signedIn('operator');
  await rows(page);
  await context.setOffline(true);
  await page.getByLabel('Severity').selectOption('critical');
  const alert = page.getByRole('alert').filter({ hasText: 'You are offline.' });
  await alert.waitFor();
  await context.setOffline(false);
  await alert.getByRole('button', { name: 'Try again' }).click();
  await rows(page);
});

test('an address without a view and an id without an object say so', async () => {
  const { page } = await signedIn('operator', '#/nowhere');
  await page.getByText('There is no such view.').waitFor();
  await go(page, '#/incidents/unknown');
  await page.getByRole('alert').filter({ hasText: /\S/ }).first().waitFor();
});
