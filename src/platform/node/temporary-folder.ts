/** Folders for images that are gone when their machine ends. */
import { realpathSync } from 'node:fs';
import { mkdtemp, readdir, readFile, realpath, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { isRunning, livenessOf, ownIdentity, type ProcessIdentity } from './process-identity.ts';

const PREFIX = 'godwit-temporary-';
/** A process makes one for each fork with a disk, and need not look at its own each time. */
const OWN_PREFIX = `${PREFIX}${process.pid}-`;
const OWNER_FILE = '.owner.json';
/** Making a folder takes milliseconds; so long after it says whose it is, or its process was ended in the midst. */
const MADE_AFTER_MS = 60_000;

/** Those of killed processes are taken away at this opportunity: their images can be large, and are of no use. */
export async function makeTemporaryFolder(): Promise<string> {
  const parent = await realpath(tmpdir());
  await sweep(parent);
  const folder = await mkdtemp(join(parent, OWN_PREFIX));
  await writeFile(join(folder, OWNER_FILE), JSON.stringify(await ownIdentity()), { mode: 0o600 });
  return folder;
}

async function sweep(parent: string): Promise<void> {
  const names = await readdir(parent).catch(() => []);
  for (const name of names.filter((each) => each.startsWith(PREFIX) && !each.startsWith(OWN_PREFIX))) {
    const folder = join(parent, name);
    // Folders of other users are none of ours, and cannot be read.
    if (await isOfTheDead(folder)) await rm(folder, { recursive: true, force: true }).catch(() => {});
  }
}

async function isOfTheDead(folder: string): Promise<boolean> {
  try {
    const text = await readFile(join(folder, OWNER_FILE), 'utf8').catch(() => undefined);
    if (text === undefined) return await isForgotten(folder);
    const owner = JSON.parse(text) as Partial<ProcessIdentity>;
    const { machine, boot, pidNamespace, pid, startTicks } = owner;
    const texts = [machine, boot, pidNamespace, startTicks];
    if (!Number.isSafeInteger(pid) || !texts.every((text) => typeof text === 'string')) return false;
    return (await livenessOf(owner as ProcessIdentity)) === 'dead';
  } catch {
    return false;
  }
}

/**
 * A folder that does not say whose it is may have been made just now, or its process ended while it took the folder
 * away.
 */
async function isForgotten(folder: string): Promise<boolean> {
  const pid = Number(basename(folder).slice(PREFIX.length).split('-')[0]);
  const { mtimeMs } = await stat(folder);
  return Number.isSafeInteger(pid) && !isRunning(pid) && Date.now() - mtimeMs > MADE_AFTER_MS;
}

/** Whether a file, whose path has no symbolic links, lies in such a folder. What is to last must not rest on it. */
export function isTemporary(path: string): boolean {
  const folder = dirname(path);
  return basename(folder).startsWith(PREFIX) && dirname(folder) === realpathSync(tmpdir());
}
