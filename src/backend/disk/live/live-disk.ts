/** The disk of a running machine, which checkpoints can be taken of. */

import type { Cancellation } from '../../../common/cancellation.ts';
import { GodwitError } from '../../../common/errors.ts';
import { dirname } from '../../../common/paths.ts';
import { uniqueName } from '../../../common/unique-name.ts';
import { platform } from '../../../platform/platform.ts';
import { BorrowedDisk, CommittingDisk, type DiskFormat, SwitchableDisk } from '../index.ts';
import { closedError } from '../range.ts';
import { type CopyImageOptions, copyImage, imagesUnderCopy } from './copy.ts';
import { type OpenDiskOptions, type OpenImage, openImage } from './image.ts';
import { giveNameBack, type Overlay, putOverlay, takeOverlayAway, temporaryParentPath, tidyUp } from './overlay.ts';
import { TurnLock } from './turn-lock.ts';

export interface LiveDiskOptions extends OpenDiskOptions {
  /** Gets what goes wrong in the background; the machine goes on. */
  readonly onError?: (error: unknown) => void;
}

/**
 * What becomes of the disk's present image:
 * - keep: it belongs to the checkpoint from then on and is never written again; `keptPath` is where it should be then,
 *   which is used if that is on the same file system. Where it need not be `own`, one that was kept before serves again
 *   if nothing was written since: else each of many forks would make the chain of images longer
 * - copy: it is copied; then the overlay is brought back into it
 */
export type OverlayRequest =
  | { readonly parent: 'keep'; readonly keptPath?: string; readonly own?: boolean }
  | { readonly parent: 'copy' };

/** An overlay that is in place, but not in use yet. Either of its calls is made, once. */
export interface PreparedOverlay {
  /**
   * What the machine asks for from now on goes to the overlay. Resolves when nothing changes the parent any more, and
   * it is on stable storage.
   */
  switch(): Promise<FrozenDisk>;
  cancel(): Promise<void>;
}

/**
 * The disk as it was at the moment of the switch. Nothing changes it until `keep` or `commit` is called: one of them,
 * once.
 */
export interface FrozenDisk {
  readonly path: string;
  readonly format: DiskFormat;
  readonly sizeBytes: number;
  /** Paths of the images under it, or, where it is to be copied, under the copy; the nearest first. */
  readonly backing: readonly string[];
  /** Whether it is to be kept. */
  readonly isKept: boolean;
  /** Makes a qcow2 image with the same content. */
  copyTo(path: string, options?: CopyImageOptions): Promise<void>;
  /** Nobody changes it any more: others may read it, and lay images over it. */
  keep(): Promise<void>;
  /**
   * Brings what the machine has written since into the parent, which the machine goes on with then: after a copy, and
   * when what it was to be kept for has come to nothing. Nothing is lost when it fails or never ends: it is done when
   * the machine ends, or mostly when it is started again.
   */
  commit(options?: CommitOptions): Promise<void>;
}

export interface CommitOptions {
  readonly signal?: Cancellation;
  readonly onProgress?: (doneBytes: number, copiedBytes: number) => void;
}

/** What is open in a `LiveDisk`. */
interface Opened {
  /** The machine's image first, then those under it that were opened for writing. */
  readonly layers: OpenImage[];
  readonly path: string;
  readonly byLink: boolean;
  /** Left from a process that died while it brought an overlay back. */
  readonly uncommitted: Overlay | undefined;
}

export class LiveDisk extends SwitchableDisk {
  /** With symbolic links resolved: what is there is the machine's disk at any moment. */
  readonly path: string;
  private readonly byLink: boolean;
  private readonly layers: OpenImage[];
  private readonly onError: (error: unknown) => void;
  private readonly turns = new TurnLock();
  /** What closing waits for. */
  private readonly work = new Set<Promise<unknown>>();
  private endTurn: () => void = () => {};
  private abandon: (() => Promise<void>) | undefined;
  private uncommitted: Overlay | undefined;
  /**
   * The last overlay over a parent that was kept, and the last one that the machine went on with until it writes to it.
   */
  private overKept: Overlay | undefined;
  private unwritten: Overlay | undefined;
  private committing: Promise<void> | undefined;
  private closed = false;

  /**
   * Opens an image as `openDisk` does. An overlay that a killed process left over it is brought back in the background.
   * @throws GodwitError as `openDisk` does
   */
  static async open(path: string, options: LiveDiskOptions = {}): Promise<LiveDisk> {
    const disk = new LiveDisk(
      options.readonly ? await openReadonly(path, options) : await openAll(path, options),
      options,
    );
    if (disk.uncommitted !== undefined) disk.resumeCommit();
    return disk;
  }

  private constructor({ layers, path, byLink, uncommitted }: Opened, options: LiveDiskOptions) {
    super(layers[0]!.disk);
    this.path = path;
    this.byLink = byLink;
    this.layers = layers;
    this.uncommitted = uncommitted;
    this.onError = options.onError ?? ((): void => {});
  }

  /** Whether a parent waits to get back what was written since it was copied. */
  get isCommitPending(): boolean {
    return this.uncommitted !== undefined;
  }

  /**
   * Puts an overlay in place while the machine goes on. Waits for an earlier one to be kept or committed. Throws
   * GodwitError.
   */
  async prepareOverlay(request: OverlayRequest): Promise<PreparedOverlay> {
    this.refuseClosed();
    if (this.readonly) return this.prepareReadonly();
    const release = await this.takeTurn();
    return await this.track(this.prepareOverlayLocked(request, release));
  }

  private async takeTurn(): Promise<() => void> {
    const release = await this.turns.take();
    this.endTurn = release;
    return release;
  }

  private async prepareOverlayLocked(request: OverlayRequest, release: () => void): Promise<PreparedOverlay> {
    try {
      this.refuseClosed();
      await this.commit();
      const overlay = await putOverlay(this.layers[0]!, {
        parentPath: this.parentPath(request),
        byLink: this.byLink,
      });
      return this.prepared(overlay, request, release);
    } catch (error) {
      release();
      throw error;
    }
  }

  private parentPath(request: OverlayRequest): string {
    if (request.parent === 'copy') return temporaryParentPath(this.path);
    return request.keptPath ?? `${this.path}.${uniqueName().slice(0, 8)}`;
  }

  private prepared(overlay: Overlay, request: OverlayRequest, release: () => void): PreparedOverlay {
    let isUsed = false;
    const use = (): void => {
      if (isUsed) throw new GodwitError('usage', 'An overlay is used once, or cancelled.');
      isUsed = true;
      this.abandon = undefined;
    };
    const cancel = async (): Promise<void> => {
      use();
      try {
        await takeOverlayAway(overlay);
      } finally {
        release();
      }
    };
    this.abandon = cancel;
    return {
      cancel: () => this.track(cancel()),
      switch: () => {
        use();
        const keep = request.parent === 'keep';
        const kept = this.keptAlready;
        if (keep && request.own === false && kept) return this.track(this.freezeAgain(kept, overlay, release));
        const { flushed } = this.switchTo(overlay.image.disk);
        this.layers.unshift(overlay.image);
        this.uncommitted = overlay;
        this.unwritten = overlay;
        return this.track(this.freeze(overlay, keep, flushed, release));
      },
    };
  }

  private async freeze(
    overlay: Overlay,
    keep: boolean,
    flushed: Promise<void>,
    release: () => void,
  ): Promise<FrozenDisk> {
    const { parent, parentPath } = overlay;
    try {
      await flushed;
      await settle(parent);
    } catch (error) {
      release();
      throw error;
    }
    return {
      ...this.frozen(parent, parentPath),
      ...(!keep && { isKept: false, backing: pathsOf(imagesUnderCopy(parent)) }),
      keep: () => this.track(this.keep(overlay).finally(release)),
      commit: (options) => this.track(this.commit(options).finally(release)),
    };
  }

  /** An image that stays as it is. */
  private frozen(image: OpenImage, path: string): Omit<FrozenDisk, 'keep' | 'commit'> {
    return {
      path,
      format: image.disk.format,
      sizeBytes: this.sizeBytes,
      backing: pathsOf(image.under),
      isKept: true,
      copyTo: (copyPath, options) => this.track(copyImage(image, copyPath, options)),
    };
  }

  /** The overlay that the machine uses, if its parent was kept and is all that the disk has. */
  private get keptAlready(): Overlay | undefined {
    const overlay = this.overKept;
    return overlay === this.unwritten && overlay?.image === this.layers[0] ? overlay : undefined;
  }

  override write(offset: number, data: Uint8Array): Promise<void> {
    this.unwritten = undefined;
    return super.write(offset, data);
  }

  override discard(offset: number, length: number): Promise<void> {
    this.unwritten = undefined;
    return super.discard(offset, length);
  }

  override writeZeroes(offset: number, length: number, unmap: boolean): Promise<void> {
    this.unwritten = undefined;
    return super.writeZeroes(offset, length, unmap);
  }

  /** What was kept once is the disk as it is now; the overlay that was prepared is not needed. */
  private async freezeAgain(
    { parent, parentPath }: Overlay,
    unneeded: Overlay,
    release: () => void,
  ): Promise<FrozenDisk> {
    try {
      await takeOverlayAway(unneeded);
    } catch (error) {
      release();
      throw error;
    }
    return { ...this.frozen(parent, parentPath), keep: async () => release(), commit: async () => release() };
  }

  /** Nothing changes it anyway. */
  private prepareReadonly(): PreparedOverlay {
    const frozen: FrozenDisk = {
      ...this.frozen(this.layers[0]!, this.path),
      keep: async () => {},
      commit: async () => {},
    };
    return { switch: async () => frozen, cancel: async () => {} };
  }

  private async keep(overlay: Overlay): Promise<void> {
    if (this.uncommitted !== overlay || this.committing !== undefined) {
      throw new GodwitError('usage', `The disk image ${overlay.parentPath} is not to be kept any more.`);
    }
    this.uncommitted = undefined;
    this.overKept = overlay;
    await shareForGood(overlay.parent);
  }

  private async resumeCommit(): Promise<void> {
    const release = await this.takeTurn();
    await this.track(this.commit().finally(release)).catch(this.onError);
  }

  /** Brings the overlay back into its parent, if there is one to be brought back. */
  private commit(options: CommitOptions = {}): Promise<void> {
    if (this.uncommitted === undefined) return Promise.resolve();
    this.committing ??= this.commitOverlay(this.uncommitted, options).finally(() => {
      this.committing = undefined;
    });
    return this.committing;
  }

  private async commitOverlay(overlay: Overlay, options: CommitOptions): Promise<void> {
    const { image, parent, path, parentPath } = overlay;
    const committing = new CommittingDisk(image.disk, parent.disk);
    const { quiet } = this.switchTo(committing, { flushOld: false });
    try {
      // What is still on its way to the overlay by itself would not be noticed.
      await quiet;
      await committing.commit(options);
      const between = async (): Promise<void> => {
        await settle(parent);
        committing.assertFollowing();
        await giveNameBack(path, parentPath);
      };
      await this.switchTo(parent.disk, { between, flushOld: false }).quiet;
    } catch (error) {
      this.switchTo(image.disk, { flushOld: false });
      if (!options.signal?.aborted) throw error;
      throw new GodwitError('state', `Bringing ${path} back into ${parentPath} was called off.`, { cause: error });
    }
    parent.file.movedTo(path);
    this.layers.shift();
    this.uncommitted = undefined;
    // Its file has no name any more, and its content is in the parent.
    await image.disk.close().catch(() => {});
  }

  /** Waits for copies that are under way, and brings back what is not. */
  override async close(): Promise<void> {
    this.refuseClosed();
    this.closed = true;
    while (this.work.size > 0) await Promise.allSettled(this.work);
    await this.abandon?.().catch(this.onError);
    await this.commit().catch(this.onError);
    // Whoever waits for it learns that the disk is closed.
    this.endTurn();
    const results = [await settledOf(super.close())];
    for (const { disk } of this.layers.slice(1)) results.push(await settledOf(disk.close()));
    const failed = results.find((result) => result.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }

  private refuseClosed(): void {
    if (this.closed) throw closedError(`The disk ${this.path}`);
  }

  private track<T>(work: Promise<T>): Promise<T> {
    const settled: Promise<unknown> = work.then(
      () => this.work.delete(settled),
      () => this.work.delete(settled),
    );
    this.work.add(settled);
    return work;
  }
}

function pathsOf(images: readonly { readonly path: string }[]): string[] {
  return images.map(({ path }) => path);
}

async function settledOf(work: Promise<void>): Promise<PromiseSettledResult<void>> {
  return (await Promise.allSettled([work]))[0]!;
}

async function settle({ disk }: OpenImage): Promise<void> {
  if (disk.format === 'qcow2') await disk.settle();
  else await disk.flush();
}

/** Others may read it now, and no one is to write it. */
async function shareForGood({ file }: OpenImage): Promise<void> {
  const path = file.realPath;
  await file.share();
  // Not all files may be changed like that.
  await platform()
    .files.protect(path, true)
    .catch(() => {});
}

async function openReadonly(path: string, options: LiveDiskOptions): Promise<Opened> {
  const image = await openImage(path, options);
  return { layers: [image], path: image.file.realPath, byLink: false, uncommitted: undefined };
}

async function openAll(path: string, options: LiveDiskOptions): Promise<Opened> {
  const { files } = platform();
  const realPath = await files.realPath(path).catch(() => path);
  const parentPath = temporaryParentPath(realPath);
  let parent: OpenImage | undefined;
  const image = await openImage(path, {
    ...options,
    openBacking: async (backing, format) => {
      if (backing !== parentPath) return undefined;
      parent = await openParent(backing, format);
      return parent && { ...parent, disk: new BorrowedDisk(parent.disk) };
    },
  });
  try {
    await tidyUp(image, realPath);
  } catch (error) {
    await image.disk.close();
    await parent?.disk.close();
    throw error;
  }
  const uncommitted = parent && { image, parent, path: realPath, parentPath };
  const byLink = dirname(files.absolute(path)) !== dirname(realPath);
  return { layers: parent ? [image, parent] : [image], path: realPath, byLink, uncommitted };
}

/** For writing, if nobody else has it. */
async function openParent(path: string, format: DiskFormat | undefined): Promise<OpenImage | undefined> {
  try {
    return await openImage(path, format === undefined ? {} : { format });
  } catch (error) {
    if (error instanceof GodwitError && (error.code === 'locked' || error.code === 'denied')) return undefined;
    throw error;
  }
}
