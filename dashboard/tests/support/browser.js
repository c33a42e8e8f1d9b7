// A real browser for the tests: the Chromium of the machine if there is one, otherwise the one that npm brings.
import { execFileSync } from 'node:child_process';
import bundled from '@sparticuz/chromium';
import { chromium } from 'playwright-core';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome'];

export async function launch() {
  const own = process.env.CHROMIUM ?? NAMES.map(onPath).find(Boolean);
  if (own) return chromium.launch({ executablePath: own, args: ['--no-sandbox'] });
  // The pages have no 3D graphics. A graphics card that is emulated takes longer to draw than no card.
  bundled.setGraphicsMode = false;
  return chromium.launch({ executablePath: await bundled.executablePath(), args: bundled.args });
}

function onPath(name) {
  try {
    return execFileSync('which', [name], { stdio: ['ignore', 'pipe', 'ignore'] }).toString().trim();
  } catch {
    return undefined;
  }
}
