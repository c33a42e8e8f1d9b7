// From a message in Slack to the page and back, without a terminal.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { closeBrowser, fillSignIn, freshPage, shows, signedIn, userOf } from './support/dashboard.js';
import { click, isAbout, linkIn, openSlack } from './support/slack.js';
import { freshCustomer, incidentsOf, insertUsage, judge } from './support/usage.js';

let slack;
before(async () => {
  slack = await openSlack();
});
after(async () => {
  await closeBrowser();
  await slack.close();
});

/** A customer whose usage rose in the last hour, and the page of that in Slack. */
async function paged() {
  const customer = await freshCustomer();
  await insertUsage(customer);
  const summary = await judge([customer]);
  assert.equal(summary.anomalies_found, 1, JSON.stringify(summary));
  const message = await slack.message(`a page about ${customer}`, isAbout(customer));
  return { customer, message };
}

const says = (customer, words) => (message) => isAbout(customer)(message) && words.test(JSON.stringify(message));

test('a person who is paged in Slack understands and resolves the incident on the page alone', async () => {
  const { customer, message } = await paged();
  const { page, complaints } = await freshPage();

  await page.goto(linkIn(message));
  const { name, password } = userOf('operator');
  await fillSignIn(page, name, password);
  await page.locator('.whose a', { hasText: customer }).waitFor();
  assert.equal(page.url(), linkIn(message), 'signing in leads to the incident of the message');

  await shows(page.locator('p.sentence'), /^compute_time: .* about .* usual/);
  await page.locator('.chart canvas').first().waitFor();
  assert.ok((await page.locator('ol.steps li').count()) > 0);

  const note = `a batch job ran twice ${Date.now()}`;
  await page.getByRole('button', { name: 'Acknowledge', exact: true }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel(/^Note/).fill(note);
  await dialog.getByRole('button', { name: 'Acknowledge' }).click();
  await page.locator('.heading').getByText('Acknowledged').waitFor();
  await page.locator('ol.timeline').getByText(note).first().waitFor();
  await slack.message('the acknowledgement', says(customer, /was acknowledged by operator/));
  const told = page.locator('section', { has: page.getByRole('heading', { name: 'Who was told' }) });
  await told.locator('li', { hasText: 'Paged: opened' }).getByText(/^slack got it/).waitFor();

  await page.getByRole('button', { name: 'Resolve', exact: true }).click();
  await dialog.getByRole('button', { name: 'Resolve' }).click();
  await page.locator('.heading').getByText('Resolved').waitFor();
  await slack.message('the end', says(customer, /resolved by operator/));
  assert.deepEqual((await incidentsOf(customer)).map(({ state }) => state), ['resolved']);
  assert.deepEqual(complaints, []);
});

test('a click on a button in Slack is seen on the open page without a reload, and a forged one does nothing', async () => {
  const { customer, message } = await paged();
  const { page } = await signedIn('operator', new URL(linkIn(message)).hash);
  await page.locator('.heading').getByText('Open').waitFor();
  await page.evaluate(() => {
    globalThis.isTheSamePage = true;
  });

  const forged = await click(message, 'acknowledge', slack.responseUrl, { secret: 'guessed' });
  assert.equal(forged.status, 401, await forged.text());
  const stale = await click(message, 'acknowledge', slack.responseUrl, { at: Date.now() - 6 * 60_000 });
  assert.equal(stale.status, 401, await stale.text());
  assert.deepEqual((await incidentsOf(customer)).map(({ state }) => state), ['open']);

  const genuine = await click(message, 'acknowledge', slack.responseUrl);
  assert.equal(genuine.status, 200, await genuine.text());
  await slack.message('the updated message', (answer) => answer.replace_original === true && /Acknowledged by ada/.test(JSON.stringify(answer)));
  await page.locator('.heading').getByText('Acknowledged').waitFor({ timeout: 40_000 });
  await page.locator('ol.timeline').getByText('by ada (Slack U012AB3CD)').waitFor();
  assert.equal(await page.evaluate(() => globalThis.isTheSamePage), true, 'the page was not loaded again');
});
