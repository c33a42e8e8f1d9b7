// Fails if the built page is larger than people should wait for. The figure is the gzip size of all files together.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

const LIMIT_KB = 150;
const dist = fileURLToPath(new URL('../dist', import.meta.url));

const files = readdirSync(dist, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile())
  .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
  .map((path) => ({ path: path.slice(dist.length + 1), bytes: gzipSync(readFileSync(path), { level: 9 }).length }))
  .sort((a, b) => b.bytes - a.bytes);
const kb = files.reduce((sum, file) => sum + file.bytes, 0) / 1000;

for (const file of files) console.log(`${(file.bytes / 1000).toFixed(1).padStart(8)} kB  ${file.path}`);
console.log(`${kb.toFixed(1).padStart(8)} kB  together, compressed; the limit is ${LIMIT_KB} kB`);
if (kb > LIMIT_KB) {
  console.error('The page is too large. Leave out a library, or load a view only when it is opened.');
  process.exit(1);
}
