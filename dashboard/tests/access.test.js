// Accessibility by axe, a phone's width, the keyboard alone, and pictures for the documents.
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { after, describe, test } from 'node:test';
import { axeFaults, closeBrowser, go, openList, rows, signedIn } from './support/dashboard.js';

const PICTURES = new URL('./screenshots/', import.meta.url).pathname;
mkdirSync(PICTURES, { recursive: true });
after(closeBrowser);

async function viewsOf(page) {
  const incident = await (await openList(page, '#/incidents?state=open&direction=spike&severity=critical&source=usage&metric=api_calls')).locator('a.row-link').filter({ hasNotText: /^\*$/ }).first().getAttribute('href');
  const link = (await openList(page, '#/anomalies?direction=spike&source=usage&metric=storage_peak')).locator('a.row-link').filter({ hasNotText: /^\*$/ }).first();
  const [anomaly, customer] = [await link.getAttribute('href'), await link.innerText()];
  return {
    overview: '#/overview',
    incidents: '#/incidents',
    incident,
    anomalies: '#/anomalies',
    anomaly,
    customer: `#/customers/${customer}`,
    entity: '#/sources/executions/entities/payments?customer_id=globex',
    settings: '#/settings',
    runs: '#/runs',
  };
}

async function show(page, view) {
  await go(page, view);
  await page.locator('main h1').first().waitFor();
  await page.waitForLoadState('networkidle');
  // A picture shows what is loaded, with its charts drawn.
  await page.waitForFunction(() => !document.querySelector('.loading'));
  await page.waitForTimeout(300);
}

for (const colours of ['light', 'dark']) {
  describe(`in ${colours} colours`, () => {
    test('axe finds nothing in any view', async () => {
      const { page } = await signedIn('operator', '#/incidents', { colorScheme: colours });
      const faults = [];
      for (const [name, view] of Object.entries(await viewsOf(page))) {
        await show(page, view);
        await page.screenshot({ path: `${PICTURES}${name}-${colours}.png`, fullPage: true });
        faults.push(...(await axeFaults(page)).map((fault) => `${name}: ${fault}`));
      }
      assert.deepEqual(faults, []);
    });
  });
}

test('axe finds nothing in the dialogs', async () => {
  const { page } = await signedIn('operator', '#/incidents?state=open');
  await rows(page);
  for (const open of [
    () => page.getByRole('button', { name: /last visit/ }).click(),
    () => page.getByRole('button', { name: 'Keys', exact: true }).click(),
    async () => {
      await page.keyboard.press('j');
      await page.keyboard.press('a');
    },
  ]) {
    await open();
    await page.getByRole('dialog').waitFor();
    assert.deepEqual(await axeFaults(page), []);
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'detached' });
  }
});

test('no view is wider than a phone', async () => {
  const { page } = await signedIn('operator', '#/incidents', { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true });
  for (const [name, view] of Object.entries(await viewsOf(page))) {
    await show(page, view);
    await page.screenshot({ path: `${PICTURES}${name}-phone.png` });
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.ok(wide <= 0, `${name} is ${wide} px too wide`);
  }
});

test('the keyboard alone goes from the list to an acknowledgement, an end and back: j, k, Enter, a, r', async () => {
  const { page } = await signedIn('operator', '#/incidents?state=open');
  await rows(page);
  await page.keyboard.press('Tab');
  assert.equal(await page.evaluate(() => document.activeElement.textContent), 'Skip to the content');
  await page.keyboard.press('Enter');
  assert.equal(await page.evaluate(() => document.activeElement.tagName), 'MAIN');
  const focused = () => page.evaluate(() => document.activeElement?.closest('tr')?.dataset.id);
  await page.keyboard.press('j');
  const first = await focused();
  await page.keyboard.press('j');
  assert.notEqual(await focused(), first);
  await page.keyboard.press('k');
  assert.equal(await focused(), first);
  await page.keyboard.press('Enter');
  await page.locator('p.sentence').waitFor();
  assert.equal(await page.evaluate(() => document.activeElement.tagName), 'MAIN', 'the focus is in the new view');
  await page.keyboard.press('a');
  // Until the note has the focus, letters would be keys of the page.
  await page.locator('dialog textarea:focus').waitFor();
  const note = `by keyboard ${Date.now()}`;
  await page.keyboard.type(note);
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await page.locator('ol.timeline').getByText(note).first().waitFor();
  await page.keyboard.press('r');
  await page.locator('dialog textarea:focus').waitFor();
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await page.locator('.heading').getByText('Resolved').waitFor();
  await page.getByRole('button', { name: 'Reopen', exact: true }).press('Enter');
  await page.getByRole('dialog').getByRole('button', { name: 'Reopen' }).press('Enter');
  await page.locator('.heading').getByText('Open').waitFor();
});
