import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { address, closeBrowser, fillSignIn, freshPage, rows, signedIn, userOf } from './support/dashboard.js';

after(closeBrowser);

test('a person comes back to the address that was asked for', async () => {
  const { page, complaints } = await signedIn('operator', '#/incidents?severity=critical&sort=-z');
  assert.equal(page.url(), `${address()}#/incidents?severity=critical&sort=-z`);
  await rows(page);
  assert.deepEqual(complaints, []);
});

test('a wrong password does not sign in', async () => {
  const { page } = await freshPage();
  await page.goto(address());
  await fillSignIn(page, userOf('operator').name, 'wrong');
  await page.getByRole('alert').waitFor();
  assert.ok(!page.url().startsWith(address()), page.url());
});

test('no token is stored, and a reload signs in again by itself', async () => {
  const { page, context } = await signedIn('operator');
  await rows(page);
  const stored = await page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }]));
  assert.doesNotMatch(stored, /eyJ|access_token|refresh_token/);
  const asked = [];
  context.on('request', (request) => asked.push(request.url()));
  await page.reload();
  await rows(page);
  assert.ok(asked.some((url) => url.includes('/auth')), 'the provider was asked again');
});

test('signing out ends the session of the provider, and the page does not sign in again by itself', async () => {
  const { page } = await signedIn('operator');
  await rows(page);
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByText('You have signed out.').waitFor();
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByLabel('Password').waitFor();
});

test('a token that the API refuses is renewed once by the refresh token', async () => {
  const { page, context } = await signedIn('operator');
  await rows(page);
  let refused = 0;
  const grants = [];
  await context.route('**/v1/incidents?*', (route) => {
    refused += 1;
    return refused === 1 ? route.fulfill({ status: 401, json: { message: 'Unauthorized' } }) : route.continue();
  });
  context.on('request', (request) => {
    if (request.method() === 'POST' && request.url().includes('/token')) grants.push(request.postData());
  });
  await page.getByLabel('Severity').selectOption('critical');
  await page.waitForFunction(() => document.querySelectorAll('table.records tbody tr').length > 0);
  await rows(page);
  assert.equal(grants.length, 1);
  assert.match(grants[0], /grant_type=refresh_token/);
});

test('a session that cannot be renewed says so, and the address is kept', async () => {
  const { page, context } = await signedIn('operator', '#/incidents?state=open');
  await rows(page);
  await context.route('**/v1/**', (route) => route.fulfill({ status: 401, json: { message: 'Unauthorized' } }));
  await context.route('**/token', (route) => route.fulfill({ status: 400, json: { error: 'invalid_grant' } }));
  await page.getByLabel('Severity').selectOption('critical');
  await page.getByText('Your session has ended.').waitFor();
  await context.unroute('**/v1/**');
  await context.unroute('**/token');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await rows(page);
  assert.match(page.url(), /#\/incidents\?state=open&severity=critical$/);
});
