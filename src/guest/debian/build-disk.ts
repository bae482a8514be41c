/** Builds Debian's root disk: what {@link ensureDebianDisk} needs only when there is none. */
import { chmod, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { throwIfCancelled } from '../../common/cancellation.ts';
import { describeCachedFile, type Manifest, makeFolder, syncPath, writeManifest } from '../cache.ts';
import { readCpio } from '../cpio.ts';
import { openDebianApt } from '../debian-apt.ts';
import { type Guest, SUITE } from '../guest-state.ts';
import { sha256OfFile } from '../hash.ts';
import type { Progress } from '../progress.ts';
import { buildTree } from './build-tree.ts';
import { CANCELLED, configureDisk } from './configure.ts';
import { convertToQcow2 } from './convert.ts';
import { type DebianOptions, DISK_BYTES, DISK_LAYOUT_VERSION, diskName } from './disk-state.ts';
import { makeExt4Image } from './image.ts';
import { DEBIAN_VARIANTS } from './package-set.ts';

/** Fetches, unpacks, configures and converts. The caller holds the lock. */
export async function buildDisk(
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
    const { signal } = options;
    throwIfCancelled(signal, CANCELLED);
    const records = await apt.resolve(DEBIAN_VARIANTS[options.variant ?? 'usual']);
    const packages = await apt.download(records, join(work, 'packages'), 'Fetching Debian packages', progress);
    const tree = await buildTree({
      folder: join(work, 'root'),
      packages,
      initramfs: readCpio(await readFile(guest.initramfsPath)),
      mirror: apt.mirror,
      suite: SUITE,
      progress,
      onPackage: () => throwIfCancelled(signal, CANCELLED),
    });
    progress.update({ phase: 'Making the file system' });
    const rawPath = join(work, 'root.raw');
    await makeExt4Image(tree, rawPath, DISK_BYTES);
    throwIfCancelled(signal, CANCELLED);
    await configureDisk({
      guest,
      diskPath: rawPath,
      packageCount: packages.length,
      logPath: join(cacheFolder, 'debian-configure.log'),
      runMachine: options.runMachine,
      progress,
      ...(signal && { signal }),
    });
    const qcow2Path = join(work, 'root.qcow2');
    await convertToQcow2(rawPath, qcow2Path, progress);
    return await publish(
      folder,
      diskName(options.variant),
      qcow2Path,
      Object.fromEntries(records.map(({ name, version }) => [name, version])),
    );
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** Gives the finished image its name, makes it read-only and notes it in the manifest. */
async function publish(
  folder: string,
  baseName: string,
  qcow2Path: string,
  versions: Record<string, string>,
): Promise<Manifest> {
  await syncPath(qcow2Path);
  const sha256 = await sha256OfFile(qcow2Path);
  const name = `${baseName}-${sha256.slice(0, 12)}.qcow2`;
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
