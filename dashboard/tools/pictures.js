// Copies the pictures of the documents from those that the browser tests make. Look at them before you commit them.
import { copyFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const PICTURES = {
  overview: 'overview-light',
  incidents: 'incidents-light',
  incident: 'incident-light',
  'incident-dark': 'incident-dark',
  anomaly: 'anomaly-light',
  customer: 'customer-light',
  workflow: 'entity-light',
  settings: 'settings-light',
  runs: 'runs-light',
  phone: 'incident-phone',
};
const place = (path) => fileURLToPath(new URL(path, import.meta.url));

for (const [name, made] of Object.entries(PICTURES)) {
  copyFileSync(place(`../tests/screenshots/${made}.png`), place(`../../docs/dashboard/${name}.png`));
  console.log(`docs/dashboard/${name}.png`);
}
