import { GodwitError } from '../../common/errors.ts';
import { callback, flag, object, optional, type Schema } from '../../common/schema.ts';
import { DISK } from './arguments.ts';
import type { Disk } from './disk.ts';
import { machineSizeOf } from './sectors.ts';

/** How a disk is replaced. */
export interface SwitchOptions {
  /**
   * Done between the last request of the old disk and the first of the new one: keep it short. When it fails, requests
   * go on to the old disk.
   */
  between?: () => Promise<void>;
  /** Whether the old disk is flushed when it has come to rest. Default true. */
  flushOld?: boolean;
}

const OPTIONS: Schema<SwitchOptions> = object({
  between: optional(callback<() => Promise<void>>()),
  flushOld: optional(flag()),
});

/** How far the old disk is. Both may be left alone. */
export interface Switched {
  /**
   * The old disk has no request in flight and gets no more. Rejects with what `between` threw: nothing was switched
   * then.
   */
  readonly quiet: Promise<void>;
  /** ... and all that was written to it is on stable storage. */
  readonly flushed: Promise<void>;
}

/** The time that one disk serves. */
class Reign {
  disk: Disk;
  /** Requests wait for it; undefined when they need not any more. */
  opened: Promise<void> | undefined;
  /** A flush waits for it as well: what was written before must be safe, wherever it went. */
  before: Promise<void> = Promise.resolve();
  private inFlight = 0;
  private idleWaiters: (() => void)[] = [];

  constructor(disk: Disk) {
    this.disk = disk;
  }

  async run<T>(call: (disk: Disk) => Promise<T>, before?: Promise<void>): Promise<T> {
    this.inFlight += 1;
    try {
      if (before !== undefined) await before;
      if (this.opened !== undefined) await this.opened;
      return await call(this.disk);
    } finally {
      this.inFlight -= 1;
      if (this.inFlight === 0) for (const wake of this.idleWaiters.splice(0)) wake();
    }
  }

  flush(): Promise<void> {
    return this.run((disk) => disk.flush(), this.before);
  }

  /** Resolves when nothing is in flight, nor for an earlier disk. Asked when no more can come. */
  async idle(): Promise<void> {
    await this.opened;
    if (this.inFlight > 0) await new Promise<void>((resolve) => this.idleWaiters.push(resolve));
  }
}

/**
 * Stands between a machine and its disk, which may be another one from some request on:
 *
 *     requests before `switchTo`      go to the old disk
 *     requests after it               wait until those are done, then go to the new one
 *     a flush after it                waits besides until what the old disk got is on stable storage
 *
 * They wait because a copy-on-write image copies what surrounds a write from the image under it, where no write may be
 * under way then.
 */
export class SwitchableDisk implements Disk {
  readonly format: Disk['format'];
  readonly sizeBytes: number;
  readonly readonly: boolean;
  private reign: Reign;

  /** Shows this disk, to begin with. */
  constructor(disk: Disk) {
    DISK.parse(disk, 'disk');
    this.format = disk.format;
    this.sizeBytes = machineSizeOf(disk);
    this.readonly = disk.readonly;
    this.reign = new Reign(disk);
  }

  /** The disk that new requests go to. */
  get current(): Disk {
    return this.reign.disk;
  }

  read(offset: number, into: Uint8Array): Promise<void> {
    return this.reign.run((disk) => disk.read(offset, into));
  }

  write(offset: number, data: Uint8Array): Promise<void> {
    return this.reign.run((disk) => disk.write(offset, data));
  }

  flush(): Promise<void> {
    return this.reign.flush();
  }

  discard(offset: number, length: number): Promise<void> {
    return this.reign.run((disk) => disk.discard(offset, length));
  }

  writeZeroes(offset: number, length: number, unmap: boolean): Promise<void> {
    return this.reign.run((disk) => disk.writeZeroes(offset, length, unmap));
  }

  /** Waits for what is in flight. Closes the current disk only: earlier ones belong to whoever switched. */
  async close(): Promise<void> {
    const reign = this.reign;
    await reign.idle();
    await reign.disk.close();
  }

  /** Takes effect before it returns: what is asked for from now on goes to `other`, in its turn. */
  switchTo(other: Disk, options: SwitchOptions = {}): Switched {
    DISK.parse(other, 'other');
    OPTIONS.parse(options, 'options');
    if (machineSizeOf(other) !== this.sizeBytes || other.readonly !== this.readonly) {
      throw new GodwitError('usage', 'A disk can be replaced under a machine only by one of the same size and use.');
    }
    const old = this.reign;
    const next = new Reign(other);
    const quiet = old.idle().then(async () => {
      try {
        await options.between?.();
      } catch (error) {
        next.disk = old.disk;
        throw error;
      }
    });
    next.opened = quiet.catch(() => {});
    void next.opened.then(() => {
      next.opened = undefined;
    });
    const flushed = this.flushOld(old, quiet, options.flushOld ?? true);
    // A flush that failed stays so: what was lost is not known. Without a switch, it is as if nothing had been.
    next.before = quiet.then(
      () => flushed,
      () => old.before,
    );
    // They may be of no interest to anyone.
    flushed.catch(() => {});
    next.before.catch(() => {});
    this.reign = next;
    return { quiet, flushed };
  }

  private async flushOld(old: Reign, quiet: Promise<void>, flushOld: boolean): Promise<void> {
    await quiet;
    await old.before;
    if (flushOld) await old.disk.flush();
  }
}
