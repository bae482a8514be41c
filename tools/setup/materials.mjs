/**
 * What tests need beside programs: the vectors of Berkeley TestFloat, and Debian's kernel. Both live in the user's
 * cache folder.
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

/** Fetches the guest that most tests of whole machines boot. */
async function prepareGuest() {
  const { ensureGuest, renderProgress } = await import(pathToFileURL(join(ROOT, 'dist', 'guest', 'index.js')).href);
  try {
    await ensureGuest({ progress: renderProgress(process.stderr) });
  } catch (error) {
    say(`${[error.message, error.hint].filter(Boolean).join(' ')}\n  The tests that boot it will be skipped.`);
  }
}
