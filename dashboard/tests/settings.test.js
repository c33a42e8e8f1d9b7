import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { closeBrowser, shows, signedIn } from './support/dashboard.js';

after(closeBrowser);

const field = (page, label) => page.getByLabel(label, { exact: false }).first();
const save = (page) => page.getByRole('button', { name: 'Save the policy' }).click();
const open = async () => {
  const { page } = await signedIn('operator', '#/settings');
  await page.getByLabel('api_calls: Threshold', { exact: true }).waitFor();
  return page;
};

/** Takes the settings of these tests back. */
async function reset(page) {
  await field(page, 'api_calls: Threshold').fill('');
  await field(page, 'api_calls: Least change').fill('');
  await save(page);
  await page.getByText(/^Saved as version|^Nothing is changed/).waitFor();
}

test('of two editors the slower one loses nothing and overwrites nothing', async () => {
  const one = await open();
  await reset(one);
  const two = await open();
  await field(one, 'api_calls: Threshold').fill('3.5');
  await save(one);
  await one.getByText(/^Saved as version/).waitFor();

  await field(two, 'api_calls: Least change').fill('123');
  await save(two);
  await two.getByText(/Somebody else has changed the policy/).waitFor();
  assert.equal(await field(two, 'api_calls: Least change').inputValue(), '123', 'the changes are kept');
  await two.getByRole('button', { name: 'Put my changes on top of theirs' }).click();
  await two.waitForFunction(() => document.querySelector('[aria-label="api_calls: Threshold"]').value === '3.5');
  assert.equal(await field(two, 'api_calls: Least change').inputValue(), '123');
  await save(two);
  await two.getByText(/^Saved as version/).waitFor();

  await reset(two);
});

test('a wrong value says which field, and what the API refuses is shown', async () => {
  const page = await open();
  await page.getByLabel('api_calls: Threshold', { exact: true }).fill('many');
  await save(page);
  await page.getByText('api_calls, Threshold: write a number.').waitFor();
  await page.getByLabel('api_calls: Threshold', { exact: true }).fill('1000');
  await save(page);
  await page.getByRole('alert').filter({ hasText: 'threshold' }).waitFor();
});

test('the preview shows what a change would have paged, beside the present policy', async () => {
  const page = await open();
  await page.getByLabel('Sensitivity', { exact: true }).fill('5');
  await page.getByLabel('Days').selectOption('7');
  await page.getByRole('button', { name: 'Show what would have paged' }).click();
  const result = page.locator('.preview');
  await result.waitFor({ timeout: 150_000 });
  await shows(result, /pages? under the changed policy/);
  const [, gone] = (await result.innerText()).match(/(\d+) gone/);
  assert.ok(Number(gone) > 0, 'a deaf policy loses pages');
});
