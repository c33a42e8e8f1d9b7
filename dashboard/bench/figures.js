// `make bench PARTS=dashboard`: how soon the page shows a list of a thousand incidents and answers, its size, and what axe says.
//
// The incidents are real: a thousand customers whose usage rose in the last hour, judged by the deployed detector. A real browser
// asks the deployed API for them. Times are medians of several attempts, on this machine.
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import axe from '@axe-core/playwright';
import { closeBrowser, go, rows, signedIn } from '../tests/support/dashboard.js';
import { allRows, firstPaint, interactions, median } from '../tests/support/speed.js';
import { insertRisen, judge } from '../tests/support/usage.js';

const AxeBuilder = axe.default ?? axe;
const CUSTOMERS = 1000;
const ATTEMPTS = 5;
// How far a figure may miss its goal before the bench fails, as in the other parts.
const TOLERANCE = 1.1;
const TAGS = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'];

await insertRisen(CUSTOMERS);
const { anomalies_found: found } = await judge();
if (found < CUSTOMERS) throw new Error(`The run found ${found} anomalies, so the list has no ${CUSTOMERS} incidents.`);
const { page } = await signedIn('operator', '#/runs');
const figures = [...(await ofList()), await ofIncident(), ...(await ofAxe()), ofSize()];
await closeBrowser();

console.log(`\n${'figure'.padEnd(62)} ${'measured'.padStart(14)}   ${'goal'.padEnd(20)} ${''.padEnd(7)} made of`);
for (const { name, value, unit, most, madeOf } of figures) {
  const mark = value > most * TOLERANCE ? 'MISSED' : '';
  const suffix = unit ? ` ${unit}` : '';
  console.log(`${name.padEnd(62)} ${`${shown(value)}${suffix}`.padStart(14)}   ${`at most ${most}${suffix}`.padEnd(20)} ${mark.padEnd(7)} ${madeOf}`);
}
const missed = figures.filter(({ value, most }) => value > most * TOLERANCE).length;
console.log(`\n${missed} of ${figures.length} figures miss their goal by more than 10 %`);
process.exitCode = missed === 0 ? 0 : 1;

async function ofList() {
  const first = [];
  const all = [];
  const answered = [];
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    await go(page, '#/runs');
    await page.getByRole('heading', { name: 'Runs', level: 1 }).waitFor();
    first.push(await firstPaint(page));
    all.push(await allRows(page, CUSTOMERS));
    answered.push(...(await interactions(page)));
  }
  const madeOf = `${ATTEMPTS} attempts; the API answers the rows`;
  return [
    { name: `first paint of a list of ${CUSTOMERS} incidents, its first 100 rows`, value: median(first), unit: 'ms', most: 1000, madeOf },
    { name: `all ${CUSTOMERS} rows, after "Load all"`, value: median(all), unit: 'ms', most: 5000, madeOf: `${madeOf}, 100 at once` },
    { name: `a key or a choice in a list of ${CUSTOMERS} rows`, value: median(answered), unit: 'ms', most: 100, madeOf: `${answered.length} keys and choices, until the next frame` },
  ];
}

async function ofIncident() {
  const times = [];
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    await go(page, '#/incidents');
    const link = (await rows(page)).nth(attempt).locator('a.row-link');
    const start = performance.now();
    await link.click();
    await page.locator('.chart canvas').first().waitFor();
    times.push(performance.now() - start);
  }
  return { name: 'an incident, from the click to its chart', value: median(times), unit: 'ms', most: 2000, madeOf: `${ATTEMPTS} incidents` };
}

async function ofAxe() {
  const views = ['#/overview', '#/incidents', '#/anomalies', '#/customers/risen_0001', '#/settings', '#/runs'];
  let violations = 0;
  let passed = 0;
  for (const view of views) {
    await go(page, view);
    await page.locator('main h1').first().waitFor();
    await page.waitForLoadState('networkidle');
    const result = await new AxeBuilder({ page }).withTags(TAGS).analyze();
    violations += result.violations.length;
    passed += result.passes.length;
  }
  return [{ name: 'violations of WCAG 2.2 AA that axe finds', value: violations, unit: '', most: 0, madeOf: `${views.length} views, ${passed} rules passed` }];
}

function ofSize() {
  const dist = fileURLToPath(new URL('../dist', import.meta.url));
  const files = readdirSync(dist, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.(html|js|css|svg)$/.test(entry.name));
  const bytes = files.reduce((sum, entry) => sum + gzipSync(readFileSync(join(entry.parentPath ?? entry.path, entry.name)), { level: 9 }).length, 0);
  return { name: 'size of the whole page, compressed', value: bytes / 1000, unit: 'kB', most: 150, madeOf: `${files.length} files, gzip` };
}

/** Three digits that count, and no more than two decimals, as in the other parts. */
function shown(value) {
  if (Number.isInteger(value)) return String(value);
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);
}
