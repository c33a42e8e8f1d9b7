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

test('a token that expires is renewed without a word, and the old one opens nothing', async () => {
  // A client of the provider whose tokens are valid for twenty seconds. All else is as ever.
  const { page, context } = await freshPage();
  await context.route('**/dashboard.json', async (route) => {
    const answer = await route.fetch();
    return route.fulfill({ response: answer, json: { ...(await answer.json()), client_id: 'meterflow-dashboard-brief' } });
  });
  const tokens = [];
  const grants = [];
  context.on('request', (request) => {
    const { authorization } = request.headers();
    if (authorization?.startsWith('Bearer ') && tokens.at(-1) !== authorization) tokens.push(authorization);
    if (request.method() === 'POST' && request.url().endsWith('/token')) grants.push(new URLSearchParams(request.postData()).get('grant_type'));
  });
  await page.goto(`${address()}#/incidents?state=open`);
  const { name, password } = userOf('operator');
  await fillSignIn(page, name, password);
  await rows(page);
  const [first] = tokens;
  const expires = JSON.parse(Buffer.from(first.split('.')[1], 'base64url').toString()).exp * 1000;
  assert.ok(expires - Date.now() <= 20_000, 'the token is short-lived');
  await page.waitForTimeout(expires - Date.now() + 1_500);

  const refused = await fetch(new URL('v1/incidents?limit=1', address()), { headers: { authorization: first } });
  assert.equal(refused.status, 401, 'the first token has expired');
  const answered = page.waitForResponse((response) => response.url().includes('/v1/incidents?') && response.url().includes('severity=warning'));
  await page.getByLabel('Severity').selectOption('warning');
  assert.equal((await answered).status(), 200);
  await rows(page);
  assert.notEqual(tokens.at(-1), first);
  assert.deepEqual([grants[0], grants.at(-1)], ['authorization_code', 'refresh_token']);
  assert.equal(page.url(), `${address()}#/incidents?state=open&severity=warning`);
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
