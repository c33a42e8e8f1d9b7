import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, beforeEach, describe, test } from 'node:test';
import { closeBrowser, go, openList, rows, shows, signedIn } from './support/dashboard.js';
import { api } from './support/usage.js';

let page;

before(async () => {
  ({ page } = await signedIn('operator'));
});
after(closeBrowser);
beforeEach(async () => {
  await openList(page, '#/incidents');
});

const texts = (name) => page.locator(`table.records td[data-label="${name}"]`).allInnerTexts();
const focused = () => page.evaluate(() => document.activeElement?.closest('tr')?.dataset.id);
const firstIds = (n) => page.evaluate((count) => [...document.querySelectorAll('table.records tbody tr')].slice(0, count).map((row) => row.dataset.id), n);

describe('filters', () => {
  test('are asked of the API and stand in the address', async () => {
    await page.getByLabel('Direction').selectOption('drop');
    await page.waitForFunction(() => [...document.querySelectorAll('td[data-label="Direction"]')].every((cell) => cell.textContent.includes('Drop')));
    await rows(page);
    assert.match(page.url(), /direction=drop/);
    assert.ok((await texts('Direction')).every((text) => text.includes('Drop')));
  });

  test('back and forward go through them', async () => {
    await page.getByLabel('Severity').selectOption('critical');
    await rows(page);
    await page.getByLabel('Direction').selectOption('drop');
    await rows(page);
    await page.goBack();
    assert.match(page.url(), /#\/incidents\?severity=critical$/);
    assert.equal(await page.getByLabel('Direction').inputValue(), '');
    await page.goForward();
    assert.equal(await page.getByLabel('Direction').inputValue(), 'drop');
  });

  test('a text narrows the list', async () => {
    const customer = (await texts('Customer'))[0];
    await page.getByLabel('Text').fill(customer);
    await page.waitForFunction((wanted) => {
      const found = [...document.querySelectorAll('td[data-label="Customer"]')];
      return found.length > 0 && found.every((cell) => cell.textContent === wanted);
    }, customer);
  });

  test('leaving the view from a field does not lead back', async () => {
    await page.getByLabel('Customer', { exact: true }).fill('cust');
    await page.getByRole('link', { name: 'Runs' }).click();
    await page.getByRole('heading', { name: 'Runs', level: 1 }).waitFor();
    await page.getByLabel('Text').waitFor({ state: 'detached' });
    assert.match(page.url(), /#\/runs$/);
  });

  test('without rows the page says what to do', async () => {
    await go(page, '#/incidents?customer_id=nobody-has-this-id');
    await page.getByText('There are no incidents for these filters.').waitFor();
    await page.getByText('Clear the filters').waitFor();
    await page.getByRole('button', { name: 'Clear filters' }).click();
    await rows(page);
  });
});

test('a head orders the rows, and a second click turns the order round', async () => {
  const numbers = async () => (await texts('z-score')).map((text) => Math.abs(Number(text.replaceAll(',', ''))));
  await page.getByRole('button', { name: 'z-score' }).click();
  const down = await numbers();
  assert.deepEqual(down, [...down].sort((a, b) => b - a));
  await page.getByRole('button', { name: 'z-score' }).click();
  const up = await numbers();
  assert.deepEqual(up, [...up].sort((a, b) => a - b));
  assert.equal(await page.locator('th[aria-sort=ascending]').count(), 1);
});

test('on the screen of a laptop all columns are seen at once', async () => {
  for (const view of ['#/incidents', '#/anomalies']) {
    await openList(page, view);
    const [shown, needed] = await page.locator('.scroll', { has: page.locator('table.records') }).evaluate((box) => [box.clientWidth, box.scrollWidth]);
    assert.ok(needed <= shown, `${view} needs ${needed} px and has ${shown}`);
  }
});

test('the CSV has the whole filtered list under one head', async () => {
  await openList(page, '#/incidents?severity=critical');
  const all = page.getByRole('button', { name: 'Load all' });
  if (await all.isVisible()) await all.click();
  await page.getByRole('button', { name: /^(Load all|Stop)$/ }).waitFor({ state: 'detached' });
  const saved = page.waitForEvent('download');
  await page.getByRole('button', { name: 'Export as CSV' }).click();
  const lines = readFileSync(await (await saved).path(), 'utf8').trim().split('\n');
  assert.match(lines[0], /incident_id/);
  assert.equal(lines.filter((line) => line.includes('incident_id')).length, 1);
  assert.equal(lines.length - 1, await page.locator('table.records tbody tr').count());
});

describe('keys', () => {
  test('j and k move, Enter opens, and back returns', async () => {
    const [first, second] = await firstIds(2);
    await page.keyboard.press('j');
    assert.equal(await focused(), first);
    await page.keyboard.press('j');
    assert.equal(await focused(), second);
    await page.keyboard.press('k');
    assert.equal(await focused(), first);
    await page.keyboard.press('Enter');
    await page.locator('p.sentence').waitFor();
    await page.goBack();
    await rows(page);
  });

  test('a asks before it acknowledges, and Escape leaves all as it is', async () => {
    await openList(page, '#/incidents?state=open');
    await page.keyboard.press('j');
    await page.keyboard.press('a');
    await page.getByRole('dialog').waitFor();
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    assert.ok(await focused(), 'the focus is back on the row');
  });

  test('they can be switched off', async () => {
    await page.keyboard.press('?');
    await page.getByLabel('Keys of single letters are on').uncheck();
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    // The focus returns to where it was, such as a row of the test before.
    const before = await focused();
    await page.keyboard.press('j');
    assert.equal(await focused(), before);
    await page.getByRole('button', { name: 'Keys', exact: true }).click();
    await page.getByLabel('Keys of single letters are on').check();
    await page.keyboard.press('Escape');
  });
});

test('a list of more than five hundred is read page by page, each row once, to its end', async () => {
  await openList(page, '#/anomalies');
  const count = () => page.locator('table.records tbody tr').count();
  assert.equal(await count(), 100);
  for (let pages = 2; pages <= 5; pages += 1) {
    await page.getByRole('button', { name: 'Load more' }).click();
    await page.waitForFunction((n) => document.querySelectorAll('table.records tbody tr').length === n, pages * 100);
  }
  await page.getByText('500 rows loaded; there are more').waitFor();
  await page.getByRole('button', { name: 'Load all' }).click();
  await page.getByRole('button', { name: /^(Load all|Load more|Stop)$/ }).first().waitFor({ state: 'detached' });
  const shown = await page.locator('table.records tbody tr').evaluateAll((all) => all.map((row) => row.dataset.id));
  const ids = [];
  for (let cursor; cursor !== null; ) {
    const { anomalies, next_cursor } = await api('GET', `anomalies?limit=100${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ''}`);
    ids.push(...anomalies.map(({ anomaly_id }) => anomaly_id));
    cursor = next_cursor;
  }
  assert.ok(ids.length > 500, `the runs of the tests found ${ids.length} anomalies`);
  assert.deepEqual([...shown].sort(), [...new Set(ids)].sort());
});

test('several incidents are acknowledged and reopened at once', async () => {
  await openList(page, '#/incidents?state=open');
  const ids = await firstIds(3);
  for (const id of ids) await page.locator(`tr[data-id="${id}"] input`).check();
  await page.getByRole('button', { name: 'Acknowledge', exact: true }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel(/^Note/).fill('looking into three at once');
  await dialog.getByRole('button', { name: 'Acknowledge' }).click();
  await page.getByText(`Done for ${ids.length}.`).waitFor();
  for (const id of ids) await shows(page.locator(`tr[data-id="${id}"] td[data-label=State]`), /Acknowledged/);
  for (const id of ids) await page.locator(`tr[data-id="${id}"] input`).check();
  await page.getByRole('button', { name: 'Reopen', exact: true }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Reopen' }).click();
  await page.waitForFunction((wanted) => wanted.every((id) => document.querySelector(`tr[data-id="${id}"] td[data-label=State]`)?.textContent.includes('Open')), ids);
});

test('anomalies have types, and a row opens the page of the anomaly', async () => {
  await openList(page, '#/anomalies');
  const type = await page.locator('td[data-label=Type]').first().innerText();
  await page.getByRole('combobox', { name: 'Type', exact: true }).selectOption(type.replaceAll(' ', '_'));
  await page.waitForFunction((wanted) => [...document.querySelectorAll('td[data-label="Type"]')].every((cell) => cell.innerText === wanted), type);
  await rows(page);
  await page.locator('a.row-link').first().click();
  await page.locator('p.sentence').waitFor();
});
