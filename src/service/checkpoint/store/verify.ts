import { openDisk } from '../../../backend/disk/live/open-disk.ts';
import { wholeSectors } from '../../../backend/disk/sectors.ts';
import { type CheckpointChain, closeChain } from '../../../checkpoint/chain.ts';
import type { CheckpointMeta } from '../../../checkpoint/meta.ts';
import { isForeseen } from '../../../common/errors.ts';
import { platform } from '../../../platform/platform.ts';
import { bootChangesOf, diskChangesOf } from '../rests.ts';
import { absolutePath, type StoredCheckpoint } from './inventory.ts';
import { machineFile, openStoredChain } from './stored-chain.ts';

const TURN_MS = 5;

/** What was found in a checkpoint. */
export interface VerifyReport {
  /** Of the checkpoint. */
  readonly id: string;
  /** Sentences. None: the checkpoint and all that it needs are whole. */
  readonly problems: readonly string[];
  /** Sentences: what is not as it was, and hinders nobody who goes on from the checkpoint. */
  readonly notes: readonly string[];
  /** Bytes of checkpoint files that were read. */
  readonly checkedBytes: number;
}

/** Reads the manifest, every byte of the file and of those that it builds on, and opens all disks. */
export async function verifyCheckpoint(store: string, checkpoint: StoredCheckpoint): Promise<VerifyReport> {
  const { id, meta, failures } = checkpoint;
  const problems = failures.map(({ message }) => message);
  const notes: string[] = [];
  let checkedBytes = 0;
  if (meta) {
    try {
      checkedBytes = await verifyChain(await openStoredChain(store, machineFile(store, id)));
    } catch (error) {
      problems.push(messageOf(error));
    }
    problems.push(...(await verifyDisks(store, meta)));
    problems.push(...(await diskChangesOf(meta, 'content')));
    notes.push(...(await bootChangesOf(meta, 'content')));
  }
  return { id, problems, notes, checkedBytes };
}

async function verifyChain(chain: CheckpointChain): Promise<number> {
  try {
    let checkedBytes = 0;
    for (const file of chain.files) {
      await inTurns(file.verify());
      checkedBytes += file.sizeBytes;
    }
    return checkedBytes;
  } finally {
    closeChain(chain);
  }
}

/** Does all steps, with turns for others between them. */
export async function inTurns(steps: Iterable<void>): Promise<void> {
  const { clock, timers } = platform();
  let endMs = clock.nowMs() + TURN_MS;
  for (const _ of steps) {
    if (clock.nowMs() < endMs) continue;
    await timers.turn();
    endMs = clock.nowMs() + TURN_MS;
  }
}

async function verifyDisks(store: string, meta: CheckpointMeta): Promise<string[]> {
  const problems: string[] = [];
  for (const { path, format, sizeBytes } of meta.disks) {
    const place = absolutePath(store, path);
    try {
      const disk = await openDisk(place, { readonly: true, format });
      await disk.close();
      if (wholeSectors(disk.sizeBytes) !== wholeSectors(sizeBytes))
        problems.push(`The disk ${place} has another size than it had.`);
    } catch (error) {
      problems.push(messageOf(error));
    }
  }
  return problems;
}

function messageOf(error: unknown): string {
  if (isForeseen(error)) return error.message;
  throw error;
}
