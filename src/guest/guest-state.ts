/** What is known of the guest in the cache folder. */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { GodwitError } from '../common/errors.ts';
import { choice, flag, object, optional, type Schema, text, withMethods } from '../common/schema.ts';
import { agentProgram } from './agent.ts';
import { type CheckDepth, checkFiles, type Manifest, readManifest } from './cache.ts';
import { GUEST_FILES } from './init-script.ts';
import type { Progress } from './progress.ts';
import { WANTED_MODULES } from './wanted-modules.ts';

export const SUITE = 'trixie';
/** Raised when the same parts are put together in another way. */
const LAYOUT_VERSION = 2;

/** How Debian's kernel and an initramfs are had. */
export interface GuestOptions {
  /** Where all is kept; by default `$XDG_CACHE_HOME/godwit` or `~/.cache/godwit`. */
  cacheFolder?: string;
  /** Told what is being done. Default: nobody is. */
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

export const GUEST_FIELDS = {
  cacheFolder: optional(text()),
  progress: optional(
    withMethods<Progress>('an object with the functions update, note and end', 'update', 'note', 'end'),
  ),
  check: optional(choice<CheckDepth>('quick', 'full')),
  update: optional(flag()),
  mirror: optional(text()),
  keyring: optional(text()),
};

export const GUEST_OPTIONS: Schema<GuestOptions> = object(GUEST_FIELDS);

/** Debian's kernel and an initramfs, in the cache folder. */
export interface Guest {
  /** For `MachineOptions.kernel`. */
  kernelPath: string;
  /** For `MachineOptions.initrd`. */
  initramfsPath: string;
  /** As `uname -r` prints it: "6.12.107+deb13-riscv64". */
  kernelVersion: string;
  /** Versions of the Debian packages that they come from. */
  packages: Record<string, string>;
  /** Whether anything had to be fetched or built. */
  changed: boolean;
}

/** Identifies what is made out of the fetched packages: another one means that the initramfs must be built anew. */
export function recipe(): string {
  const hash = createHash('sha256');
  hash.update(JSON.stringify([LAYOUT_VERSION, WANTED_MODULES, GUEST_FILES]));
  hash.update(agentProgram());
  return hash.digest('hex');
}

export function guestOf(folder: string, manifest: Manifest, changed: boolean): Guest {
  const pathOf = (name: string): string => {
    const file = manifest.files[name];
    if (file === undefined) throw new GodwitError('damaged', `The manifest in ${folder} names no ${name}.`);
    return join(folder, file.path);
  };
  const { kernelVersion = '', modules: _, ...packages } = manifest.facts;
  return { kernelPath: pathOf('kernel'), initramfsPath: pathOf('initramfs'), kernelVersion, packages, changed };
}

/** The cached guest's manifest and what is wrong with its files, as parts of sentences. */
export type Inspection = { manifest: Manifest; problems: string[] } | 'absent';

/** What is wrong with the cache; 'absent' if there is none yet. */
export async function inspectGuest(folder: string, depth: CheckDepth): Promise<Inspection> {
  const manifest = await readManifest(folder);
  if (manifest === undefined) return 'absent';
  const named = ['kernel', 'initramfs', 'material'].filter((name) => manifest.files[name] === undefined);
  const problems = named.map((name) => `the ${name} is missing`);
  return { manifest, problems: [...problems, ...(await checkFiles(folder, manifest, depth))] };
}

/** Whether all is whole and made by this version of godwit. */
export function isReady(found: Inspection): found is Exclude<Inspection, 'absent'> {
  return found !== 'absent' && found.problems.length === 0 && found.manifest.recipe === recipe();
}
