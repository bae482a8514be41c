import type { CheckpointOptions, CheckpointProgress, CheckpointReport, RestReport } from '../../api/checkpoint.ts';
import type { FrozenDisk, PreparedOverlay } from '../../backend/disk/live/live-disk.ts';
import type { CheckpointDisk, CheckpointRest } from '../../checkpoint/meta.ts';
import { throwIfCancelled } from '../../common/cancellation.ts';
import { GodwitError } from '../../common/errors.ts';
import { isAbsolute, join, relative } from '../../common/paths.ts';
import type { MachineCore } from '../../machine/core.ts';
import type { MachineSnapshot } from '../../machine/machine-snapshot.ts';
import type { WrittenPages } from '../../memory/written-pages.ts';
import { platform } from '../../platform/platform.ts';
import type { DisksToFork, MachineDisks } from '../disk/machine-disks.ts';
import type { MachineShares, RepliesOnTheirWay } from '../share/machine-shares.ts';
import { describeMachine, type MachineDescription } from './checkpointed-machine.ts';
import { copyName, FrozenDisks } from './frozen-disks.ts';
import { ProgressMeter } from './progress-meter.ts';
import { reportOf, restsOf } from './rests.ts';
import type { CheckpointDraft } from './store/draft.ts';
import { isStorePath } from './store/manifest.ts';
import { type BeginOptions, CheckpointStore } from './store/store.ts';

/** A machine as it was at one moment, with its disks as they were. */
export interface Frozen {
  readonly snapshot: MachineSnapshot;
  /** For copy-on-write images over the disks. */
  readonly disks: DisksToFork;
  /** Answers of shared folders that the machine had not got yet. */
  readonly replies: RepliesOnTheirWay;
  /** Milliseconds in which the machine did not execute. */
  readonly pauseMs: number;
}

/** A checkpoint in a store. */
export interface CheckpointPlace {
  readonly store: string;
  readonly id: string;
}

/** The checkpoint that a machine had last, and what it has written since. */
export interface LastCheckpoint extends CheckpointPlace {
  readonly written: WrittenPages;
}

/** What a checkpoint is made of. */
interface Making {
  readonly draft: CheckpointDraft;
  readonly name: string;
  /** The folder of all checkpoints. */
  readonly folder: string;
  readonly base: WrittenPages | undefined;
  readonly parents: 'keep' | 'copy';
  readonly apart: boolean;
  readonly signal: AbortSignal;
}

/** What is written into it. */
interface Content {
  readonly snapshot: MachineSnapshot;
  readonly frozen: FrozenDisks;
  readonly replies: RepliesOnTheirWay;
  readonly createdAtMs: number;
}

/** "2026-11-23-142530": sorts by time, and can be told apart. */
function nameOfNow(): string {
  return new Date().toISOString().slice(0, 19).replace('T', '-').replaceAll(':', '');
}

/** Keeps a machine as it is at a moment, while it goes on. */
export class Checkpointer {
  private readonly core: MachineCore;
  private readonly disks: MachineDisks;
  private readonly shares: MachineShares | undefined;
  private readonly configuration: MachineDescription;
  private last: LastCheckpoint | undefined;
  private parentPlace: CheckpointPlace | undefined;
  /** One at a time: each rests on the one before. */
  private queue: Promise<unknown> = Promise.resolve();
  private current: AbortController | undefined;
  private readonly onProgress: (progress: CheckpointProgress) => void;

  /** `last`: for a machine that goes on from a checkpoint. `parentPlace`: for one that was forked. */
  constructor(
    core: MachineCore,
    disks: MachineDisks,
    configuration: MachineDescription,
    {
      onProgress,
      last,
      parentPlace = last,
      shares,
    }: {
      onProgress: (progress: CheckpointProgress) => void;
      last?: LastCheckpoint | undefined;
      parentPlace?: CheckpointPlace | undefined;
      shares?: MachineShares;
    },
  ) {
    this.onProgress = onProgress;
    this.core = core;
    this.disks = disks;
    this.shares = shares;
    this.configuration = configuration;
    this.last = last;
    this.parentPlace = parentPlace;
  }

  /** The last checkpoint that the machine comes from: the parent of its next one. */
  get parentCheckpoint(): CheckpointPlace | undefined {
    return this.parentPlace;
  }

  /** Snapshot and disks of one moment, for a machine that goes on from it. The snapshot is to be released. */
  async freezeForFork(): Promise<Frozen> {
    const prepared = await this.disks.prepareOverlays(() => ({ parent: 'keep', own: false }));
    const { snapshot, switched, replies, pauseMs } = await this.whileSharesStand(() =>
      this.freezeMachine(prepared, undefined),
    );
    try {
      const frozen = await FrozenDisks.waitFor(switched);
      await frozen.keepImages();
      const { configured } = this.disks;
      return {
        snapshot,
        disks: { frozen: frozen.all.map(({ path, format, sizeBytes }) => ({ path, format, sizeBytes })), configured },
        replies,
        pauseMs,
      };
    } catch (error) {
      snapshot.memory.release();
      throw error;
    }
  }

  /** The one moment in which the machine stands still. */
  private freezeMachine(prepared: readonly PreparedOverlay[], since: WrittenPages | undefined) {
    const { clock } = platform();
    const startedMs = clock.nowMs();
    const snapshot = this.takeSnapshot(prepared, since);
    const switched = prepared.map((overlay) => overlay.switch());
    const replies = this.shares?.repliesOnTheirWay ?? [];
    return { snapshot, switched, replies, pauseMs: clock.nowMs() - startedMs };
  }

  /** What was asked of a shared folder is done or not begun then: nobody does it a second time. */
  private async whileSharesStand<T>(action: () => T): Promise<T> {
    await this.shares?.hold();
    try {
      return action();
    } finally {
      this.shares?.release();
    }
  }

  private takeSnapshot(prepared: readonly PreparedOverlay[], since: WrittenPages | undefined): MachineSnapshot {
    try {
      return this.core.snapshot(since);
    } catch (error) {
      for (const overlay of prepared) void overlay.cancel().catch(() => {});
      throw error;
    }
  }

  /**
   * Resolves when the checkpoint is on stable storage. Throws GodwitError; nothing of it is left then, and the machine
   * is as it was.
   */
  create(options: CheckpointOptions): Promise<CheckpointReport> {
    const created = this.queue.then(() => this.createNext(options));
    this.queue = created.catch(() => {});
    return created;
  }

  /** Gives up the one that is being made. */
  cancel(): void {
    this.current?.abort();
  }

  /** Waits for what is under way. */
  async close(): Promise<void> {
    await this.queue;
  }

  private async createNext(options: CheckpointOptions): Promise<CheckpointReport> {
    this.current = new AbortController();
    try {
      return await this.createUnless(this.current.signal, options);
    } finally {
      this.current = undefined;
    }
  }

  private async createUnless(signal: AbortSignal, options: CheckpointOptions): Promise<CheckpointReport> {
    const { clock, files } = platform();
    this.shares?.requireCommon();
    const startedMs = clock.nowMs();
    const name = options.name ?? nameOfNow();
    const { full = false, apart = false, disks: parents = 'keep' } = options;
    const store = await CheckpointStore.open(options.store === undefined ? {} : { folder: options.store });
    try {
      const { draft, base } = await this.beginDraft(store, name, full || apart);
      try {
        const folder = await files.realPath(store.folder);
        const made = await this.fillDraft({ draft, name, folder, base, parents, apart, signal });
        try {
          await this.commitDraft(draft, made.frozen, signal);
        } catch (error) {
          if (made.written) this.core.ram.unwatch(made.written);
          throw error;
        }
        if (made.written) {
          this.last = { store: store.folder, id: draft.id, written: made.written };
          this.parentPlace = this.last;
        }
        const wallMs = clock.nowMs() - startedMs;
        const path = join(store.folder, draft.id);
        const { pauseMs, fileBytes, restsOn } = made;
        return { id: draft.id, name, path, pauseMs, wallMs, fileBytes, restsOn };
      } catch (error) {
        await draft.abandon().catch(() => {});
        throw error;
      }
    } finally {
      await store.close();
    }
  }

  /** Below the checkpoint that the machine comes from, and on top of its pages, where that is still there. */
  private async beginDraft(store: CheckpointStore, name: string, full: boolean) {
    const parent = this.parentPlace?.store === store.folder ? this.parentPlace.id : undefined;
    const base = !full && this.last?.store === store.folder ? this.last : undefined;
    if (parent === undefined) return { draft: await store.begin({ name }), base: undefined };
    const options: BeginOptions = { name, parent, ...(base && { base: base.id }) };
    try {
      return { draft: await store.begin(options), base: base?.written };
    } catch (error) {
      // Deleted or damaged meanwhile: nothing can be built on it.
      if (!(error instanceof GodwitError) || !['not-found', 'damaged'].includes(error.code)) throw error;
      return { draft: await store.begin({ name }), base: undefined };
    }
  }

  /** It is there, with the disks that it keeps; or not, and the machine has them back. */
  private async commitDraft(draft: CheckpointDraft, frozen: FrozenDisks, signal: AbortSignal): Promise<void> {
    try {
      refuseCancelled(signal);
      await draft.commit();
    } catch (error) {
      await frozen.returnToMachine(this.reportError);
      throw error;
    }
    await frozen.keepImages();
  }

  private async fillDraft(making: Making) {
    const { base, parents, apart, signal } = making;
    const prepared = await this.disks.prepareForCheckpoint(parents);
    if (signal.aborted) {
      await Promise.all(prepared.map((overlay) => overlay.cancel()));
      refuseCancelled(signal);
    }
    const { snapshot, switched, replies, pauseMs, written, createdAtMs } = await this.whileSharesStand(() => {
      // Whatever becomes of this one, the pages counted since the last belong to this snapshot only.
      const { last } = this;
      if (!apart) this.last = undefined;
      if (last && !base && !apart) this.core.ram.unwatch(last.written);
      const createdAt = { createdAtMs: Date.now() };
      const frozen = this.freezeMachine(prepared, base);
      return { ...frozen, ...createdAt, written: apart ? undefined : this.core.ram.watchWrites() };
    });
    try {
      const frozen = await FrozenDisks.waitFor(switched);
      const { fileBytes, restsOn } = await this.writeContent(making, { snapshot, frozen, replies, createdAtMs });
      return { written, pauseMs, fileBytes, restsOn, frozen };
    } catch (error) {
      if (written) this.core.ram.unwatch(written);
      throw error;
    } finally {
      snapshot.memory.release();
    }
  }

  /** Memory and disks side by side, while the machine goes on. Gives the size of the file, and what it rests on. */
  private async writeContent(
    { draft, name, folder, signal }: Making,
    { snapshot, frozen, replies, createdAtMs }: Content,
  ): Promise<{ fileBytes: number; restsOn: RestReport[] }> {
    const progress = new ProgressMeter(name, frozen.bytesToCopy, this.onProgress);
    const rests = this.findRests(frozen.all, folder);
    const disks = this.describeDisks(draft, frozen.all, folder);
    const content = {
      memory: snapshot.memory,
      state: snapshot.state,
      point: snapshot.point,
      machine: describeMachine(this.configuration, { shares: this.shares?.configured ?? [], replies }),
      disks,
      hotPages: this.core.recentPages(snapshot),
      createdAtMs,
    };
    const copied = frozen.copyInto(draft.folder, {
      signal,
      onProgress: (copiedBytes) => progress.update({ copiedBytes }),
      onError: this.reportError,
    });
    const onProgress = (fileBytes: number): void => progress.update({ fileBytes });
    const written = rests.then((found) => draft.write({ ...content, rests: found }, { signal, onProgress }));
    const [memoryWritten, disksCopied] = await Promise.allSettled([written, copied]);
    if (memoryWritten.status === 'fulfilled' && disksCopied.status === 'fulfilled') {
      const copies = disks.filter(({ path }) => !isAbsolute(path)).map(({ path }) => join(folder, path));
      return { fileBytes: memoryWritten.value, restsOn: reportOf(await rests, copies) };
    }
    await frozen.returnToMachine(this.reportError);
    throw memoryWritten.status === 'rejected' ? memoryWritten.reason : (disksCopied as PromiseRejectedResult).reason;
  }

  private findRests(frozen: readonly FrozenDisk[], folder: string): Promise<CheckpointRest[]> {
    const disks = frozen.map(({ path, backing, isKept }, i) => {
      return { path, backing, isKept, readonly: this.disks.isReadonly(i) };
    });
    return restsOf(disks, this.configuration.bootFiles ?? [], (path) => isStorePath(relative(folder, path)));
  }

  /** Images that lie in the store are named relative to it, so that it knows who needs them. */
  private describeDisks(draft: CheckpointDraft, frozen: readonly FrozenDisk[], folder: string): CheckpointDisk[] {
    return frozen.map(({ path, format, sizeBytes, isKept, backing }, i) => ({
      path: isKept ? path : draft.storePath(copyName(i)),
      format: isKept ? format : 'qcow2',
      sizeBytes,
      readonly: this.disks.isReadonly(i),
      backing: backing.map((under) => storePathOf(folder, under)),
    }));
  }

  private readonly reportError = (disk: number, error: unknown): void => this.disks.report(disk, error);
}

function refuseCancelled(signal: AbortSignal): void {
  throwIfCancelled(signal, 'The checkpoint was cancelled');
}

/** "<id>/<file>" for what lies in the store. */
function storePathOf(folder: string, path: string): string {
  const inside = relative(folder, path);
  return isStorePath(inside) ? inside : path;
}
