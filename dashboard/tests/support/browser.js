// A real browser for the tests: the Chromium of the machine if there is one, otherwise the one that npm brings.
import { execFileSync } from 'node:child_process';
import bundled from '@sparticuz/chromium';
import { chromium } from 'playwright-core';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome'];
// The pages have no 3D graphics. A graphics card that is emulated takes longer to draw than no card.
bundled.setGraphicsMode = false;

export async function launch() {
  const executablePath = await program();
  return chromium.launch({ executablePath, args: ofMachine() ? ['--no-sandbox'] : bundled.args });
}

/** The path of the browser's program. The one that npm brings is unpacked first, unless that was done before. */
export async function program() {
  return ofMachine() ?? bundled.executablePath();
}

function ofMachine() {
  return process.env.CHROMIUM ?? NAMES.map(onPath).find(Boolean);
}

function onPath(name) {
  try {
    return execFileSync('which', [name], { stdio: ['ignore', 'pipe', 'ignore'] }).toString().trim();
  } catch {
    return undefined;
  }
}
