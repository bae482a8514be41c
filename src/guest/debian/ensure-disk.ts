/**
 * Debian's root disk in the cache folder:
 *
 *     <cache>/debian-lock           one process at a time builds
 *     <cache>/debian-trixie/        manifest.json, debian-trixie-<part of the hash>.qcow2
 *     <cache>/debian-trixie-bench/  the same for the benchmarks' variant of it
 *     <cache>/debian-work/          downloads, root folder and raw image, while it is built
 *
 * Machines don't write it: each gets a qcow2 of its own with this one as its backing file. So a finished disk is never
 * changed and never taken away, and a newer one has another name.
 */
import { join } from 'node:path';
import { createDisk } from '../../backend/disk/live/open-disk.ts';
import { GodwitError } from '../../common/errors.ts';
import { defaultCacheFolder, makeFolder } from '../cache.ts';
import { ensureGuest } from '../ensure-guest.ts';
import { withFileLock } from '../lock.ts';
import { silentProgress } from '../progress.ts';
import { CANCELLED } from './configure.ts';
import {
  DEBIAN_OPTIONS,
  type DebianDisk,
  type DebianOptions,
  diskName,
  diskOf,
  type FindDebianOptions,
  inspectDisk,
} from './disk-state.ts';

/**
 * The root disk if there is a whole one in the cache; never builds. The kernel and initramfs are brought up to date.
 */
export async function findDebianDisk(options: FindDebianOptions = {}): Promise<DebianDisk | undefined> {
  const folder = join(options.cacheFolder ?? defaultCacheFolder(), diskName(options.variant));
  const found = await inspectDisk(folder, options);
  const { variant: _, ...guestOptions } = options;
  return found.state === 'ready' ? diskOf(folder, found.manifest, await ensureGuest(guestOptions), false) : undefined;
}

/**
 * Debian trixie's root disk, and the kernel and initramfs to boot it with. Quick when it is there; otherwise it is
 * fetched, put together and configured, which needs apt, e2fsprogs, the network and 2 GB of disk for a while, but no
 * root.
 */
export async function ensureDebianDisk(given: DebianOptions): Promise<DebianDisk> {
  const options = DEBIAN_OPTIONS.parse(given, 'options');
  const { runMachine: _, variant: _variant, signal: _signal, ...guestOptions } = options;
  const cacheFolder = options.cacheFolder ?? defaultCacheFolder();
  const folder = join(cacheFolder, diskName(options.variant));
  const progress = options.progress ?? silentProgress;
  const guest = await untilCancelled(ensureGuest(guestOptions), options.signal);
  const found = await inspectDisk(folder, options);
  if (options.update !== true && found.state === 'ready') return diskOf(folder, found.manifest, guest, false);
  await makeFolder(folder);
  try {
    return await withFileLock(
      join(cacheFolder, 'debian-lock'),
      () => progress.update({ phase: 'Waiting for another godwit to finish the Debian disk' }),
      async () => {
        const again = await inspectDisk(folder, options);
        if (options.update !== true && again.state === 'ready') return diskOf(folder, again.manifest, guest, false);
        if (again.state === 'damaged') {
          progress.note(
            `The cached Debian disk is damaged: ${again.problems.join(', ')}. Making a new one; disks based on it are lost.`,
          );
        }
        const { buildDisk } = await import('./build-disk.ts');
        const manifest = await buildDisk(cacheFolder, folder, guest, options, progress);
        return diskOf(folder, manifest, guest, true);
      },
      options.signal,
    );
  } finally {
    progress.end();
  }
}

/** The work's result, unless the signal comes first: then the work goes on, but nobody waits for it. */
async function untilCancelled<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return await work;
  let cancel = (): void => {};
  const cancelled = new Promise<never>((_, reject) => {
    cancel = () => reject(new GodwitError('state', `${CANCELLED}.`));
  });
  signal.addEventListener('abort', cancel);
  try {
    return await Promise.race([work, cancelled]);
  } finally {
    signal.removeEventListener('abort', cancel);
  }
}

/** A disk for a new machine on top of Debian's: takes no space until the machine writes. */
export async function createMachineDisk(path: string, debian: DebianDisk): Promise<void> {
  await createDisk(path, { backing: { path: debian.diskPath, format: 'qcow2' } });
}
