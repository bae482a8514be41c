/**
 * Debian's root disk in the cache folder:
 *
 *     <cache>/debian-lock           one process at a time builds
 *     <cache>/debian-trixie/        manifest.json, debian-trixie-<part of the hash>.qcow2
 *     <cache>/debian-work/          downloads, root folder and raw image, while it is built
 *
 * Machines don't write it: each gets a qcow2 of its own with this one as its backing file. So a finished disk is never changed
 * and never taken away, and a newer one has another name.
 */
import { chmod, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createDisk } from '../../platform/node/open-disk.ts';
import { openDebianApt } from '../apt.ts';
import {
  checkFiles,
  defaultCacheFolder,
  describeCachedFile,
  type Manifest,
  makeFolder,
  readManifest,
  syncPath,
  writeManifest,
} from '../cache.ts';
import { readCpio } from '../cpio.ts';
import { ensureGuest, type Guest, type GuestOptions, SUITE } from '../ensure-guest.ts';
import { sha256OfFile } from '../hash.ts';
import { withFileLock } from '../lock.ts';
import { type Progress, silentProgress } from '../progress.ts';
import { buildTree } from './build-tree.ts';
import { configureDisk, type RunMachine } from './configure.ts';
import { convertToQcow2 } from './convert.ts';
import { makeExt4Image } from './image.ts';
import { DEBIAN_PACKAGES } from './package-set.ts';

/** What a machine sees; the file holds only what is used of it. */
const DISK_BYTES = 8 * 1024 ** 3;
/** Raised when a disk that was made by an older godwit would not do any more. */
const DISK_LAYOUT_VERSION = '1';

export interface DebianOptions extends GuestOptions {
  /** Runs the machine in which Debian configures itself. */
  runMachine: RunMachine;
}

export interface DebianDisk {
  /** A qcow2 to be used as a backing file. */
  diskPath: string;
  sizeBytes: number;
  /** Versions of the packages on it. */
  packages: Record<string, string>;
  /** The kernel and the initramfs that it was made with. */
  guest: Guest;
  changed: boolean;
}

function diskOf(folder: string, manifest: Manifest, guest: Guest, changed: boolean): DebianDisk {
  const { layout: _layout, ...packages } = manifest.facts;
  const name = manifest.files.disk?.path ?? '';
  return { diskPath: join(folder, name), sizeBytes: DISK_BYTES, packages, guest, changed };
}

type Inspection =
  | { state: 'absent' }
  | { state: 'damaged'; problems: string[] }
  | { state: 'ready'; manifest: Manifest };

async function inspect(folder: string, options: Pick<DebianOptions, 'check'>): Promise<Inspection> {
  const manifest = await readManifest(folder);
  if (manifest?.files.disk === undefined || manifest.facts.layout !== DISK_LAYOUT_VERSION) return { state: 'absent' };
  const problems = await checkFiles(folder, manifest, options.check ?? 'quick');
  return problems.length === 0 ? { state: 'ready', manifest } : { state: 'damaged', problems };
}

/** The root disk if there is a whole one in the cache; never builds. The kernel and initramfs are brought up to date. */
export async function findDebianDisk(options: GuestOptions = {}): Promise<DebianDisk | undefined> {
  const folder = join(options.cacheFolder ?? defaultCacheFolder(), `debian-${SUITE}`);
  const found = await inspect(folder, options);
  return found.state === 'ready' ? diskOf(folder, found.manifest, await ensureGuest(options), false) : undefined;
}

/**
 * Debian trixie's root disk, and the kernel and initramfs to boot it with. Quick when it is there; otherwise it is fetched,
 * put together and configured, which needs apt, e2fsprogs, the network and 2 GB of disk for a while, but no root.
 */
export async function ensureDebianDisk(options: DebianOptions): Promise<DebianDisk> {
  const cacheFolder = options.cacheFolder ?? defaultCacheFolder();
  const folder = join(cacheFolder, `debian-${SUITE}`);
  const progress = options.progress ?? silentProgress;
  const guest = await ensureGuest(options);
  const found = await inspect(folder, options);
  if (options.update !== true && found.state === 'ready') return diskOf(folder, found.manifest, guest, false);
  await makeFolder(folder);
  try {
    return await withFileLock(
      join(cacheFolder, 'debian-lock'),
      () => progress.update({ phase: 'Waiting for another godwit to finish the Debian disk' }),
      async () => {
        const again = await inspect(folder, options);
        if (options.update !== true && again.state === 'ready') return diskOf(folder, again.manifest, guest, false);
        if (again.state === 'damaged') {
          progress.note(
            `The cached Debian disk is damaged: ${again.problems.join(', ')}. Making a new one; disks based on it are lost.`,
          );
        }
        const manifest = await build(cacheFolder, folder, guest, options, progress);
        return diskOf(folder, manifest, guest, true);
      },
    );
  } finally {
    progress.end();
  }
}

async function build(
  cacheFolder: string,
  folder: string,
  guest: Guest,
  options: DebianOptions,
  progress: Progress,
): Promise<Manifest> {
  const work = join(cacheFolder, 'debian-work');
  await rm(work, { recursive: true, force: true });
  await makeFolder(work);
  try {
    const apt = await openDebianApt({
      folder: work,
      suite: SUITE,
      progress,
      ...(options.mirror === undefined ? {} : { mirror: options.mirror }),
      ...(options.keyring === undefined ? {} : { keyring: options.keyring }),
    });
    const records = await apt.resolve(DEBIAN_PACKAGES);
    const packages = await apt.download(records, join(work, 'packages'), 'Fetching Debian packages', progress);
    const tree = await buildTree({
      folder: join(work, 'root'),
      packages,
      initramfs: readCpio(await readFile(guest.initramfsPath)),
      mirror: apt.mirror,
      suite: SUITE,
      progress,
    });
    progress.update({ phase: 'Making the file system' });
    const rawPath = join(work, 'root.raw');
    await makeExt4Image(tree, rawPath, DISK_BYTES);
    await configureDisk({
      guest,
      diskPath: rawPath,
      packageCount: packages.length,
      runMachine: options.runMachine,
      progress,
    });
    const qcow2Path = join(work, 'root.qcow2');
    await convertToQcow2(rawPath, qcow2Path, progress);
    return await publish(folder, qcow2Path, Object.fromEntries(records.map(({ name, version }) => [name, version])));
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** Gives the finished image its name, makes it read-only and notes it in the manifest. */
async function publish(folder: string, qcow2Path: string, versions: Record<string, string>): Promise<Manifest> {
  await syncPath(qcow2Path);
  const sha256 = await sha256OfFile(qcow2Path);
  const name = `debian-${SUITE}-${sha256.slice(0, 12)}.qcow2`;
  await chmod(qcow2Path, 0o444);
  await rename(qcow2Path, join(folder, name));
  await syncPath(folder);
  const manifest: Manifest = {
    version: 1,
    recipe: sha256,
    facts: { layout: DISK_LAYOUT_VERSION, ...versions },
    files: { disk: await describeCachedFile(folder, name) },
  };
  await writeManifest(folder, manifest);
  return manifest;
}

/** A disk for a new machine on top of Debian's: takes no space until the machine writes. */
export async function createMachineDisk(path: string, debian: DebianDisk): Promise<void> {
  await createDisk(path, { backing: { path: debian.diskPath, format: 'qcow2' } });
}
