import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { closeBrowser, rows, signedIn } from './support/dashboard.js';

after(closeBrowser);

const CRITICAL = /\/v1\/incidents\?.*severity=critical.*state=open|\/v1\/incidents\?.*state=open.*severity=critical/;

test('the panel lists what is critical now, updates itself each 15 seconds, and pauses in a hidden tab', async () => {
  const { page } = await signedIn('operator', '#/runs');
  let asked = 0;
  page.on('request', (request) => (asked += Number(CRITICAL.test(request.url()))));
  await page.clock.install();
  const firstQuestion = page.waitForRequest(CRITICAL);
  await page.reload();
  await (await firstQuestion).response();
  await page.locator('main h1').waitFor();
  await page.waitForTimeout(500);
  const first = asked;

  // The requests of a busy machine arrive late.
  const becomes = async (count) => {
    for (let tries = 0; tries < 100 && asked - first < count; tries += 1) await new Promise((done) => setTimeout(done, 100));
    return asked - first;
  };
  await page.clock.runFor(46_000);
  assert.equal(await becomes(3), 3);

  const hide = (hidden) =>
    page.evaluate((value) => {
      Object.defineProperty(document, 'hidden', { value, configurable: true });
      document.dispatchEvent(new Event('visibilitychange'));
    }, hidden);
  await hide(true);
  await page.clock.runFor(61_000);
  await page.waitForTimeout(500);
  assert.equal(asked - first, 3, 'nothing is asked in a hidden tab');
  await hide(false);
  assert.equal(await becomes(4), 4, 'a shown tab is updated at once');
});

test('what opened since the last visit is counted, and no longer after it was seen', async () => {
  const { page } = await signedIn('operator');
  await rows(page);
  await page.evaluate(() => localStorage.setItem('dashboard.last-visit', String(Date.now() - 29 * 24 * 3_600_000)));
  await page.reload();
  await rows(page);
  await page.getByRole('button', { name: /new incidents? since your last visit/ }).click();
  await page.getByRole('dialog').locator('ul.lines').last().locator('li').first().waitFor();
  await page.keyboard.press('Escape');
  await page.getByRole('button', { name: 'Nothing new since your last visit' }).waitFor();
});

test('a new critical incident is a notification of the browser, for those who asked', async () => {
  const { page, context } = await signedIn('operator', '#/runs');
  await page.addInitScript(() => {
    globalThis.shown = [];
    globalThis.Notification = class {
      static permission = 'granted';
      static requestPermission = async () => 'granted';
      constructor(title, options) {
        globalThis.shown.push(`${title}: ${options.body}`);
      }
    };
  });
  let fresh = [];
  await context.route(CRITICAL, async (route) => {
    const answer = await route.fetch();
    const body = await answer.json();
    const [like] = body.incidents;
    return route.fulfill({ response: answer, json: { ...body, incidents: [...fresh.map((id) => ({ ...like, incident_id: id })), ...body.incidents] } });
  });
  await page.clock.install();
  await page.reload();
  await page.getByRole('button', { name: /last visit/ }).click();
  await page.getByRole('button', { name: 'Notify me in this browser' }).click();
  await page.getByRole('button', { name: 'Stop notifications' }).waitFor();
  // The first answer says what stands already.
  await page.getByRole('dialog').getByText(/^Updated/).waitFor();
  assert.deepEqual(await page.evaluate(() => globalThis.shown), [], 'those that stood before are no news');
  fresh = ['new-one'];
  await page.clock.runFor(16_000);
  await page.waitForFunction(() => globalThis.shown.length > 0);
  const shown = await page.evaluate(() => globalThis.shown);
  assert.equal(shown.length, 1);
  assert.match(shown[0], /^Critical incident: /);
});
