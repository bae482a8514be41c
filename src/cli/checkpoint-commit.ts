/**
 * `godwit checkpoint commit`: a checkpoint whose disks were kept gets copies, and the machine's disks are one file
 * again.
 */

import { commitDisk } from '../backend/disk/live/commit.ts';
import { GodwitError } from '../common/errors.ts';
import { adoptDisks, type ReleasedImage } from '../service/checkpoint/store/adopt-disks.ts';
import { type Cancel, cancellable } from './cancellable.ts';
import { type StoreOptions, withStore } from './checkpoint-store.ts';
import { EXIT_FAILURE } from './errors.ts';
import { writeAll } from './output.ts';

export interface CommitOptions extends StoreOptions {
  readonly merge?: boolean;
}

/** Gives the exit status. */
export async function commitCheckpoint(reference: string, options: CommitOptions): Promise<number> {
  let failed = false;
  const status = await cancellable('Copying disks', async (work) => {
    const released = await withStore(options, (store) => adoptDisks(store.folder, reference, work));
    if (released.length === 0) await writeAll(process.stdout, 'The checkpoint has all its disks already.\n');
    for (const image of released) {
      const { done, text } = options.merge ? await bringBack(image, work) : copied(image);
      failed ||= !done;
      await writeAll(done ? process.stdout : process.stderr, `${text}\n`);
    }
  });
  return status === 0 && failed ? EXIT_FAILURE : status;
}

interface Outcome {
  readonly done: boolean;
  readonly text: string;
}

function copied({ path }: ReleasedImage): Outcome {
  return { done: true, text: `${path} is copied into the checkpoint.` };
}

/** The image that was kept becomes the machine's disk again. */
async function bringBack({ path, neededBy }: ReleasedImage, work: Cancel): Promise<Outcome> {
  const disk = path.slice(0, path.lastIndexOf('.'));
  if (neededBy.length > 0) return { done: true, text: `${path} is copied; it stays, for ${neededBy.join(', ')}.` };
  try {
    await commitDisk(disk, { ...work, keptParent: path });
    return { done: true, text: `${disk} is copied into the checkpoint, and is one file again.` };
  } catch (error) {
    if (!(error instanceof GodwitError) || error.code === 'state') throw error;
    return { done: false, text: `godwit: ${path} is copied, but ${disk} is not one file again: ${error.message}` };
  }
}
