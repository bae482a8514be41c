/**
 * What tests need beside programs: the vectors of Berkeley TestFloat, Debian's kernel and, with CI=true, Debian's root
 * disk, which takes some minutes the first time. All live in the user's cache folder.
 */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ROOT, run, say } from './common.mjs';

/** Both fetch with apt, each for itself, so they run side by side. */
export async function prepareMaterials() {
  await Promise.all([prepareTestFloat(), prepareGuest()]);
}

async function prepareTestFloat() {
  const { status } = await run(process.execPath, [join(ROOT, 'tools', 'testfloat.mjs')], { show: true });
  if (status !== 0) say('the tests that need it will be skipped');
}

function built(...path) {
  return import(pathToFileURL(join(ROOT, 'dist', ...path)).href);
}

/** Fetches the guest that most tests of whole machines boot. */
async function prepareGuest() {
  const { ensureDebianDisk, ensureGuest, renderProgress } = await built('guest', 'index.js');
  const progress = renderProgress(process.stderr);
  try {
    await ensureGuest({ progress });
    if (process.env.CI !== 'true') return;
    await built('platform', 'node', 'install.js');
    const { runToEnd } = await built('cli', 'run-to-end.js');
    await ensureDebianDisk({ progress, runMachine: runToEnd });
  } catch (error) {
    say(`${[error.message, error.hint].filter(Boolean).join(' ')}\n  The tests that boot it will be skipped.`);
  }
}
