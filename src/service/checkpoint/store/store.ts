import { ChainPageSource, closeChain } from '../../../checkpoint/chain.ts';
import { assertCheckpointName, type CheckpointMeta, isCheckpointId } from '../../../checkpoint/meta.ts';
import type { Cancellation } from '../../../common/cancellation.ts';
import { GodwitError } from '../../../common/errors.ts';
import { join } from '../../../common/paths.ts';
import {
  anyText,
  callback,
  cancellation,
  milliseconds,
  nullable,
  object,
  optional,
  type Schema,
  text,
} from '../../../common/schema.ts';
import type { PageSource } from '../../../memory/page-source.ts';
import { withFolderLock } from '../../../platform/folder-lock.ts';
import { platform } from '../../../platform/platform.ts';
import type { PlainData } from '../../../state/plain-data.ts';
import { sharedWriter } from './background-writer.ts';
import { deleteCheckpoint, sweepStore, sweepTop } from './delete.ts';
import { CheckpointDraft, type DraftOrigin } from './draft.ts';
import { makeDraftFolder } from './draft-folder.ts';
import {
  absolutePath,
  type CheckpointSummary,
  exists,
  isRemoved,
  placeOf,
  readCheckpoint,
  readInventory,
  resolveReference,
  type StoredCheckpoint,
  summaryOf,
} from './inventory.ts';
import { writeManifest } from './manifest.ts';
import { exportCheckpoint, IMPORT_OPTIONS, type ImportOptions, importCheckpoint, portableBlocks } from './portable.ts';
import { randomHex } from './random-hex.ts';
import { machineFile, openStoredChain, readMetaOf } from './stored-chain.ts';
import { type VerifyReport, verifyCheckpoint } from './verify.ts';

/** So many checkpoints a machine has to ask for a page at most. */
const LONGEST_CHAIN = 32;
const LOCK_WAIT_MS = 60_000;

/** Which store is opened, and how. */
export interface StoreOptions {
  /** Default: `$XDG_DATA_HOME/godwit/checkpoints`, or `~/.local/share/godwit/checkpoints`. */
  readonly folder?: string;
  /** Milliseconds to wait for another process that changes the tree; it is 'locked' then. Default one minute. */
  readonly lockWaitMs?: number;
}

const STORE_OPTIONS: Schema<StoreOptions> = object({
  folder: optional(text()),
  lockWaitMs: optional(milliseconds()),
});

/** Names are looked at more closely where they are used. */
const REFERENCE = anyText();
const PATH = text();
const NAME = nullable(anyText());

interface ExportOptions {
  readonly onProgress?: (bytes: number) => void;
  readonly signal?: Cancellation;
}

const EXPORT_OPTIONS: Schema<ExportOptions> = object({
  onProgress: optional(callback<(bytes: number) => void>()),
  signal: optional(cancellation()),
});

export interface BeginOptions {
  readonly name?: string;
  /** The checkpoint that the machine had before: a name, an id, or the beginning of one. */
  readonly parent?: string;
  /** The checkpoint that the snapshot's changed pages are since, if they are known. It is mostly the parent. */
  readonly base?: string;
}

/** A checkpoint as it is needed to start a machine from it. */
export interface OpenCheckpoint {
  readonly meta: CheckpointMeta;
  readonly name: string | null;
  readonly state: PlainData;
  /** Closing it closes the files. It works on when the checkpoint is deleted meanwhile. */
  readonly pages: PageSource;
}

/** All that a store knows of a checkpoint. */
export interface CheckpointDetails extends CheckpointSummary {
  /** Its own folder. */
  readonly folder: string;
  /** What its file says; undefined where that cannot be read. */
  readonly meta: CheckpointMeta | undefined;
  /** Ids of the checkpoints that were made next of the same machine, or of one that went on from here. */
  readonly children: readonly string[];
}

/** A checkpoint in the tree. */
export interface CheckpointNode {
  /** Of this place. */
  readonly checkpoint: CheckpointSummary;
  /** Those that came next. */
  readonly children: readonly CheckpointNode[];
}

/** In Node.js `$XDG_DATA_HOME/godwit/checkpoints`, or `~/.local/share/godwit/checkpoints`. */
export function defaultCheckpointFolder(): string {
  return join(platform().files.dataFolder, 'checkpoints');
}

/**
 * Checkpoints in a folder (docs/FORMATS.md), which form a tree. Any number of processes can use it at the same time.
 * All throw GodwitErrors. `reference` is a checkpoint's name, its id, or the beginning of one. Machines make
 * checkpoints (`MachineHandle.checkpoint`).
 *
 *     const store = await CheckpointStore.open();
 *     for (const { name, sizeBytes } of await store.list()) console.log(name, sizeBytes);
 *     await store.delete('before');
 */
export class CheckpointStore {
  /** Where the checkpoints are, absolute. */
  readonly folder: string;
  private readonly lockWaitMs: number;
  private readonly writer = sharedWriter();
  private readonly closing = new AbortController();

  private constructor(folder: string, lockWaitMs: number) {
    this.folder = folder;
    this.lockWaitMs = lockWaitMs;
  }

  /** Opens a store; its folder is made where there is none. Throws GodwitError 'denied', 'io'. */
  static async open(options: StoreOptions = {}): Promise<CheckpointStore> {
    const { folder = defaultCheckpointFolder(), lockWaitMs = LOCK_WAIT_MS } = STORE_OPTIONS.parse(options, 'options');
    const { files } = platform();
    const path = files.absolute(folder);
    await files.makeFolder(path);
    return new CheckpointStore(path, lockWaitMs);
  }

  /** @internal Starts the thread that writes, so that the first checkpoint need not wait for it. */
  warmUp(): void {
    this.writer.start();
  }

  /** Cancels what is being written. */
  async close(): Promise<void> {
    this.closing.abort();
  }

  // Making checkpoints

  /**
   * @internal Throws GodwitError 'usage' when the name is taken or none, 'not-found' when the parent or the base is not
   * there.
   */
  async begin({ name, parent, base }: BeginOptions = {}): Promise<CheckpointDraft> {
    if (name !== undefined) assertCheckpointName(name);
    // While the rest is prepared.
    this.warmUp();
    return this.locked(async () => {
      await sweepTop(this.folder);
      if (name !== undefined) refuseTakenName(await readInventory(this.folder, 'places'), name);
      const idOf = async (reference: string | undefined) =>
        reference === undefined ? null : (await this.lookUp(reference)).id;
      const baseId = await idOf(base);
      return this.makeDraft({
        store: this.folder,
        id: freshId(),
        name: name ?? null,
        parent: await idOf(parent),
        base: baseId,
        flatten: baseId !== null && (await this.chainLength(baseId)) >= LONGEST_CHAIN,
        tool: platform().toolName,
      });
    });
  }

  private async makeDraft(origin: DraftOrigin): Promise<CheckpointDraft> {
    const owned = await makeDraftFolder(this.folder, origin.id, origin);
    return new CheckpointDraft(origin, owned, {
      writer: this.writer,
      closing: this.closing.signal,
      guard: (draft, action) => this.commit(draft, action),
    });
  }

  private async commit({ name, id }: DraftOrigin, action: () => Promise<void>): Promise<void> {
    await this.locked(async () => {
      if (name !== null) refuseTakenName(await readInventory(this.folder, 'places'), name);
      if (await exists(join(this.folder, id))) throw takenId(id);
      await action();
    });
  }

  // Looking at them

  /** All checkpoints, oldest first. */
  async list(): Promise<CheckpointSummary[]> {
    const all = await readInventory(this.folder);
    const present = all.filter((checkpoint) => !isRemoved(checkpoint));
    return Promise.all(present.map((checkpoint) => summaryOf(checkpoint, all)));
  }

  /** The same as a tree. Checkpoints whose parent is not there are roots. */
  async tree(): Promise<CheckpointNode[]> {
    return treeOf(await this.list());
  }

  /** All about one checkpoint. Throws GodwitError 'not-found', and 'usage' for the beginning of several ids. */
  async show(reference: string): Promise<CheckpointDetails> {
    REFERENCE.parse(reference, 'reference');
    const all = await readInventory(this.folder);
    const checkpoint = resolveReference(all, reference);
    const children = all.filter((other) => placeOf(other).parent === checkpoint.id && !isRemoved(other));
    return {
      ...(await summaryOf(checkpoint, all)),
      folder: checkpoint.folder,
      meta: checkpoint.meta,
      children: children.map(({ id }) => id),
    };
  }

  /** The id of a checkpoint that is named by its name, its id, or the beginning of one. */
  async resolve(reference: string): Promise<string> {
    return (await this.lookUp(reference)).id;
  }

  /** Where a disk's image is (`CheckpointDisk.path`). */
  diskPath(path: string): string {
    return absolutePath(this.folder, PATH.parse(path, 'path'));
  }

  /** @internal Opens a checkpoint to start a machine from it. Pages are read, and checked, when they are asked for. */
  async openCheckpoint(reference: string): Promise<OpenCheckpoint> {
    const { id, name } = await this.lookUp(reference);
    const chain = await openStoredChain(this.folder, machineFile(this.folder, id));
    try {
      const top = chain.files[0]!;
      return { meta: top.meta, name, state: top.state(), pages: new ChainPageSource(chain, platform().codec) };
    } catch (error) {
      closeChain(chain);
      throw error;
    }
  }

  /** Reads everything that a checkpoint needs, and says what is wrong with it. */
  async verify(reference: string): Promise<VerifyReport> {
    const { id } = await this.lookUp(reference);
    const checkpoint = await readCheckpoint(this.folder, id);
    if (!checkpoint) throw new GodwitError('not-found', `The checkpoint ${id} was deleted meanwhile.`);
    return verifyCheckpoint(this.folder, checkpoint);
  }

  // Changing them

  /**
   * Removes a checkpoint. Those that build on it stay whole. Throws GodwitError('locked') while a machine uses its
   * disks.
   */
  async delete(reference: string): Promise<void> {
    REFERENCE.parse(reference, 'reference');
    await this.locked(async () => {
      const owners = await sweepStore(this.folder);
      const target = resolveReference(await readInventory(this.folder, 'places'), reference);
      await deleteCheckpoint(this.folder, target, owners);
    });
  }

  /** Gives a checkpoint another name, or none (null). Throws GodwitError('usage') for a name that is taken or none. */
  async rename(reference: string, name: string | null): Promise<void> {
    REFERENCE.parse(reference, 'reference');
    NAME.parse(name, 'name');
    if (name !== null) assertCheckpointName(name);
    await this.locked(async () => {
      const all = await readInventory(this.folder, 'places');
      const { id, folder, manifest, failures } = resolveReference(all, reference);
      if (!manifest) throw failures[0]!;
      refuseTakenName(
        all.filter((other) => other.id !== id),
        name ?? undefined,
      );
      await writeManifest(folder, { ...manifest, name });
    });
  }

  /**
   * Puts a checkpoint, all its pages and the content of its disks into one file, which must not exist. Gives its size
   * in bytes.
   */
  async export(
    reference: string,
    path: string,
    options: { onProgress?: (bytes: number) => void; signal?: Cancellation } = {},
  ): Promise<number> {
    REFERENCE.parse(reference, 'reference');
    PATH.parse(path, 'path');
    const parsed = EXPORT_OPTIONS.parse(options, 'options');
    const { id, name } = await this.lookUp(reference);
    const chain = await openStoredChain(this.folder, machineFile(this.folder, id));
    try {
      return await exportCheckpoint(this.folder, chain, name, path, parsed);
    } finally {
      closeChain(chain);
    }
  }

  /** @internal The bytes of that file, in order, for who puts them elsewhere. */
  async *exportBlocks(reference: string): AsyncGenerator<Uint8Array> {
    const { id, name } = await this.lookUp(reference);
    const chain = await openStoredChain(this.folder, machineFile(this.folder, id));
    try {
      yield* portableBlocks(this.folder, chain, name);
    } finally {
      closeChain(chain);
    }
  }

  /** Makes a checkpoint of a file that `export` wrote, and gives its id. Everything in it is checked. */
  async import(path: string, options: ImportOptions = {}): Promise<string> {
    PATH.parse(path, 'path');
    return importCheckpoint(path, IMPORT_OPTIONS.parse(options, 'options'), async (id, name) => {
      if (name !== null) assertCheckpointName(name);
      return this.locked(async () => {
        await sweepStore(this.folder);
        const all = await readInventory(this.folder, 'places');
        if (id !== undefined && all.some((one) => one.id === id)) throw takenId(id);
        refuseTakenName(all, name ?? undefined);
        return this.makeDraft({
          store: this.folder,
          id: id ?? freshId(),
          name,
          parent: null,
          base: null,
          flatten: false,
          tool: platform().toolName,
        });
      });
    });
  }

  /** Removes what processes have left that died. All that changes the store does that first. */
  async cleanUp(): Promise<void> {
    await this.locked(() => sweepStore(this.folder));
  }

  private async lookUp(reference: string): Promise<{ id: string; name: string | null }> {
    REFERENCE.parse(reference, 'reference');
    const known = isCheckpointId(reference) ? await readCheckpoint(this.folder, reference, 'places') : undefined;
    const checkpoint = resolveReference(known ? [known] : await readInventory(this.folder, 'places'), reference);
    return { id: checkpoint.id, name: placeOf(checkpoint).name };
  }

  /** How many files a page may be looked for in, starting with this one. */
  private async chainLength(id: string): Promise<number> {
    let length = 1;
    let { base } = await readMetaOf(machineFile(this.folder, id));
    for (; base !== null && length < LONGEST_CHAIN; length++) {
      ({ base } = await readMetaOf(machineFile(this.folder, base)));
    }
    return length;
  }

  private locked<T>(action: () => Promise<T>): Promise<T> {
    return withFolderLock(this.folder, this.lockWaitMs, action);
  }
}

export function treeOf(checkpoints: readonly CheckpointSummary[]): CheckpointNode[] {
  const ids = new Set(checkpoints.map(({ id }) => id));
  const below = (parent: string | null): CheckpointNode[] =>
    checkpoints
      .filter((one) => (one.parent !== null && ids.has(one.parent) ? one.parent : null) === parent)
      .map((checkpoint) => ({ checkpoint, children: below(checkpoint.id) }));
  return below(null);
}

function freshId(): string {
  return randomHex(8);
}

function refuseTakenName(all: readonly StoredCheckpoint[], name: string | undefined): void {
  const owner = all.find((one) => name !== undefined && placeOf(one).name === name && !isRemoved(one));
  if (!owner) return;
  throw new GodwitError('usage', `There is a checkpoint "${name}" already.`, {
    hint: `Give another name, or delete that one first (${owner.id}).`,
  });
}

function takenId(id: string): GodwitError {
  return new GodwitError('usage', `The checkpoint ${id} is in the store already.`, {
    hint: 'Import it under a fresh id to have it twice.',
  });
}
