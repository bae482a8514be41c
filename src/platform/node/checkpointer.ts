import { randomBytes } from 'node:crypto';
import { realpath } from 'node:fs/promises';
import { join, relative } from 'node:path';
import type { CheckpointOptions, CheckpointReport } from '../../api/checkpoint.ts';
import type { MachineConfiguration } from '../../api/options.ts';
import type { CheckpointDisk } from '../../checkpoint/meta.ts';
import { GodwitError } from '../../common/errors.ts';
import { VMGENID_BYTES } from '../../device/vmgenid/registers.ts';
import type { Arrival, MachineCore, MachineSnapshot } from '../../machine/core.ts';
import type { WrittenPages } from '../../memory/written-pages.ts';
import type { CheckpointDraft } from './checkpoint/draft.ts';
import { isStorePath } from './checkpoint/manifest.ts';
import { type BeginOptions, CheckpointStore } from './checkpoint/store.ts';
import { describeMachine } from './checkpointed-machine.ts';
import type { FrozenDisk, PreparedOverlay } from './disk-live.ts';
import { MachineDisks } from './machine-disks.ts';

/** A machine as it was at one moment, with its disks as they were. */
export interface Frozen {
  readonly snapshot: MachineSnapshot;
  /** Copy-on-write images over the disks. */
  readonly disks: MachineDisks;
  /** Milliseconds in which the machine did not execute. */
  readonly pauseMs: number;
}

/** The checkpoint that a machine had last, in this store, and what it has written since. */
export interface LastCheckpoint {
  readonly store: string;
  readonly id: string;
  readonly written: WrittenPages;
}

/** What a checkpoint is made of. */
interface Making {
  readonly draft: CheckpointDraft;
  /** The folder of all checkpoints. */
  readonly folder: string;
  readonly base: WrittenPages | undefined;
  readonly parents: 'keep' | 'copy';
}

const SEED_BYTES = 32;

/** What makes of a copy a machine of its own. */
export function individualArrivals(): Arrival[] {
  return [{ kind: 'individual', seed: randomBytes(SEED_BYTES), generationId: randomBytes(VMGENID_BYTES) }];
}

/** "2026-11-23-142530": sorts by time, and can be told apart. */
function nameOfNow(): string {
  return new Date().toISOString().slice(0, 19).replace('T', '-').replaceAll(':', '');
}

/** Keeps a machine as it is at a moment, while it goes on. */
export class Checkpointer {
  private readonly core: MachineCore;
  private readonly disks: MachineDisks;
  private readonly configuration: MachineConfiguration;
  private last: LastCheckpoint | undefined;
  /** One at a time: each rests on the one before. */
  private queue: Promise<unknown> = Promise.resolve();

  /** `last`: for a machine that goes on from a checkpoint. */
  constructor(core: MachineCore, disks: MachineDisks, configuration: MachineConfiguration, last?: LastCheckpoint) {
    this.core = core;
    this.disks = disks;
    this.configuration = configuration;
    this.last = last;
  }

  /** Snapshot and disks of one moment, for a machine that goes on from it. The snapshot is to be released. */
  async freezeForFork(): Promise<Frozen> {
    const prepared = await this.disks.prepareOverlays(() => ({ parent: 'keep' }));
    const { snapshot, switched, pauseMs } = this.freeze(prepared, undefined);
    try {
      return { snapshot, disks: await MachineDisks.openOver(await Promise.all(switched), this.disks), pauseMs };
    } catch (error) {
      snapshot.memory.release();
      throw error;
    }
  }

  /** The one moment in which the machine stands still. */
  private freeze(prepared: readonly PreparedOverlay[], since: WrittenPages | undefined) {
    const startedMs = performance.now();
    const snapshot = this.snapshot(prepared, since);
    const switched = prepared.map((overlay) => overlay.switch());
    return { snapshot, switched, pauseMs: performance.now() - startedMs };
  }

  private snapshot(prepared: readonly PreparedOverlay[], since: WrittenPages | undefined): MachineSnapshot {
    try {
      return this.core.snapshot(since);
    } catch (error) {
      for (const overlay of prepared) void overlay.cancel().catch(() => {});
      throw error;
    }
  }

  /** Resolves when the checkpoint is on stable storage. Throws GodwitError; nothing of it is left then, and the machine is as it was. */
  create(options: CheckpointOptions): Promise<CheckpointReport> {
    const created = this.queue.then(() => this.createNext(options));
    this.queue = created.catch(() => {});
    return created;
  }

  /** Waits for what is under way. */
  async close(): Promise<void> {
    await this.queue;
  }

  private async createNext(options: CheckpointOptions): Promise<CheckpointReport> {
    const startedMs = performance.now();
    const name = options.name ?? nameOfNow();
    const store = await CheckpointStore.open(options.store === undefined ? {} : { folder: options.store });
    try {
      const { draft, base } = await this.begin(store, name, options.full ?? false);
      try {
        const made = await this.make({ draft, folder: store.folder, base, parents: options.disks ?? 'keep' });
        await draft.commit();
        this.last = { store: store.folder, id: draft.id, written: made.written };
        const wallMs = performance.now() - startedMs;
        const path = join(store.folder, draft.id);
        return { id: draft.id, name, path, pauseMs: made.pauseMs, wallMs, fileBytes: made.fileBytes };
      } catch (error) {
        await draft.abandon().catch(() => {});
        throw error;
      }
    } finally {
      await store.close();
    }
  }

  /** On top of the last checkpoint, if that is still there. */
  private async begin(store: CheckpointStore, name: string, full: boolean) {
    const last = this.last?.store === store.folder ? this.last : undefined;
    const base = full ? undefined : last;
    if (!last) return { draft: await store.begin({ name }), base: undefined };
    const options: BeginOptions = { name, parent: last.id, ...(base && { base: base.id }) };
    try {
      return { draft: await store.begin(options), base: base?.written };
    } catch (error) {
      if (!(error instanceof GodwitError) || error.code !== 'not-found') throw error;
      return { draft: await store.begin({ name }), base: undefined };
    }
  }

  private async make({ draft, folder, base, parents }: Making) {
    const prepared = await this.disks.prepareForCheckpoint(parents);
    // Whatever becomes of this one, the pages counted since the last belong to this snapshot only.
    const { last } = this;
    this.last = undefined;
    if (last && !base) this.core.ram.unwatch(last.written);
    const createdAtMs = Date.now();
    const { snapshot, switched, pauseMs } = this.freeze(prepared, base);
    const written = this.core.ram.watchWrites();
    const { memory, state, point } = snapshot;
    try {
      const frozen = await Promise.all(switched);
      const disks = this.describeDisks(draft, frozen, await realpath(folder));
      const machine = describeMachine(this.configuration);
      const hotPages = this.core.recentPages(snapshot);
      const memoryWritten = draft.write({ memory, state, point, machine, disks, hotPages, createdAtMs });
      const [fileBytes] = await Promise.all([memoryWritten, ...frozen.map((disk, i) => this.copyDisk(draft, disk, i))]);
      return { written, pauseMs, fileBytes };
    } catch (error) {
      this.core.ram.unwatch(written);
      throw error;
    } finally {
      memory.release();
    }
  }

  /** Images that lie in the store are named relative to it, so that it knows who needs them. */
  private describeDisks(draft: CheckpointDraft, frozen: readonly FrozenDisk[], folder: string): CheckpointDisk[] {
    return frozen.map(({ path, format, sizeBytes, isKept, backing }, i) => ({
      path: isKept ? path : draft.storePath(diskFile(i)),
      format: isKept ? format : 'qcow2',
      sizeBytes,
      readonly: this.disks.isReadonly(i),
      backing: backing.map((under) => storePathOf(folder, under)),
    }));
  }

  /** The machine gets a disk back that was copied, also when copying it failed. */
  private async copyDisk(draft: CheckpointDraft, disk: FrozenDisk, index: number): Promise<void> {
    if (disk.isKept) return;
    try {
      await disk.copyTo(join(draft.folder, diskFile(index)));
    } finally {
      await disk.commit();
    }
  }
}

/** "<id>/<file>" for what lies in the store. */
function storePathOf(folder: string, path: string): string {
  const inside = relative(folder, path);
  return isStorePath(inside) ? inside : path;
}

function diskFile(index: number): string {
  return `disk${index}.qcow2`;
}
