/** What a checkpoint rests on that is not in its store: images of disks, and what the machine boots from. */
import type { RestReport } from '../../api/checkpoint.ts';
import type { FrozenDisk } from '../../backend/disk/live/live-disk.ts';
import type { CheckpointMeta, CheckpointRest } from '../../checkpoint/meta.ts';
import { GodwitError } from '../../common/errors.ts';
import type { BootFile } from '../../common/file-pin.ts';
import { platform } from '../../platform/platform.ts';
import { changeOf, completePin, type PinDepth, pinFile } from './file-pins.ts';

/** How a disk is described, and who else may write what it was. */
interface DiskToRest extends Pick<FrozenDisk, 'isKept' | 'path' | 'backing'> {
  readonly readonly: boolean;
}

/** What lies in the store is the store's own, and is left out. */
export async function restsOf(
  disks: readonly DiskToRest[],
  bootFiles: readonly BootFile[],
  isInStore: (path: string) => boolean,
): Promise<CheckpointRest[]> {
  const rests = new Map<string, CheckpointRest>();
  const add = async (path: string, use: 'disk' | 'base', isKept: boolean): Promise<void> => {
    if (isInStore(path) || rests.has(path)) return;
    rests.set(path, { path, use, how: isKept ? 'kept' : 'pinned', pin: await pinFile(path) });
  };
  for (const { path, backing, isKept, readonly } of disks) {
    if (isKept) await add(path, 'disk', !readonly);
    for (const under of backing) {
      await add(under, 'base', (await platform().files.look(under))?.isProtected ?? false);
    }
  }
  const boot: CheckpointRest[] = [];
  for (const { path, use, pin } of bootFiles) {
    boot.push({ path, use, how: 'pinned', pin: await completePin(path, pin) });
  }
  return [...rests.values(), ...boot];
}

/** For whoever asked for the checkpoint. */
export function reportOf(rests: readonly CheckpointRest[], copies: readonly string[]): RestReport[] {
  return [
    ...copies.map((path): RestReport => ({ path, use: 'disk', how: 'copied' })),
    ...rests.map(({ path, use, how }): RestReport => ({ path, use, how })),
  ];
}

/** What a machine that goes on from the checkpoint boots from when it resets itself. */
export function bootFilesOf({ rests = [] }: CheckpointMeta): BootFile[] {
  return rests.flatMap(({ path, use, pin }) => (isBoot(use) ? [{ path, use, pin }] : []));
}

/** Sentences: what of its disks is not as it was, so that nobody can go on from the checkpoint. */
export function diskChangesOf(meta: CheckpointMeta, depth: PinDepth): Promise<string[]> {
  const images = (meta.rests ?? []).filter((rest) => !isBoot(rest.use) && isNeeded(rest, meta));
  return changesOfAll(images, depth);
}

/** The same of what the machine boots from. It goes on all the same, until it resets itself. */
export async function bootChangesOf(
  { rests = [] }: Pick<CheckpointMeta, 'rests'>,
  depth: PinDepth = 'times',
): Promise<string[]> {
  const files = rests.filter(({ use }) => isBoot(use));
  const changes = await changesOfAll(files, depth);
  return changes.map((change) => `${change} The machine goes on, but it cannot be started again from that.`);
}

async function changesOfAll(rests: readonly CheckpointRest[], depth: PinDepth): Promise<string[]> {
  const changes: string[] = [];
  for (const rest of rests) {
    const change = await changeOf(rest.path, rest.pin, depth);
    if (change !== undefined) changes.push(`${NAMES[rest.use]} ${rest.path} ${change}.`);
  }
  return changes;
}

/** Images under a machine's disks must be what they were. What it booted from is looked at when it boots again. */
export async function refuseChangedImages(meta: CheckpointMeta): Promise<void> {
  for (const rest of meta.rests ?? []) {
    if (isBoot(rest.use) || !isNeeded(rest, meta)) continue;
    const change = await changeOf(rest.path, rest.pin, 'times');
    if (change === undefined) continue;
    throw new GodwitError('damaged', `The checkpoint rests on ${rest.path}, which ${change}.`, {
      hint: hintFor(rest, change),
    });
  }
}

function hintFor({ path, pin }: CheckpointRest, change: string): string {
  if (change !== 'was written since' || pin.isWhole) return 'Put the file back as it was when the checkpoint was made.';
  const time = new Date(Math.floor(pin.modifiedUs / 1000)).toISOString();
  const rest = String(pin.modifiedUs % 1000).padStart(3, '0');
  const exact = time.replace('Z', `${rest}Z`);
  return `If you know that its content is the same, give it its time back: touch -d ${exact} ${path}`;
}

/** An image that was copied into the store since is not. */
function isNeeded({ path, use }: CheckpointRest, { disks }: CheckpointMeta): boolean {
  return isBoot(use) || disks.some((disk) => disk.path === path || disk.backing.includes(path));
}

function isBoot(use: CheckpointRest['use']): use is BootFile['use'] {
  return use !== 'disk' && use !== 'base';
}

const NAMES: Readonly<Record<CheckpointRest['use'], string>> = {
  disk: 'The disk image',
  base: 'The base image',
  kernel: 'The kernel',
  initrd: 'The initrd',
  firmware: 'The firmware',
};
