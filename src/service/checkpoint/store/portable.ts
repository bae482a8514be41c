import type { Disk } from '../../../backend/disk/index.ts';
import { createDisk, openDisk } from '../../../backend/disk/live/open-disk.ts';
import type { CheckpointChain } from '../../../checkpoint/chain.ts';
import type { CheckpointFile } from '../../../checkpoint/checkpoint-file.ts';
import type { CheckpointDisk, CheckpointMeta } from '../../../checkpoint/meta.ts';
import { CHUNK_BYTES, CHUNK_PAGES, PAGE_BYTES, presentOffset } from '../../../checkpoint/pages/layout.ts';
import type { StoredPages } from '../../../checkpoint/pages/stored-pages.ts';
import { rewriteWith } from '../../../checkpoint/rewrite.ts';
import { diskPages } from '../../../checkpoint/sections.ts';
import { CheckpointWriter } from '../../../checkpoint/write.ts';
import { throwIfCancelled } from '../../../common/cancellation.ts';
import { GodwitError } from '../../../common/errors.ts';
import { join } from '../../../common/paths.ts';
import {
  anyText,
  callback,
  cancellation,
  flag,
  nullable,
  object,
  optional,
  type Schema,
} from '../../../common/schema.ts';
import type { WriteWholeOptions } from '../../../platform/files.ts';
import { platform } from '../../../platform/platform.ts';
import { refuseChangedImages } from '../rests.ts';
import type { CheckpointDraft } from './draft.ts';
import { absolutePath } from './inventory.ts';
import { MACHINE_FILE, openCheckpointFile } from './stored-chain.ts';
import { inTurns } from './verify.ts';

/** Disks are read that much at a time. */
const READ_BYTES = 32 * CHUNK_BYTES;

/** How an exported checkpoint comes into a store. */
export interface ImportOptions {
  /** Default: the name that it had. null: none. */
  readonly name?: string | null;
  /** Give it a new id, so that the same checkpoint can be there twice. Default: it keeps its id. */
  readonly freshId?: boolean;
  /** Called now and then with the bytes that were read so far. */
  readonly onProgress?: (bytes: number) => void;
  /** Ends the import, which throws then; nothing of it is left. */
  readonly signal?: AbortSignal;
}

export const IMPORT_OPTIONS: Schema<ImportOptions> = object({
  name: optional(nullable(anyText())),
  freshId: optional(flag()),
  onProgress: optional(callback<(bytes: number) => void>()),
  signal: optional(cancellation() as Schema<AbortSignal>),
});

/** Gives the size of the file. Throws GodwitError 'usage' when it exists. */
export function exportCheckpoint(
  store: string,
  chain: CheckpointChain,
  name: string | null,
  path: string,
  options: Pick<WriteWholeOptions, 'onProgress' | 'signal'>,
): Promise<number> {
  return platform().files.writeWhole(path, portableBlocks(store, chain, name), options);
}

/** The bytes of such a file, in order. */
export async function* portableBlocks(
  store: string,
  chain: CheckpointChain,
  name: string | null,
): AsyncGenerator<Uint8Array> {
  const { codec } = platform();
  const writer = new CheckpointWriter(codec);
  const { meta } = chain.files[0]!;
  const { disks } = meta;
  await refuseChangedImages(meta);
  // Where the images were means nothing elsewhere.
  const portable = disks.map((disk, index) => ({ ...disk, path: `disk${index}`, backing: [] }));
  yield* rewriteWith(writer, chain, codec, {
    name,
    parent: null,
    disks: portable,
    rests: [],
  });
  for (const [index, { path, format }] of disks.entries()) {
    const disk = await openDisk(absolutePath(store, path), { readonly: true, format });
    try {
      yield* diskBlocks(writer, disk, index);
    } finally {
      await disk.close();
    }
  }
  yield writer.finish();
}

async function* diskBlocks(writer: CheckpointWriter, disk: Disk, index: number): AsyncGenerator<Uint8Array> {
  const { sizeBytes } = disk;
  const pages = writer.pages(Math.ceil(sizeBytes / PAGE_BYTES), false, diskPages(index));
  const buffer = new Uint8Array(READ_BYTES);
  for (let at = 0; at < sizeBytes; at += READ_BYTES) {
    const length = Math.min(READ_BYTES, sizeBytes - at);
    buffer.fill(0, length);
    await disk.read(at, buffer.subarray(0, length));
    for (let page = 0; page * PAGE_BYTES < length; page++) {
      yield* pages.add(at / PAGE_BYTES + page, buffer.subarray(page * PAGE_BYTES, (page + 1) * PAGE_BYTES));
    }
  }
  yield* pages.end();
}

/** `begin` makes the draft: with the id, or a new one where it is undefined. */
export async function importCheckpoint(
  path: string,
  options: ImportOptions,
  begin: (id: string | undefined, name: string | null) => Promise<CheckpointDraft>,
): Promise<string> {
  const file = await openCheckpointFile(path);
  try {
    refusePartial(file, path);
    const { meta } = file;
    const name = options.name === undefined ? meta.name : options.name;
    const draft = await begin(options.freshId ? undefined : meta.id, name);
    try {
      await fillDraft(draft, file, name, options);
      await draft.commit();
      return draft.id;
    } catch (error) {
      await draft.abandon();
      throw error;
    }
  } finally {
    file.close();
  }
}

function refusePartial(file: CheckpointFile, path: string): void {
  const { base, disks } = file.meta;
  const lacks = base !== null ? 'pages, which the checkpoint has that it builds on' : 'the content of its disks';
  if (base === null && file.disks().length === disks.length) return;
  throw new GodwitError('unsupported', `${path} cannot be imported: it lacks ${lacks}.`, {
    hint: 'Make the file with "godwit checkpoint export".',
  });
}

async function fillDraft(
  draft: CheckpointDraft,
  file: CheckpointFile,
  name: string | null,
  { onProgress, signal }: ImportOptions,
): Promise<void> {
  // Before anything is written: all that is cheap to check, then every byte.
  await inTurns(abortable(file.verify(), signal));
  const disks: CheckpointDisk[] = [];
  for (const [index, disk] of file.meta.disks.entries()) {
    const image = `disk${index}.qcow2`;
    await writeImage(join(draft.folder, image), disk, file.disk(index), signal);
    disks.push({ ...disk, path: draft.storePath(image), format: 'qcow2', backing: [] });
  }
  const change: Partial<CheckpointMeta> = { id: draft.id, name, parent: null, disks };
  await platform().files.writeWhole(join(draft.folder, MACHINE_FILE), machineBlocks(file, change), {
    replace: true,
    inOwnFolder: true,
    ...(onProgress && { onProgress }),
    ...(signal && { signal }),
  });
  draft.adopt({ ...file.meta, ...change });
}

function* abortable(steps: Iterable<void>, signal: AbortSignal | undefined): Generator<void> {
  for (const _ of steps) {
    throwIfCancelled(signal, 'Importing was cancelled');
    yield;
  }
}

function* machineBlocks(file: CheckpointFile, change: Partial<CheckpointMeta>): Generator<Uint8Array> {
  const { codec } = platform();
  const writer = new CheckpointWriter(codec);
  yield* rewriteWith(writer, { files: [file] }, codec, change);
  yield writer.finish();
}

async function writeImage(
  path: string,
  { sizeBytes }: CheckpointDisk,
  content: StoredPages,
  signal: AbortSignal | undefined,
): Promise<void> {
  await createDisk(path, { sizeBytes, format: 'qcow2' });
  const disk = await openDisk(path, { format: 'qcow2' });
  try {
    for (let at = 0; at < content.index.entryCount; at++) {
      throwIfCancelled(signal, 'Importing was cancelled');
      const chunk = content.chunk(at);
      await writeChunk(disk, chunk.chunk, chunk.present, content.unpack(chunk));
    }
    await disk.flush();
  } finally {
    await disk.close();
  }
}

/** Neighbouring pages of a chunk in one write. */
async function writeChunk(disk: Disk, chunk: number, present: number, pages: Uint8Array): Promise<void> {
  for (let bit = 0; bit < CHUNK_PAGES; bit++) {
    if (!(present & (1 << bit))) continue;
    let end = bit + 1;
    while (end < CHUNK_PAGES && present & (1 << end)) end++;
    const offset = (chunk * CHUNK_PAGES + bit) * PAGE_BYTES;
    const from = presentOffset(present, bit);
    const length = Math.min((end - bit) * PAGE_BYTES, disk.sizeBytes - offset);
    await disk.write(offset, pages.subarray(from, from + length));
    bit = end;
  }
}
