import { join } from 'node:path';
import { type CheckpointChain, openChain } from '../../../checkpoint/chain.ts';
import { CheckpointFile, readCheckpointMeta } from '../../../checkpoint/checkpoint-file.ts';
import type { CheckpointMeta } from '../../../checkpoint/meta.ts';
import { GodwitError } from '../../../common/errors.ts';
import { nodeCodec } from '../../../platform/node/codec.ts';
import { FileByteSource } from '../../../platform/node/file-byte-source.ts';

/** In the folder of each checkpoint. */
export const MACHINE_FILE = 'machine.godwit';

/** Somebody who deletes checkpoints makes a chain shorter while it is opened; so often in a row hardly. */
const ATTEMPTS = 16;

export function machineFile(folder: string, id: string): string {
  return join(folder, id, MACHINE_FILE);
}

export function openCheckpointFile(path: string): CheckpointFile {
  return CheckpointFile.open(new FileByteSource(path), nodeCodec);
}

/** A file of the store. */
export function openStored(path: string): CheckpointFile {
  return asStored(() => openCheckpointFile(path));
}

/** The same without its pages. */
export function readMetaOf(path: string): CheckpointMeta {
  return asStored(() => readCheckpointMeta(new FileByteSource(path), nodeCodec));
}

/** What has this name in a store was a checkpoint: if it does not look like one at all it is damaged, as by a crash of the host. */
function asStored<T>(open: () => T): T {
  try {
    return open();
  } catch (error) {
    const isForeign = error instanceof GodwitError && error.code === 'unsupported' && error.hint === undefined;
    throw isForeign ? new GodwitError('damaged', error.message, { cause: error }) : error;
  }
}

/**
 * A file and those in `folder` that it builds on. No lock is needed: what a checkpoint has never changes, only in which files it is,
 * and files that are open stay. So a base that is gone only means to begin anew.
 */
export function openStoredChain(folder: string, path: string): CheckpointChain {
  for (let attempt = 1; ; attempt++) {
    const top = openStored(path);
    try {
      return openChain(top, (id) => openStored(machineFile(folder, id)));
    } catch (error) {
      const isGone = error instanceof GodwitError && error.code === 'not-found';
      if (!isGone) throw error;
      if (attempt === ATTEMPTS) {
        throw new GodwitError('damaged', `A checkpoint that ${path} builds on is missing.`, { cause: error });
      }
    }
  }
}
