/**
 * Debian's kernel and a small initramfs in the cache folder, fetched and built when they are not there or not whole.
 *
 *     <cache>/lock             one process at a time works
 *     <cache>/apt/             private apt: lists, configuration
 *     <cache>/kernel-trixie/   manifest.json, vmlinux-<version>, initramfs-<version>.cpio, material-<version>.cpio
 *
 * "material" is what an initramfs is made of (busybox and stripped modules), so that a new version of godwit with
 * another `/init` builds its own without the network.
 */
import { join } from 'node:path';
import { sweepDrafts } from '../platform/node/draft-file.ts';
import { defaultCacheFolder, makeFolder } from './cache.ts';
import { GUEST_OPTIONS, type Guest, type GuestOptions, guestOf, inspectGuest, isReady, SUITE } from './guest-state.ts';
import { withFileLock } from './lock.ts';
import { type Progress, silentProgress } from './progress.ts';

/**
 * Debian trixie's kernel and an initramfs for it. Quick when they are there; otherwise fetches and builds them, which
 * needs apt, the network and some 200 MB of disk for a while, but no root.
 */
export async function ensureGuest(given: GuestOptions = {}): Promise<Guest> {
  const options = GUEST_OPTIONS.parse(given, 'options');
  const cacheFolder = options.cacheFolder ?? defaultCacheFolder();
  const folder = join(cacheFolder, `kernel-${SUITE}`);
  const progress = options.progress ?? silentProgress;
  const ready = await inspectGuest(folder, options.check ?? 'quick');
  if (options.update !== true && isReady(ready)) return guestOf(folder, ready.manifest, false);
  await makeFolder(folder);
  try {
    return await withFileLock(
      join(cacheFolder, 'lock'),
      () => progress.update({ phase: 'Waiting for another godwit to finish its work on the guest' }),
      () => repair(cacheFolder, folder, options, progress),
    );
  } finally {
    progress.end();
  }
}

/** With the lock held: looks again, since another process may have done the work, and does what is missing. */
async function repair(cacheFolder: string, folder: string, options: GuestOptions, progress: Progress): Promise<Guest> {
  const found = await inspectGuest(folder, options.check ?? 'quick');
  if (options.update !== true && isReady(found)) return guestOf(folder, found.manifest, false);
  await sweepDrafts(folder);
  // Loaded only now: most runs find the guest whole and need none of it.
  const builder = await import('./build-guest.ts');
  if (found !== 'absent' && options.update !== true) {
    for (const problem of found.problems) progress.note(`The cached guest is damaged: ${problem}. Making it again.`);
    const rebuilt = await builder.rebuildInitramfs(folder, found.manifest, found.problems, progress);
    if (rebuilt !== undefined) return guestOf(folder, rebuilt, true);
  }
  return builder.fetchGuest(cacheFolder, folder, options, progress);
}
