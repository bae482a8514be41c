/** What is known of Debian's root disk in the cache folder. */
import { join } from 'node:path';
import { callback, cancellation, choice, object, optional, type Schema } from '../../common/schema.ts';
import { checkFiles, type Manifest, readManifest } from '../cache.ts';
import { GUEST_FIELDS, type Guest, type GuestOptions, SUITE } from '../guest-state.ts';
import type { RunMachine } from './configure.ts';
import { DEBIAN_VARIANTS, type DebianVariant } from './package-set.ts';

/** What a machine sees; the file holds only what is used of it. */
export const DISK_BYTES = 8 * 1024 ** 3;
/** Raised when a disk that was made by an older godwit would not do any more. */
export const DISK_LAYOUT_VERSION = '2';

/** Which root disk is looked for. */
export interface FindDebianOptions extends GuestOptions {
  /** 'usual' when not given. */
  variant?: DebianVariant;
}

/** How Debian's root disk is had. */
export interface DebianOptions extends FindDebianOptions {
  /** Runs the machine in which Debian configures itself. */
  runMachine: RunMachine;
  /** Ends the work; nothing is left of it. */
  signal?: AbortSignal;
}

const VARIANT = choice(...(Object.keys(DEBIAN_VARIANTS) as DebianVariant[]));

export const DEBIAN_OPTIONS: Schema<DebianOptions> = object({
  ...GUEST_FIELDS,
  variant: optional(VARIANT),
  runMachine: callback<RunMachine>(),
  signal: optional(cancellation() as Schema<AbortSignal>),
});

/** Debian's root disk, in the cache folder. Machines boot qcow2 images over it, and never write it. */
export interface DebianDisk {
  /** A qcow2 to be used as a backing file. */
  diskPath: string;
  /** What a guest sees. */
  sizeBytes: number;
  /** Versions of the packages on it. */
  packages: Record<string, string>;
  /** The kernel and the initramfs that it was made with. */
  guest: Guest;
  /** Whether it had to be built. */
  changed: boolean;
}

/** What the folder of a variant is called, and how its image's name begins. */
export function diskName(variant: DebianVariant = 'usual'): string {
  return variant === 'usual' ? `debian-${SUITE}` : `debian-${SUITE}-${variant}`;
}

export function diskOf(folder: string, manifest: Manifest, guest: Guest, changed: boolean): DebianDisk {
  const { layout: _layout, ...packages } = manifest.facts;
  const name = manifest.files.disk?.path ?? '';
  return { diskPath: join(folder, name), sizeBytes: DISK_BYTES, packages, guest, changed };
}

/** What is known of the disk in the cache. */
export type Inspection =
  | { state: 'absent' }
  | { state: 'damaged'; problems: string[] }
  | { state: 'ready'; manifest: Manifest };

/** Looks at the cached disk's manifest and file. */
export async function inspectDisk(folder: string, options: Pick<DebianOptions, 'check'>): Promise<Inspection> {
  const manifest = await readManifest(folder);
  if (manifest?.files.disk === undefined || manifest.facts.layout !== DISK_LAYOUT_VERSION) return { state: 'absent' };
  const problems = await checkFiles(folder, manifest, options.check ?? 'quick');
  return problems.length === 0 ? { state: 'ready', manifest } : { state: 'damaged', problems };
}
