// Writes a brotli and a gzip form beside each file of a folder that becomes smaller by that:
//
//     node compress.mjs FOLDER

import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';

const FORMS = {
  '.br': (bytes) => brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length } }),
  '.gz': (bytes) => gzipSync(bytes, { level: 9 }),
};

const folder = process.argv[2];
for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
  const isForm = Object.keys(FORMS).some((ending) => entry.name.endsWith(ending));
  if (!entry.isFile() || isForm || entry.name.startsWith('.')) continue;
  const path = join(entry.parentPath ?? entry.path, entry.name);
  const bytes = readFileSync(path);
  for (const [ending, compress] of Object.entries(FORMS)) {
    const compressed = compress(bytes);
    if (compressed.length < bytes.length) writeFileSync(path + ending, compressed);
  }
}
