import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { closeBrowser, go, openList, shows, signedIn } from './support/dashboard.js';

let page;
let complaints;

before(async () => {
  ({ page, complaints } = await signedIn('operator', '#/incidents?state=open&severity=critical&source=usage'));
});
after(closeBrowser);

/** Links to critical spikes of customers. Incidents of all customers together have no chart. */
async function linksOf(filter = 'state=open') {
  const all = await openList(page, `#/incidents?severity=critical&direction=spike&source=usage&${filter}`);
  return all.locator('a.row-link').filter({ hasNotText: /^\*$/ });
}

/** Opens the first incident of a customer, an open one without a filter. */
async function openIncident(filter) {
  await (await linksOf(filter)).first().click();
  await page.locator('p.sentence').waitFor();
}

/** Opens an open incident that has more open ones of its cause. Other tests acknowledge some of them. */
async function openOneOfSeveral(part, together) {
  const links = await linksOf();
  await links.first().waitFor();
  for (const address of await links.evaluateAll((found) => found.map((link) => link.getAttribute('href')))) {
    await Promise.all([page.waitForResponse((answer) => answer.url().includes('/related')), go(page, address)]);
    await part.locator('ul.lines, p.quiet').first().waitFor();
    if (await together.count()) return;
  }
  assert.fail('no open incident has more open ones of its cause');
}

/** How many pixels of the chart look like colours of the style sheet that lie on each other. */
const pixelsOf = (...layers) =>
  page.evaluate((names) => {
    const named = document.body.appendChild(document.createElement('span'));
    const probe = document.createElement('canvas').getContext('2d');
    for (const name of names) {
      named.style.color = `var(${name})`;
      probe.fillStyle = getComputedStyle(named).color;
      probe.fillRect(0, 0, 1, 1);
    }
    named.remove();
    const wanted = probe.getImageData(0, 0, 1, 1).data;
    const canvas = document.querySelector('.chart canvas');
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    let count = 0;
    for (let at = 0; at < data.length; at += 4) {
      if ([0, 1, 2, 3].every((index) => Math.abs(wanted[index] - data[at + index]) <= 4)) count += 1;
    }
    return count;
  }, layers);

test('the page has sentence, steps, figures, detectors and what happened', async () => {
  await openIncident();
  for (const heading of ['What to do next', 'Figures', 'Why it is odd', 'What happened', 'Its anomalies']) {
    await page.getByRole('heading', { name: heading }).waitFor();
  }
  assert.ok((await page.locator('ol.steps li').count()) > 0);
  await shows(page.locator('ol.timeline'), /The first window spoke/);
});

test('the chart draws the values, the usual range and the windows that spoke', async () => {
  await openIncident('metric=api_calls');
  await page.locator('.chart canvas').waitFor();
  assert.ok((await pixelsOf('--chart-value')) > 100, 'the line');
  assert.ok((await pixelsOf('--chart-span')) > 500, 'the windows that spoke');
  // The band goes through all hours, not only through the windows that spoke.
  assert.ok((await pixelsOf('--chart-band')) > 1000, 'the usual range');
  await page.locator('.u-legend').getByText('usual from').waitFor();
});

test('earlier weeks are laid over', async () => {
  await openIncident('metric=api_calls');
  await page.locator('.chart canvas').waitFor();
  assert.equal(await pixelsOf('--chart-earlier'), 0);
  await page.getByLabel('1 week earlier').check();
  await page.locator('.u-legend').getByText('1 week earlier').waitFor();
  assert.ok((await pixelsOf('--chart-earlier')) > 50);
});

test('the figures of the chart are in a table, too', async () => {
  await openIncident();
  await page.getByText('Figures as a table').first().click();
  const figures = page.getByRole('region', { name: /Figures as a table/ }).locator('tbody tr');
  await figures.first().waitFor();
  assert.ok((await figures.count()) > 24);
});

test('acknowledge, note, resolve and reopen stand in what happened', async () => {
  await openIncident();
  const dialog = page.getByRole('dialog');
  // Of this run alone: the incident keeps the notes of earlier ones.
  const [first, second] = ['load test', 'asked them to stop'].map((words) => `${words} ${Date.now()}`);
  await page.getByRole('button', { name: 'Acknowledge', exact: true }).click();
  await dialog.getByLabel(/^Note/).fill(first);
  await dialog.getByRole('button', { name: 'Acknowledge' }).click();
  await page.locator('ol.timeline').getByText(first).first().waitFor();
  await shows(page.locator('.heading'), /Acknowledged/);

  await page.getByRole('button', { name: 'Add note' }).click();
  await dialog.getByLabel(/^Note/).fill(second);
  await dialog.getByRole('button', { name: 'Add note' }).click();
  await page.locator('ol.timeline').getByText(second).first().waitFor();

  await page.keyboard.press('r');
  await dialog.getByRole('button', { name: 'Resolve' }).click();
  await page.locator('.heading').getByText('Resolved').waitFor();

  await page.getByRole('button', { name: 'Reopen', exact: true }).click();
  await dialog.getByRole('button', { name: 'Reopen' }).click();
  await page.locator('.heading').getByText('Open').waitFor();
});

test('feedback stands in what happened, and its effect is said', async () => {
  await openIncident();
  const note = `a stolen key ${Date.now()}`;
  await page.getByRole('button', { name: 'Give feedback' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByRole('radio', { name: 'expected' }).check();
  await dialog.getByLabel('Expected for').waitFor();
  await dialog.getByRole('radio', { name: 'a real anomaly' }).check();
  assert.equal(await dialog.getByLabel('Expected for').count(), 0);
  await dialog.getByLabel(/^Note/).fill(note);
  await dialog.getByRole('button', { name: 'Give feedback' }).click();
  await page.getByText(/^Thank you\./).waitFor();
  await page.locator('ol.timeline').getByText(note).first().waitFor();
  await page.locator('ol.timeline').getByText('Confirmed as real').first().waitFor();
});

test('a dry run of feedback tells what it would have changed, and stores nothing', async () => {
  await openIncident();
  await page.getByRole('button', { name: 'Give feedback' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByRole('radio', { name: 'a false alarm' }).check();
  await dialog.getByRole('button', { name: 'Show what it would have changed' }).click();
  await dialog.locator('.preview, p.failure').waitFor({ timeout: 60_000 });
  assert.equal(await dialog.locator('p.failure').allInnerTexts().then(String), '');
  await page.keyboard.press('Escape');
  assert.equal(await page.locator('ol.timeline').getByText('Called a false alarm').count(), 0);
  await page.locator('.heading').getByText('Open').waitFor();
});

test('incidents of one cause are listed with the reason, and lead to their pages', async () => {
  const part = page.locator('section', { has: page.getByRole('heading', { name: 'Probably one cause' }) });
  const together = part.getByRole('button', { name: /^Acknowledge all \d+$/ });
  await openOneOfSeveral(part, together);
  await part.getByText(/same (customer|metric) and hour|moved/).first().waitFor();
  await together.click();
  const dialog = page.getByRole('dialog');
  const note = `one cause ${Date.now()}`;
  await dialog.getByLabel(/^Note/).fill(note);
  await dialog.getByRole('button', { name: 'Acknowledge' }).click();
  await page.locator('ol.timeline').getByText(note).first().waitFor();
  await part.locator('ul.lines li', { hasText: 'Acknowledged' }).first().waitFor();
  await part.getByRole('button', { name: /^Reopen all \d+$/ }).click();
  await dialog.getByRole('button', { name: 'Reopen' }).click();
  await page.locator('.heading').getByText('Open').waitFor();
  const title = await part.locator('ul.lines a').first().innerText();
  await part.locator('ul.lines a').first().click();
  await page.locator('.whose a', { hasText: title.split(' · ')[0] }).waitFor();
});

test('a mute is a part of the policy of the customer', async () => {
  await openIncident();
  const customer = (await page.locator('.whose a').first().innerText()).replace('Customer ', '');
  const reason = `planned load test ${Date.now()}`;
  await page.getByRole('button', { name: 'Mute' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Repeat').selectOption('WEEKLY');
  await dialog.getByLabel('Reason').fill(reason);
  await dialog.getByRole('button', { name: 'Mute' }).click();
  await page.getByText(/^Muted until/).waitFor();
  await go(page, `#/settings/${customer}`);
  await page.getByText(reason, { exact: true }).waitFor();
  await page.getByText('FREQ=WEEKLY').first().waitFor();
  await page.getByRole('button', { name: `Remove: ${reason}` }).click();
  await page.getByRole('button', { name: 'Save the policy' }).click();
  await page.getByText(/^Saved as version/).waitFor();
  assert.deepEqual(complaints, []);
});
