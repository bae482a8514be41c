/** Puts the root folder of a Debian system together out of packages, ready to be configured by the guest. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { FetchedPackage } from '../apt.ts';
import type { CpioEntry } from '../cpio.ts';
import type { Progress } from '../progress.ts';
import { infoName, writeDpkgDatabase } from './dpkg-database.ts';
import { ROOT_OWNED, RootTree } from './root-tree.ts';
import { addSystemFiles } from './system-files.ts';
import { type UnpackedPackage, unpackPackage } from './unpack.ts';

export interface TreeOptions {
  folder: string;
  packages: readonly FetchedPackage[];
  /** The initramfs's entries; its kernel modules go onto the disk as well. */
  initramfs: readonly CpioEntry[];
  mirror: string;
  suite: string;
  progress: Progress;
  /** Called before each package; what it throws ends the work. */
  onPackage?(): void;
}

/** base-files brings the links /bin, /lib and so on that other packages' paths go through. */
function baseFirst(packages: readonly FetchedPackage[]): FetchedPackage[] {
  const first = ['base-files', 'base-passwd'];
  return [
    ...first.flatMap((name) => packages.filter((each) => each.name === name)),
    ...packages.filter((each) => !first.includes(each.name)),
  ];
}

/**
 * What base-passwd's script does at an installation, and mawk's, and what others count on before those are configured.
 */
async function addBaseAccounts(tree: RootTree): Promise<void> {
  for (const name of ['passwd', 'group']) {
    const master = await readFile(join(tree.folder, tree.resolve(`usr/share/base-passwd/${name}.master`)));
    await tree.addFile(`etc/${name}`, master);
  }
  await tree.addSymlink('usr/bin/awk', 'mawk');
}

async function addModules(tree: RootTree, initramfs: readonly CpioEntry[]): Promise<void> {
  for (const entry of initramfs) {
    if (entry.type === 'file' && entry.name.startsWith('lib/modules/'))
      await tree.addFile(`usr/${entry.name}`, entry.content);
  }
}

/** The root folder with all packages unpacked. */
export async function buildTree(options: TreeOptions): Promise<RootTree> {
  const tree = new RootTree(options.folder);
  const packages = baseFirst(options.packages);
  const unpacked: UnpackedPackage[] = [];
  for (const [index, each] of packages.entries()) {
    const progress = { done: index, total: packages.length, unit: 'packages' } as const;
    options.progress.update({ phase: 'Unpacking Debian packages', ...progress });
    options.onPackage?.();
    unpacked.push(await unpackPackage(tree, each));
  }
  await addBaseAccounts(tree);
  await addModules(tree, options.initramfs);
  await writeDpkgDatabase(tree, unpacked);
  const preinstOrder = unpacked.filter((each) => each.controlFiles.has('preinst')).map(infoName);
  await addSystemFiles(tree, { mirror: options.mirror, suite: options.suite, preinstOrder });
  await tree.addDirectory('root', { ...ROOT_OWNED, permissions: 0o700 });
  return tree;
}
