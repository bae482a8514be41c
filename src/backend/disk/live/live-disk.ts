/** The disk of a running machine, which checkpoints can be taken of. */

import { GodwitError } from '../../../common/errors.ts';
import { present, violation } from '../../../common/invariant.ts';
import { dirname } from '../../../common/paths.ts';
import { uniqueName } from '../../../common/unique-name.ts';
import { platform } from '../../../platform/platform.ts';
import { BorrowedDisk, CommittingDisk, type DiskFormat, SwitchableDisk } from '../index.ts';
import { closedError } from '../range.ts';
import { machineSizeOf } from '../sectors.ts';
import { copyImage, imagesUnderCopy } from './copy.ts';
import type { CommitOptions, FrozenDisk, OverlayRequest, PreparedOverlay } from './frozen-disk.ts';
import { type OpenDiskOptions, type OpenImage, openImage, openShared } from './image.ts';
import {
  giveNameBack,
  type Overlay,
  putOverlay,
  refuseLongChain,
  takeOverlayAway,
  temporaryParentPath,
  tidyUp,
} from './overlay.ts';
import { createOwnImage } from './own-image.ts';
import { type SharedImage, shareOpenImage } from './shared-images.ts';
import { TurnLock } from './turn-lock.ts';
import { UnwrittenDisk } from './unwritten-disk.ts';

export type { CommitOptions, FrozenDisk, OverlayRequest, PreparedOverlay } from './frozen-disk.ts';

export interface LiveDiskOptions extends OpenDiskOptions {
  /** Gets what goes wrong in the background; the machine goes on. */
  readonly onError?: (error: unknown) => void;
}

/** A disk over an image that stays as it is. What a machine writes to it is of no use when the machine has ended. */
export interface DiskOverOptions {
  readonly format: DiskFormat;
  /** What the machine sees. */
  readonly sizeBytes: number;
  readonly readonly: boolean;
  /** Gives the path of an image for what the machine writes, each time another. Asked for when it writes. */
  readonly place: () => Promise<string>;
}

/** An image that is open here. */
interface Layer {
  readonly image: OpenImage;
  /** Set once nobody writes it any more: others may have it, too. */
  shared?: SharedImage;
}

/** What is open in a `LiveDisk`. */
interface Opened {
  /** The machine's image first, then those under it that are not closed with it. */
  readonly layers: Layer[];
  readonly path: string;
  readonly byLink?: boolean;
  /** Left from a process that died while it brought an overlay back. */
  readonly uncommitted?: Overlay | undefined;
  /** Of one that has no image of its own: the first layer is what it shows. */
  readonly over?: DiskOverOptions;
}

export class LiveDisk extends SwitchableDisk {
  /** With symbolic links resolved: what is there is the machine's disk at any moment, unless that is temporary. */
  readonly path: string;
  private readonly byLink: boolean;
  private readonly layers: Layer[];
  private readonly place: (() => Promise<string>) | undefined;
  /** There is no image of its own over the first layer: nothing was written since it shows that. */
  private isBare: boolean;
  private placing: Promise<void> | undefined;
  /** Changes wait for it first. */
  private beforeChange: (() => Promise<void>) | undefined;
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

  /** Shows an image, and makes one over it when the machine writes. Throws GodwitError as `openDisk` does. */
  static async over(path: string, over: DiskOverOptions): Promise<LiveDisk> {
    const shared = await openShared(path, over.format);
    return new LiveDisk({ layers: [{ image: shared.image, shared }], path: shared.image.file.realPath, over }, {});
  }

  private constructor({ layers, path, byLink = false, uncommitted, over }: Opened, options: LiveDiskOptions) {
    const { disk } = layers[0]!.image;
    super(over ? new UnwrittenDisk(disk, over) : disk);
    this.path = path;
    this.byLink = byLink;
    this.layers = layers;
    this.place = over?.readonly ? undefined : over?.place;
    this.isBare = over !== undefined && !over.readonly;
    this.uncommitted = uncommitted;
    this.onError = options.onError ?? ((): void => {});
  }

  /** Nothing of it is of use when the machine has ended. */
  get isTemporary(): boolean {
    return this.place !== undefined || platform().files.isTemporary(this.path);
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
      if (request.parent === 'keep' && request.own === false) {
        if (this.place) return this.preparedToShow(release);
        if (this.keptAlready) return this.preparedUnlessChanged(this.layers[1]!, request, release);
      }
      await this.haveOwnImage();
      const overlay = await this.put(request);
      return this.usedOnce(release, {
        switch: () => this.goOverTo(overlay, request, release),
        cancel: () => takeOverlayAway(overlay),
      });
    } catch (error) {
      release();
      throw error;
    }
  }

  private put(request: OverlayRequest): Promise<Overlay> {
    const { image } = this.layers[0]!;
    const { realPath } = image.file;
    return putOverlay(image, { parentPath: parentPathOf(realPath, request), byLink: this.byLink });
  }

  private usedOnce(
    release: () => void,
    uses: { readonly switch: () => Promise<FrozenDisk>; readonly cancel: () => Promise<void> },
  ): PreparedOverlay {
    let isUsed = false;
    const use = (): void => {
      if (isUsed) throw new GodwitError('usage', 'An overlay is used once, or cancelled.');
      isUsed = true;
      this.abandon = undefined;
    };
    const cancel = async (): Promise<void> => {
      use();
      try {
        await uses.cancel();
      } finally {
        release();
      }
    };
    this.abandon = cancel;
    return {
      cancel: () => this.track(cancel()),
      switch: () => {
        use();
        return this.track(uses.switch());
      },
    };
  }

  private goOverTo(overlay: Overlay, request: OverlayRequest, release: () => void): Promise<FrozenDisk> {
    const { flushed } = this.switchTo(overlay.image.disk);
    this.layers.unshift({ image: overlay.image });
    this.uncommitted = overlay;
    this.unwritten = overlay;
    return this.freeze(overlay, request.parent === 'keep', flushed, release);
  }

  /** What was kept once is the disk as it is now. Only if that changes before the switch an overlay is put in place. */
  private preparedUnlessChanged(kept: Layer, request: OverlayRequest, release: () => void): PreparedOverlay {
    let overlay: Overlay | undefined;
    let failure: unknown;
    let putting: Promise<void> | undefined;
    const putFirst = (): Promise<void> => {
      putting ??= this.put(request).then(
        (put) => {
          overlay = put;
          this.beforeChange = undefined;
        },
        (error: unknown) => {
          failure = error;
          this.beforeChange = undefined;
        },
      );
      return putting;
    };
    this.beforeChange = putFirst;
    const takeAway = async (): Promise<void> => {
      this.beforeChange = undefined;
      await putting;
      if (overlay) await takeOverlayAway(overlay);
    };
    return this.usedOnce(release, {
      cancel: takeAway,
      switch: async () => {
        if (overlay) return await this.goOverTo(overlay, request, release);
        try {
          if (failure !== undefined) throw failure;
          // A change that waits for the overlay comes after the switch.
          await takeAway();
        } catch (error) {
          release();
          throw error;
        }
        return this.frozenForGood(kept, release);
      },
    });
  }

  /** A temporary disk goes on over what it shows, or over what it has of its own. */
  private preparedToShow(release: () => void): PreparedOverlay {
    if (!this.isBare) refuseLongChain(this.layers[0]!.image);
    return this.usedOnce(release, { switch: () => this.showOnly(release), cancel: async () => {} });
  }

  private async showOnly(release: () => void): Promise<FrozenDisk> {
    const layer = this.layers[0]!;
    try {
      if (!this.isBare) {
        const { flushed } = this.switchTo(new UnwrittenDisk(layer.image.disk, this));
        this.isBare = true;
        await flushed;
      }
      if (layer.shared === undefined) await settle(layer.image);
    } catch (error) {
      release();
      throw error;
    }
    return this.frozenForGood(layer, release);
  }

  private frozenForGood(layer: Layer, release: () => void): FrozenDisk {
    return {
      ...this.frozen(layer.image, layer.image.file.realPath),
      keep: () => this.track(this.shareLayer(layer).finally(release)),
      commit: async () => release(),
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
    return overlay === this.unwritten && overlay?.image === this.layers[0]!.image ? overlay : undefined;
  }

  override write(offset: number, data: Uint8Array): Promise<void> {
    return this.change(() => super.write(offset, data));
  }

  override discard(offset: number, length: number): Promise<void> {
    return this.change(() => super.discard(offset, length));
  }

  override writeZeroes(offset: number, length: number, unmap: boolean): Promise<void> {
    return this.change(() => super.writeZeroes(offset, length, unmap));
  }

  private change(call: () => Promise<void>): Promise<void> {
    this.unwritten = undefined;
    return this.isBare || this.beforeChange ? this.changeLater(call) : call();
  }

  private async changeLater(call: () => Promise<void>): Promise<void> {
    for (;;) {
      if (this.beforeChange) await this.beforeChange();
      else if (this.isBare) await this.haveOwnImage();
      else return await call();
    }
  }

  /** Puts an image over what the disk only shows. */
  private async haveOwnImage(): Promise<void> {
    if (!this.isBare) return;
    this.placing ??= this.track(this.placeOwnImage()).finally(() => {
      this.placing = undefined;
    });
    await this.placing;
  }

  private async placeOwnImage(): Promise<void> {
    const below = this.layers[0]!.image;
    refuseLongChain(below);
    const image = await createOwnImage(await this.place!(), below, this.sizeBytes);
    this.switchTo(image.disk, { flushOld: false });
    this.layers.unshift({ image });
    this.isBare = false;
  }

  /** Nothing changes it anyway. */
  private prepareReadonly(): PreparedOverlay {
    const frozen: FrozenDisk = {
      ...this.frozen(this.layers[0]!.image, this.path),
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
    await this.shareLayer(
      present(
        this.layers.find(({ image }) => image === overlay.parent),
        'the image under an overlay is open',
      ),
    );
    // Not all files may be changed like that.
    await platform()
      .files.protect(overlay.parentPath, true)
      .catch(() => {});
  }

  /** Others may read it now, and no one is to write it. */
  private async shareLayer(layer: Layer): Promise<void> {
    if (layer.shared) return;
    const below = this.layers[this.layers.indexOf(layer) + 1];
    await layer.image.file.share();
    layer.shared ??= shareOpenImage(layer.image, below?.shared?.again());
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
    for (const [index, { image, shared }] of this.layers.entries()) {
      if (shared) results.push(await settledOf(shared.release()));
      else if (index > 0 || this.isBare) results.push(await settledOf(image.disk.close()));
    }
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

function parentPathOf(path: string, request: OverlayRequest): string {
  if (request.parent === 'copy') return temporaryParentPath(path);
  return request.keptPath ?? `${path}.${uniqueName().slice(0, 8)}`;
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

function noPlace(): never {
  throw violation('a disk that is only read needs no image of its own');
}

async function openReadonly(path: string, options: LiveDiskOptions): Promise<Opened> {
  const shared = await openShared(path, options.format);
  const { image } = shared;
  const { format } = image.disk;
  const over: DiskOverOptions = { format, sizeBytes: machineSizeOf(image.disk), readonly: true, place: noPlace };
  return { layers: [{ image, shared }], path: image.file.realPath, over };
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
  const layers = parent ? [{ image }, { image: parent }] : [{ image }];
  return { layers, path: realPath, byLink, uncommitted };
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
