/** `godwit checkpoint export` and `import`. */
import { createWriteStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { formatByteSize } from '../api/index.ts';
import { throwIfCancelled } from '../common/cancellation.ts';
import { GodwitError } from '../common/errors.ts';
import { hostError } from '../platform/node/host-error.ts';
import { makeTemporaryFolder } from '../platform/node/temporary-folder.ts';
import type { CheckpointStore } from '../service/checkpoint/store/index.ts';
import { type Cancel, cancellable } from './cancellable.ts';
import { type StoreOptions, withStore } from './checkpoint-store.ts';
import { writeAll } from './output.ts';

/** Stands for standard output, or input. */
const STREAM = '-';

export interface ImportCommandOptions extends StoreOptions {
  readonly name?: string;
  readonly freshId?: boolean;
}

/** Gives the exit status. Says how large the file is. */
export async function exportToFile(reference: string, file: string, options: StoreOptions): Promise<number> {
  return await withStore(options, (store) =>
    cancellable('Exporting', async (cancel) => {
      if (file === STREAM) await exportToOutput(store, reference, cancel);
      else {
        const sizeBytes = await store.export(reference, file, cancel);
        await writeAll(process.stdout, `${file}: ${formatByteSize(sizeBytes)}.\n`);
      }
    }),
  );
}

async function exportToOutput(store: CheckpointStore, reference: string, cancel: Cancel): Promise<void> {
  if (process.stdout.isTTY) {
    throw new GodwitError('usage', 'A checkpoint is nothing for a terminal.', {
      hint: 'Name a file, or send standard output elsewhere.',
    });
  }
  let sizeBytes = 0;
  for await (const block of store.exportBlocks(reference)) {
    throwIfCancelled(cancel.signal, 'Exporting was cancelled');
    await writeAll(process.stdout, block);
    sizeBytes += block.length;
    cancel.onProgress(sizeBytes);
  }
}

/** Gives the exit status. Prints the id of the new checkpoint; for a person, what it is. */
export async function importFile(file: string, options: ImportCommandOptions): Promise<number> {
  const { name, freshId = false } = options;
  return await withStore(options, (store) =>
    cancellable('Importing', (cancel) =>
      withFile(file, cancel, async (path) => {
        const id = await store.import(path, { ...cancel, freshId, ...(name === undefined ? {} : { name }) });
        await writeAll(process.stdout, process.stdout.isTTY ? await describe(store, id) : `${id}\n`);
      }),
    ),
  );
}

async function describe(store: CheckpointStore, id: string): Promise<string> {
  const { name, sizeBytes } = await store.show(id);
  return `${name === null ? id : `${name} (${id.slice(0, 8)})`}: ${formatByteSize(sizeBytes)}.\n`;
}

/** A checkpoint is read here and there, so standard input becomes a file first. */
async function withFile(file: string, cancel: Cancel, action: (path: string) => Promise<void>): Promise<void> {
  if (file !== STREAM) return await action(file);
  const folder = await makeTemporaryFolder();
  const path = join(folder, 'standard-input');
  try {
    await pipeline(process.stdin, createWriteStream(path, { mode: 0o600 }), { signal: cancel.signal });
    await action(path);
  } catch (error) {
    throwIfCancelled(cancel.signal, 'Importing was cancelled');
    throw nameInput(hostError(error, 'read standard input'), path);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Where it was put meanwhile means nothing to anyone. */
function nameInput({ code, message, hint, cause }: GodwitError, path: string): GodwitError {
  const text = message.replaceAll(path, 'Standard input');
  return new GodwitError(code, text, { cause, ...(hint === undefined ? {} : { hint }) });
}
