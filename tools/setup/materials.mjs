/** What tests need beside programs: the vectors of Berkeley TestFloat, and Debian's kernel. Both live in the user's cache folder. */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ROOT, run, say } from './common.mjs';

export async function prepareTestFloat() {
  const { status, output } = await run(process.execPath, [join(ROOT, 'tools', 'testfloat.mjs')]);
  if (status !== 0) say(`${output.trim()}\n  The tests that need it will be skipped.`);
}

/** Fetches the guest that most tests of whole machines boot. */
export async function prepareGuest() {
  const { ensureGuest, renderProgress } = await import(pathToFileURL(join(ROOT, 'dist', 'guest', 'index.js')).href);
  try {
    await ensureGuest({ progress: renderProgress(process.stderr) });
  } catch (error) {
    say(`${[error.message, error.hint].filter(Boolean).join(' ')}\n  The tests that boot it will be skipped.`);
  }
}
