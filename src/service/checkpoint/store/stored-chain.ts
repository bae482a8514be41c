import { type CheckpointChain, openChainLater } from '../../../checkpoint/chain.ts';
import { CheckpointFile, readCheckpointMeta } from '../../../checkpoint/checkpoint-file.ts';
import type { CheckpointMeta } from '../../../checkpoint/meta.ts';
import { GodwitError } from '../../../common/errors.ts';
import { join } from '../../../common/paths.ts';
import { platform } from '../../../platform/platform.ts';

/** In the folder of each checkpoint. */
export const MACHINE_FILE = 'machine.godwit';

/** Somebody who deletes checkpoints makes a chain shorter while it is opened; so often in a row hardly. */
const ATTEMPTS = 16;

export function machineFile(folder: string, id: string): string {
  return join(folder, id, MACHINE_FILE);
}

export async function openCheckpointFile(path: string): Promise<CheckpointFile> {
  const { files, codec } = platform();
  return CheckpointFile.open(await files.openSource(path), codec);
}

/** A file of the store. */
export function openStored(path: string): Promise<CheckpointFile> {
  return asStored(() => openCheckpointFile(path));
}

/** The same without its pages. */
export function readMetaOf(path: string): Promise<CheckpointMeta> {
  return asStored(async () => {
    const { files, codec } = platform();
    return readCheckpointMeta(await files.openSource(path), codec);
  });
}

/**
 * What has this name in a store was a checkpoint: if it does not look like one at all it is damaged, as by a crash of
 * the host.
 */
async function asStored<T>(open: () => Promise<T>): Promise<T> {
  try {
    return await open();
  } catch (error) {
    const isForeign = error instanceof GodwitError && error.code === 'unsupported' && error.hint === undefined;
    throw isForeign ? new GodwitError('damaged', error.message, { cause: error }) : error;
  }
}

/**
 * A file and those in `folder` that it builds on. No lock is needed: what a checkpoint has never changes, only in which
 * files it is, and files that are open stay. So a base that is gone only means to begin anew.
 */
export async function openStoredChain(folder: string, path: string): Promise<CheckpointChain> {
  for (let attempt = 1; ; attempt++) {
    const top = await openStored(path);
    try {
      return await openChainLater(top, (id) => openStored(machineFile(folder, id)));
    } catch (error) {
      const isGone = error instanceof GodwitError && error.code === 'not-found';
      if (!isGone) throw error;
      if (attempt === ATTEMPTS) {
        throw new GodwitError('damaged', `A checkpoint that ${path} builds on is missing.`, { cause: error });
      }
    }
  }
}
