/** Another release of Node.js for a test run: from the npm registry, once, into the user's cache folder. */
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { lastLines, run, say } from '../setup/common.mjs';

/** The current release of Node.js, as the npm registry knew it when this was last looked at. */
export const NODE_LATEST = '26.10.0';

/** The package that the npm package `node` takes its program from; it needs no install script. */
const PACKAGE = `node-${process.platform}-${process.arch}`;

function programIn(folder) {
  return join(folder, 'node_modules', PACKAGE, 'bin', 'node');
}

/** The path of the program. `version`: "latest" (NODE_LATEST), or a version. */
export async function nodeRelease(wanted) {
  const version = wanted === 'latest' ? NODE_LATEST : wanted;
  if (!/^\d+(\.\d+){0,2}$/.test(version)) throw new Error(`"${version}" is no version of Node.js.`);
  const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'godwit', 'node');
  const folder = join(cache, version);
  if (existsSync(programIn(folder))) return programIn(folder);
  mkdirSync(cache, { recursive: true });
  const work = mkdtempSync(join(cache, 'install-'));
  try {
    say(`fetching Node.js ${version} with npm`);
    const options = ['--prefix', work, '--no-audit', '--no-fund', '--no-progress'];
    const { status, output } = await run('npm', ['install', ...options, `${PACKAGE}@${version}`]);
    if (status !== 0) throw new Error(`Node.js ${version} can't be had from npm:\n${lastLines(output)}`);
    // Where another run was quicker, its copy is used.
    if (!existsSync(folder)) renameSync(work, folder);
    return programIn(folder);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}
