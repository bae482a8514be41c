/**
 * Debian's kernel and a small initramfs in the cache folder, fetched and built when they are not there or not whole.
 *
 *     <cache>/lock             one process at a time works
 *     <cache>/apt/             private apt: lists, configuration
 *     <cache>/kernel-trixie/   manifest.json, vmlinux-<version>, initramfs-<version>.cpio, material-<version>.cpio
 *
 * "material" is what an initramfs is made of (busybox and stripped modules), so that a new version of godwit with another
 * `/init` builds its own without the network.
 */
import { createHash } from 'node:crypto';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { GodwitError } from '../common/errors.ts';
import { openDebianApt, type PackageRecord, type PrivateApt } from './apt.ts';
import {
  addCachedFile,
  type CheckDepth,
  checkFiles,
  defaultCacheFolder,
  type Manifest,
  makeFolder,
  readManifest,
  writeManifest,
} from './cache.ts';
import { type CpioEntry, readCpio, writeCpio } from './cpio.ts';
import { readDebFiles } from './deb.ts';
import { FSTAB, INIT_SCRIPT, PROFILE } from './init-script.ts';
import { buildInitramfs, type InitramfsParts, WANTED_MODULES } from './initramfs.ts';
import { withFileLock } from './lock.ts';
import { readModuleInfo } from './modinfo.ts';
import { type ModulePackage, moduleName, resolveModules } from './modules.ts';
import { type Progress, silentProgress } from './progress.ts';
import { stripModule } from './strip-module.ts';

export const SUITE = 'trixie';
/** Raised when the same parts are put together in another way. */
const LAYOUT_VERSION = 1;

export interface GuestOptions {
  /** Where all is kept; by default `$XDG_CACHE_HOME/godwit` or `~/.cache/godwit`. */
  cacheFolder?: string;
  progress?: Progress;
  /** 'full' hashes every file; 'quick', the default, looks at sizes and times. */
  check?: CheckDepth;
  /** Looks for a newer kernel although one is there. */
  update?: boolean;
  /** A Debian mirror, instead of GODWIT_MIRROR or the one in this machine's apt sources. */
  mirror?: string;
  /** A keyring, instead of Debian's that is installed. */
  keyring?: string;
}

export interface Guest {
  kernelPath: string;
  initramfsPath: string;
  /** As `uname -r` prints it: "6.12.107+deb13-riscv64". */
  kernelVersion: string;
  /** Versions of the Debian packages that they come from. */
  packages: Record<string, string>;
  /** Whether anything had to be fetched or built. */
  changed: boolean;
}

/** Identifies what is made out of the fetched packages: another one means that the initramfs must be built anew. */
function recipe(): string {
  const hash = createHash('sha256');
  hash.update(JSON.stringify([LAYOUT_VERSION, WANTED_MODULES, INIT_SCRIPT, FSTAB, PROFILE]));
  return hash.digest('hex');
}

function guestOf(folder: string, manifest: Manifest, changed: boolean): Guest {
  const pathOf = (name: string): string => {
    const file = manifest.files[name];
    if (file === undefined) throw new GodwitError('damaged', `The manifest in ${folder} names no ${name}.`);
    return join(folder, file.path);
  };
  const { kernelVersion = '', modules: _, ...packages } = manifest.facts;
  return { kernelPath: pathOf('kernel'), initramfsPath: pathOf('initramfs'), kernelVersion, packages, changed };
}

/** What is wrong with the cache; 'absent' if there is none yet. */
async function inspect(
  folder: string,
  depth: CheckDepth,
): Promise<{ manifest: Manifest; problems: string[] } | 'absent'> {
  const manifest = await readManifest(folder);
  if (manifest === undefined) return 'absent';
  const named = ['kernel', 'initramfs', 'material'].filter((name) => manifest.files[name] === undefined);
  const problems = named.map((name) => `the ${name} is missing`);
  return { manifest, problems: [...problems, ...(await checkFiles(folder, manifest, depth))] };
}

/**
 * Debian trixie's kernel and an initramfs for it. Quick when they are there; otherwise fetches and builds them, which needs
 * apt, the network and some 200 MB of disk for a while, but no root.
 */
export async function ensureGuest(options: GuestOptions = {}): Promise<Guest> {
  const cacheFolder = options.cacheFolder ?? defaultCacheFolder();
  const folder = join(cacheFolder, `kernel-${SUITE}`);
  const progress = options.progress ?? silentProgress;
  const ready = await inspect(folder, options.check ?? 'quick');
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

function isReady(found: Awaited<ReturnType<typeof inspect>>): found is { manifest: Manifest; problems: string[] } {
  return found !== 'absent' && found.problems.length === 0 && found.manifest.recipe === recipe();
}

/** With the lock held: looks again, since another process may have done the work, and does what is missing. */
async function repair(cacheFolder: string, folder: string, options: GuestOptions, progress: Progress): Promise<Guest> {
  const found = await inspect(folder, options.check ?? 'quick');
  if (options.update !== true && isReady(found)) return guestOf(folder, found.manifest, false);
  if (found !== 'absent' && options.update !== true) {
    for (const problem of found.problems) progress.note(`The cached guest is damaged: ${problem}. Making it again.`);
    const rebuilt = await rebuildInitramfs(folder, found.manifest, found.problems, progress);
    if (rebuilt !== undefined) return guestOf(folder, rebuilt, true);
  }
  return fetchGuest(cacheFolder, folder, options, progress);
}

const MATERIAL_BUSYBOX = 'busybox';

/** Builds the initramfs out of the cached material, if kernel and material are whole. */
async function rebuildInitramfs(
  folder: string,
  manifest: Manifest,
  problems: readonly string[],
  progress: Progress,
): Promise<Manifest | undefined> {
  const { kernel, material, initramfs } = manifest.files;
  if (kernel === undefined || material === undefined) return undefined;
  const others = problems.filter((problem) => initramfs === undefined || !problem.startsWith(initramfs.path));
  if (others.length > 0 || manifest.facts.modules !== WANTED_MODULES.join(' ')) return undefined;
  progress.update({ phase: 'Building the initramfs' });
  const parts = await readMaterial(join(folder, material.path), manifest.facts.kernelVersion ?? '');
  const built = await addCachedFile(folder, `initramfs-${parts.kernelVersion}.cpio`, buildInitramfs(parts));
  const changed: Manifest = { ...manifest, recipe: recipe(), files: { kernel, material, initramfs: built } };
  await writeManifest(folder, changed);
  return changed;
}

function materialOf(parts: InitramfsParts): Uint8Array {
  const file = (name: string, content: Uint8Array): CpioEntry => ({ type: 'file', name, permissions: 0o644, content });
  return writeCpio([
    file(MATERIAL_BUSYBOX, parts.busybox),
    ...parts.modules.map((module) => file(module.path, module.content)),
  ]);
}

async function readMaterial(path: string, kernelVersion: string): Promise<InitramfsParts> {
  const files = readCpio(await readFile(path)).filter((entry) => entry.type === 'file');
  const busybox = files.find((entry) => entry.name === MATERIAL_BUSYBOX);
  if (busybox === undefined) throw new GodwitError('damaged', `${path} holds no busybox.`);
  const modules = files
    .filter((entry) => entry !== busybox)
    .map(({ name, content }) => ({ path: name, content, info: readModuleInfo(content, moduleName(name)) }));
  return { kernelVersion, busybox: busybox.content, modules };
}

/** The kernel's own package: "linux-image-riscv64" only depends on it. */
async function findKernelPackage(apt: PrivateApt): Promise<PackageRecord> {
  const [meta] = await apt.show(['linux-image-riscv64']);
  const name = /\b(linux-image-\d[^\s,(]*)/.exec(meta?.depends ?? '')?.[1];
  if (name === undefined) throw new GodwitError('not-found', "Debian's linux-image-riscv64 names no kernel package.");
  const [record] = await apt.show([name]);
  return record!;
}

interface KernelFiles {
  version: string;
  image: Uint8Array;
  modules: ModulePackage;
}

const KERNEL_FILE = /^boot\/vmlinux-(.+)$/;
const MODULE_FILE = /^(?:usr\/)?lib\/modules\/[^/]+\/(kernel\/.+\.ko(?:\.xz)?)$/;
const BUILTIN_FILE = /^(?:usr\/)?lib\/modules\/[^/]+\/modules\.builtin$/;

async function readKernelPackage(path: string): Promise<KernelFiles> {
  const wanted = (name: string): boolean =>
    [KERNEL_FILE, MODULE_FILE, BUILTIN_FILE].some((pattern) => pattern.test(name));
  const files = await readDebFiles(path, wanted);
  const moduleFiles = new Map<string, Uint8Array>();
  let kernel: { version: string; image: Uint8Array } | undefined;
  let builtin: string[] = [];
  for (const [name, content] of files) {
    const version = KERNEL_FILE.exec(name)?.[1];
    if (version !== undefined) kernel = { version, image: content };
    const modulePath = MODULE_FILE.exec(name)?.[1];
    if (modulePath !== undefined) moduleFiles.set(modulePath, content);
    if (BUILTIN_FILE.test(name))
      builtin = content
        .toString()
        .split('\n')
        .filter((line) => line !== '')
        .map(moduleName);
  }
  if (kernel === undefined) throw new GodwitError('damaged', `The package ${path} holds no kernel.`);
  checkImage(kernel.image, path);
  return { ...kernel, modules: { files: moduleFiles, builtin: new Set(builtin) } };
}

/** Linux documentation, arch/riscv/boot-image-header: "RSC\x05" at 56. */
function checkImage(image: Uint8Array, path: string): void {
  const magic = Buffer.from(image.subarray(56, 60)).toString('latin1');
  if (magic !== 'RSC\x05') throw new GodwitError('unsupported', `The kernel in ${path} is not a plain RISC-V Image.`);
}

async function fetchGuest(
  cacheFolder: string,
  folder: string,
  options: GuestOptions,
  progress: Progress,
): Promise<Guest> {
  const apt = await openDebianApt({
    folder: cacheFolder,
    suite: SUITE,
    progress,
    ...(options.mirror === undefined ? {} : { mirror: options.mirror }),
    ...(options.keyring === undefined ? {} : { keyring: options.keyring }),
  });
  const records = [await findKernelPackage(apt), ...(await apt.show(['busybox-static']))];
  const found = await inspect(folder, 'full');
  if (isReady(found) && records.every((record) => found.manifest.facts[record.name] === record.version)) {
    return guestOf(folder, found.manifest, false);
  }
  const downloads = join(cacheFolder, 'download-kernel');
  try {
    const [kernel, busybox] = await apt.download(records, downloads, "Fetching Debian's kernel", progress);
    const manifest = await build(folder, kernel!.path, busybox!.path, records, progress);
    return guestOf(folder, manifest, true);
  } finally {
    await rm(downloads, { recursive: true, force: true });
  }
}

async function build(
  folder: string,
  kernelDeb: string,
  busyboxDeb: string,
  records: readonly PackageRecord[],
  progress: Progress,
): Promise<Manifest> {
  progress.update({ phase: 'Unpacking the kernel' });
  const kernel = await readKernelPackage(kernelDeb);
  const busybox = [...(await readDebFiles(busyboxDeb, (name) => /^(usr\/)?bin\/busybox$/.test(name))).values()][0];
  if (busybox === undefined) throw new GodwitError('damaged', `The package ${busyboxDeb} holds no busybox.`);
  progress.update({ phase: 'Building the initramfs' });
  const resolved = await resolveModules(kernel.modules, WANTED_MODULES);
  const modules = resolved.map((module) => ({ ...module, content: stripModule(module.content, module.info.name) }));
  const parts: InitramfsParts = { kernelVersion: kernel.version, busybox, modules };
  const old = await readManifest(folder);
  const manifest: Manifest = {
    version: 1,
    recipe: recipe(),
    facts: {
      kernelVersion: kernel.version,
      modules: WANTED_MODULES.join(' '),
      ...Object.fromEntries(records.map((record) => [record.name, record.version])),
    },
    files: {
      kernel: await addCachedFile(folder, `vmlinux-${kernel.version}`, kernel.image),
      material: await addCachedFile(folder, `material-${kernel.version}.cpio`, materialOf(parts)),
      initramfs: await addCachedFile(folder, `initramfs-${kernel.version}.cpio`, buildInitramfs(parts)),
    },
  };
  await writeManifest(folder, manifest);
  await removeOldFiles(folder, old, manifest);
  return manifest;
}

/** Files of an older kernel. A machine that has one open goes on with it. */
async function removeOldFiles(folder: string, old: Manifest | undefined, current: Manifest): Promise<void> {
  const keep = new Set(Object.values(current.files).map((file) => file.path));
  for (const { path } of Object.values(old?.files ?? {})) {
    if (!keep.has(path) && !path.includes('/')) await rm(join(folder, path), { force: true });
  }
}
