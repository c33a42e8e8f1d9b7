// What people asked of a page, one test each: a list with filters, drill-down, trends, the distribution of severities, a live panel.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { closeBrowser, go, openList, rows, signedIn } from './support/dashboard.js';
import { api, freshCustomer, insertUsage, judge } from './support/usage.js';

let page;
before(async () => {
  ({ page } = await signedIn('operator', '#/overview'));
});
after(closeBrowser);

const overview = async () => {
  await go(page, '#/overview');
  await page.locator('ul.tiles li').first().waitFor();
  await page.getByRole('heading', { name: 'By severity' }).waitFor();
};
const cells = (name) => page.locator(`table.records td[data-label="${name}"]`).allInnerTexts();
const numberOf = (text) => Number(text.replace(/\D/g, ''));

test('wish 1, a list with filters: several filters narrow it together, and the address keeps them', async () => {
  await openList(page, '#/incidents');
  const before = await page.locator('table.records tbody tr').count();
  await page.getByRole('combobox', { name: 'Source', exact: true }).selectOption('usage');
  await page.getByRole('combobox', { name: 'Severity', exact: true }).selectOption('critical');
  await page.getByRole('combobox', { name: 'Direction', exact: true }).selectOption('drop');
  await page.getByRole('combobox', { name: 'Metric', exact: true }).selectOption('bandwidth');
  await page.waitForFunction(() => {
    const of = (name) => [...document.querySelectorAll(`td[data-label="${name}"]`)].map((cell) => cell.textContent);
    return of('Metric').length > 0 && of('Metric').every((text) => text === 'bandwidth') && of('Direction').every((text) => text.includes('Drop'));
  });
  const after = await page.locator('table.records tbody tr').count();
  assert.ok(after > 0 && after < before, `${after} of ${before} rows`);
  assert.ok((await cells('Severity')).every((text) => text.includes('Critical')));
  for (const part of ['source=usage', 'severity=critical', 'direction=drop', 'metric=bandwidth']) assert.match(page.url(), new RegExp(part));
  await page.reload();
  await rows(page);
  assert.equal(await page.locator('table.records tbody tr').count(), after, 'the address alone gives the same list');
});

test('wish 2, drill-down: from a figure of the overview to the list, the incident, its anomaly and their charts', async () => {
  await overview();
  const tile = page.locator('ul.tiles a', { hasText: 'open and critical' });
  await tile.click();
  await rows(page);
  assert.match(page.url(), /#\/incidents\?state=open&severity=critical/);
  await openList(page, '#/incidents?state=open&severity=critical&source=usage&direction=spike');
  const row = page.locator('table.records tbody tr').filter({ has: page.locator('a.row-link', { hasNotText: /^\*$/ }) }).first();
  const customer = await row.locator('td[data-label="Customer"]').innerText();
  await row.locator('a.row-link').click();
  await page.locator('.whose a', { hasText: customer }).waitFor();
  await page.locator('.chart canvas').first().waitFor();
  const own = page.locator('section', { has: page.getByRole('heading', { name: 'Its anomalies' }) });
  await own.locator('a').first().click();
  await page.getByRole('heading', { name: 'Figures' }).waitFor();
  await page.locator('.chart canvas').first().waitFor();
  assert.match(page.url(), /#\/anomalies\/./);
  await page.getByRole('link', { name: 'Its incident' }).click();
  await page.getByRole('heading', { name: 'Its anomalies' }).waitFor();
  await page.locator('.whose a', { hasText: customer }).click();
  await page.getByRole('heading', { level: 1, name: `Customer ${customer}` }).waitFor();
});

test('wish 3, trends: the figures by day are those of the API, and change with the period', async () => {
  const byDay = async (days) => {
    await go(page, `#/overview?days=${days}`);
    await page.getByRole('button', { name: days === 1 ? '24 hours' : `${days} days`, pressed: true }).waitFor();
    const { total, by_day } = await api('GET', `anomalies/trends?from=now-${days}d&top=10`);
    await page.getByText(`${total.toLocaleString('en')} anomal`).waitFor();
    const bars = page.locator('.day-bars g');
    await page.waitForFunction((n) => document.querySelectorAll('.day-bars g').length === n, by_day.length);
    const titles = await bars.locator('title').allTextContents();
    assert.deepEqual(titles, by_day.map(({ day, critical, warning }) => `${day}: ${critical} Critical, ${warning} Warning`));
    return by_day.length;
  };
  const lengths = [await byDay(1), await byDay(7), await byDay(30)];
  assert.deepEqual(lengths, [...lengths].sort((a, b) => a - b));
  assert.ok(lengths[0] < lengths[2]);
  // The bars are as high as their figures: the highest one fills the picture.
  const heights = await page.locator('.day-bars rect.critical').evaluateAll((all) => all.map((rect) => Number(rect.getAttribute('height'))));
  assert.ok(Math.max(...heights) > 0);
});

test('wish 4, the distribution of severities: each share has its figure and leads to its list', async () => {
  await overview();
  const { by_severity } = await api('GET', 'anomalies/trends?from=now-30d&top=10');
  const part = page.locator('section', { has: page.getByRole('heading', { name: 'By severity' }) });
  for (const [name, key] of [['Critical', 'critical'], ['Warning', 'warning']]) {
    const line = part.locator('li', { hasText: name });
    assert.equal(numberOf(await line.locator('.number').innerText()), by_severity[key], name);
    const width = Number(await line.locator('rect').getAttribute('width'));
    const most = Math.max(by_severity.critical, by_severity.warning);
    assert.ok(Math.abs(width - (100 * by_severity[key]) / most) < 0.01, `${name} is ${width} wide`);
  }
  await part.getByRole('link', { name: 'Warning' }).click();
  await rows(page);
  assert.ok((await cells('Severity')).every((text) => text.includes('Warning')));
});

test('wish 5, a live panel: an incident that opens now appears by itself in the bell and its panel', async () => {
  const customer = await freshCustomer('live');
  await go(page, '#/runs');
  await page.getByRole('button', { name: /last visit/ }).click();
  const panel = page.getByRole('dialog');
  await panel.getByText(/^Updated/).waitFor();
  assert.equal(await panel.getByText(customer).count(), 0);
  await insertUsage(customer);
  await judge([customer]);
  // Nobody touches the page: the panel asks each 15 seconds.
  await panel.getByText(`${customer} · compute_time`).first().waitFor({ timeout: 40_000 });
  await page.keyboard.press('Escape');
});
