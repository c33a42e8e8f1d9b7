// What all tests need of the dashboard: its address and users, signing in as a person does, and what the page complained of.
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import axe from '@axe-core/playwright';
import { launch } from './browser.js';

const AxeBuilder = axe.default ?? axe;
const TAGS = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'];

export const setting = (name) => process.env[name] ?? assert.fail(`${name} is missing. \`make up\` writes it to .local/env`);

export const address = () => setting('DASHBOARD_URL').replace(/\/?$/, '/');

/** The name and the password of `operator`, `reader` or `customer`. */
export function userOf(kind) {
  const written = setting(`DASHBOARD_${kind.toUpperCase()}`);
  const at = written.indexOf(':');
  return { name: written.slice(0, at), password: written.slice(at + 1) };
}

// Each answer of the API comes up to so many milliseconds late. A test that reads a page too early fails then.
const SLOWEST = Number(process.env.DASHBOARD_SLOWEST_MS ?? 0);

let browser;

export async function openBrowser() {
  browser ??= await launch();
  return browser;
}

export async function closeBrowser() {
  await browser?.close();
  browser = undefined;
}

/** A fresh page in a session of its own. `complaints` collects errors of scripts and violations of the policy of contents. */
export async function freshPage(options = {}) {
  const context = await (await openBrowser()).newContext({ viewport: { width: 1280, height: 900 }, locale: 'en-GB', timezoneId: 'Europe/Berlin', ...options });
  if (SLOWEST > 0) {
    await context.route(/\/v1\//, async (route) => {
      await sleep(Math.random() * SLOWEST);
      await route.continue();
    });
  }
  const page = await context.newPage();
  const complaints = [];
  page.on('pageerror', (error) => complaints.push(`script: ${error.message}`));
  page.on('console', (message) => {
    if (/Content Security Policy|Content-Security-Policy/.test(message.text())) complaints.push(message.text());
  });
  page.on('dialog', (dialog) => {
    complaints.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  return { context, page, complaints };
}

export async function fillSignIn(page, name, password) {
  await page.getByLabel('User').fill(name);
  await page.getByLabel('Password').fill(password);
  await page.getByRole('button', { name: 'Sign in' }).click();
}

/** Opens a view as a user, through the pages of the provider. */
export async function signedIn(kind, view = '#/incidents', options = {}) {
  const opened = await freshPage(options);
  const { name, password } = userOf(kind);
  await opened.page.goto(address() + view);
  await fillSignIn(opened.page, name, password);
  await opened.page.locator('header.frame').waitFor();
  await opened.page.locator('main h1, main .notice').first().waitFor();
  return opened;
}

export async function go(page, view) {
  await page.evaluate((hash) => {
    location.hash = hash;
  }, view);
}

/** The rows of a list, once they are there. */
export async function rows(page) {
  const all = page.locator('table.records tbody tr');
  await all.first().waitFor();
  return all;
}

/** Opens a list and waits until its rows are those of the address. */
export async function openList(page, view) {
  await go(page, '#/runs');
  const route = view.startsWith('#/anomalies') ? '/v1/anomalies?' : '/v1/incidents?';
  const answered = page.waitForResponse((response) => response.url().includes(route) && response.url().includes('limit=100'));
  await page.getByRole('heading', { name: 'Runs', level: 1 }).waitFor();
  await go(page, view);
  await answered;
  return rows(page);
}

/** Waits until the text of a place matches, for the parts of a page come one after the other. */
export async function shows(place, pattern) {
  const end = Date.now() + 20_000;
  let text = await place.innerText();
  while (!pattern.test(text) && Date.now() < end) {
    await sleep(50);
    text = await place.innerText();
  }
  assert.match(text, pattern);
  return text;
}

/** What axe finds on a page, by the rules of WCAG 2.2 AA. */
export async function axeFaults(page) {
  // There are no frames, so axe may run in the page as a whole. Only violations are read, so axe need not list the rest.
  const builder = new AxeBuilder({ page }).options({ resultTypes: ['violations'] }).withTags(TAGS).setLegacyMode(true);
  const { violations } = await builder.analyze();
  return violations.map((one) => `${one.id}: ${one.nodes.slice(0, 3).map((node) => node.html).join(' | ')}`);
}
