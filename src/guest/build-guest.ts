/** Fetches Debian's kernel and builds the initramfs: what {@link ensureGuest} needs only when something is missing. */
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { GodwitError } from '../common/errors.ts';
import type { PackageRecord, PrivateApt } from './apt.ts';
import { addCachedFile, type Manifest, readManifest, writeManifest } from './cache.ts';
import { type CpioEntry, readCpio, writeCpio } from './cpio.ts';
import { readDebFiles } from './deb.ts';
import { openDebianApt } from './debian-apt.ts';
import { type Guest, type GuestOptions, guestOf, inspectGuest, isReady, recipe, SUITE } from './guest-state.ts';
import { buildInitramfs, type InitramfsParts } from './initramfs.ts';
import { readModuleInfo } from './modinfo.ts';
import { type ModulePackage, moduleName, resolveModules } from './modules.ts';
import type { Progress } from './progress.ts';
import { stripModule } from './strip-module.ts';
import { WANTED_MODULES } from './wanted-modules.ts';

const MATERIAL_BUSYBOX = 'busybox';

/** Builds the initramfs out of the cached material, if kernel and material are whole. */
export async function rebuildInitramfs(
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

export async function fetchGuest(
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
  const found = await inspectGuest(folder, 'full');
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
