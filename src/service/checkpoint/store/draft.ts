import type { CheckpointDisk, CheckpointMeta, CheckpointRest } from '../../../checkpoint/meta.ts';
import { GodwitError } from '../../../common/errors.ts';
import { join } from '../../../common/paths.ts';
import { boardVersionOf } from '../../../machine/board-versions.ts';
import type { MemorySnapshot } from '../../../memory/snapshot.ts';
import type { OwnedFolder } from '../../../platform/files.ts';
import { platform } from '../../../platform/platform.ts';
import type { PlainData } from '../../../state/plain-data.ts';
import type { BackgroundWriter, WriteOptions } from './background-writer.ts';
import { exists, filesNeeded } from './inventory.ts';
import { isStorePath, type Manifest, writeManifest } from './manifest.ts';
import { MACHINE_FILE } from './stored-chain.ts';

/** A machine at one moment, as a checkpoint is made of it. */
export interface CheckpointContent {
  readonly memory: MemorySnapshot;
  readonly state: PlainData;
  readonly point: { readonly hart: number; readonly branches: bigint; readonly pc: bigint };
  /** Whatever else is needed to make the machine anew. */
  readonly machine: PlainData;
  readonly disks?: readonly CheckpointDisk[];
  /** Files outside of the store that it rests on. */
  readonly rests?: readonly CheckpointRest[];
  /** Pages worth reading early, the most urgent first. */
  readonly hotPages?: ArrayLike<number>;
  /** When the machine was like that. Default: now. */
  readonly createdAtMs?: number;
}

export interface DraftOrigin {
  readonly store: string;
  readonly id: string;
  readonly name: string | null;
  readonly parent: string | null;
  /** The checkpoint that the snapshot's changes are since. */
  readonly base: string | null;
  /** The chain below is long: take its pages in. */
  readonly flatten: boolean;
  readonly tool: string;
}

/** Takes the lock of the store, and checks that the draft may have its name and place. */
export type CommitGuard = (origin: DraftOrigin, action: () => Promise<void>) => Promise<void>;

/** What a draft has from its store. */
export interface DraftServices {
  readonly writer: BackgroundWriter;
  /** The store is closed: what is being written is given up. */
  readonly closing: AbortSignal;
  readonly guard: CommitGuard;
}

/**
 * A checkpoint in the making: a folder that nobody sees. Put the images of its disks into it, `write` the machine, then
 * `commit`, and it is there; or `abandon` it. What remains of one whose process dies is removed by the next that
 * changes the store.
 */
export class CheckpointDraft {
  readonly id: string;
  /** Where files of the checkpoint are put. It gets another name when the checkpoint is done. */
  readonly folder: string;
  private readonly origin: DraftOrigin;
  private readonly owned: OwnedFolder;
  private readonly services: DraftServices;
  private written: CheckpointMeta | undefined;
  private isOpen = true;

  constructor(origin: DraftOrigin, owned: OwnedFolder, services: DraftServices) {
    this.id = origin.id;
    this.folder = owned.path;
    this.origin = origin;
    this.owned = owned;
    this.services = services;
  }

  /** The path of a file of this checkpoint in META: it holds now and after `commit`, seen from the store's folder. */
  storePath(file: string): string {
    return `${this.id}/${file}`;
  }

  /**
   * Writes the machine in the background, and gives the size of the file. The snapshot must not be released before
   * that. Throws GodwitError 'full', 'io'; 'state' when the signal was aborted. The draft can then be written anew or
   * abandoned.
   */
  async write(content: CheckpointContent, options: Omit<WriteOptions, 'flattenFrom'> = {}): Promise<number> {
    this.assertOpen();
    const { memory, state, hotPages } = content;
    const meta = this.metaOf(content);
    for (const path of filesNeeded(meta)) {
      if (!isStorePath(path)) throw new GodwitError('usage', `"${path}" is no path of a file in the store.`);
    }
    const { flatten, store } = this.origin;
    const { closing } = this.services;
    const signal = options.signal === undefined ? closing : AbortSignal.any([options.signal, closing]);
    const bytes = await this.services.writer.write(
      join(this.folder, MACHINE_FILE),
      { meta, state, ...(hotPages === undefined ? {} : { hotPages }) },
      memory,
      { ...options, signal, ...(flatten && meta.base !== null ? { flattenFrom: store } : {}) },
    );
    this.written = meta;
    return bytes;
  }

  private metaOf({ memory, state, point, machine, disks = [], rests, createdAtMs }: CheckpointContent): CheckpointMeta {
    const { id, name, parent, base, tool } = this.origin;
    return {
      id,
      name,
      parent,
      base: memory.changedPages() === undefined ? null : base,
      createdAtMs: createdAtMs ?? Date.now(),
      tool,
      board: boardVersionOf(state)?.name ?? null,
      memoryBytes: memory.pageCount * 4096,
      point: { hart: point.hart, branches: point.branches, pc: point.pc },
      machine,
      disks,
      ...(rests && { rests }),
    };
  }

  /** What another part has written as the machine's file, with what it says of itself. */
  adopt(meta: CheckpointMeta): void {
    this.written = meta;
  }

  /**
   * Flushes everything and makes it a checkpoint, by one rename. Throws GodwitError 'usage' when the name is taken
   * meanwhile.
   */
  async commit(): Promise<void> {
    this.assertOpen();
    const meta = this.written;
    if (!meta) throw new GodwitError('state', 'The checkpoint has not been written yet.');
    const { store, name, parent } = this.origin;
    const manifest: Manifest = {
      id: this.id,
      name,
      parent,
      createdAtMs: meta.createdAtMs,
      memoryBytes: meta.memoryBytes,
      hart: meta.point.hart,
      branches: String(meta.point.branches),
      pc: String(meta.point.pc),
      needs: filesNeeded(meta),
      removed: false,
    };
    const { files } = platform();
    await writeManifest(this.folder, manifest, true);
    await this.syncFiles();
    await this.services.guard(this.origin, async () => {
      await this.refuseMissing(manifest);
      await this.owned.disown();
      await files.syncFolder(this.folder);
      await files.rename(this.folder, join(store, this.id));
      this.isOpen = false;
      await files.syncFolder(store);
    });
  }

  /** The draft's own mark, whose name has a dot, goes before others see the checkpoint. */
  private async syncFiles(): Promise<void> {
    const { files } = platform();
    const names = (await files.list(this.folder)).map(({ name }) => name).filter((name) => !name.startsWith('.'));
    await Promise.all(names.map((name) => files.syncFile(join(this.folder, name))));
  }

  private async refuseMissing({ needs }: Manifest): Promise<void> {
    for (const path of needs) {
      const [id, file] = path.split('/');
      const place = id === this.id ? join(this.folder, file!) : join(this.origin.store, path);
      if (!(await exists(place))) throw new GodwitError('not-found', `The disk image ${place} is missing.`);
    }
  }

  /** Removes the draft. Does nothing after `commit`. */
  async abandon(): Promise<void> {
    if (!this.isOpen) return;
    this.isOpen = false;
    await this.owned.disown();
    await platform().files.removeTree(this.folder);
  }

  private assertOpen(): void {
    if (!this.isOpen) throw new GodwitError('state', 'The checkpoint is finished or was abandoned.');
  }
}
