/**
 * Images that nobody writes any more, each open once for all in this thread that read it. So a hundred machines over
 * one chain of images have as many files open, and read as many tables, as one.
 */
import { platform } from '../../../platform/platform.ts';
import { BorrowedDisk } from '../borrowed-disk.ts';
import type { Disk, DiskFormat } from '../index.ts';
import type { OpenImage } from './image.ts';

/** Of one file in one format. */
interface Entry {
  readonly key: string;
  readonly image: OpenImage;
  /** What it lies over, if that is not closed with it. */
  readonly below: SharedImage | undefined;
  users: number;
}

type Opener = () => Promise<OpenImage>;

/** One user's hold on an image. */
export class SharedImage {
  /** Closing it gives up the hold. */
  readonly disk: Disk;
  private readonly entry: Entry;
  private isHeld = true;

  /** @internal */
  constructor(entry: Entry) {
    this.entry = entry;
    entry.users += 1;
    this.disk = new ReleasingDisk(entry.image.disk, () => this.release());
  }

  get image(): OpenImage {
    return this.entry.image;
  }

  /** For another user. */
  again(): SharedImage {
    return new SharedImage(this.entry);
  }

  /** The last one closes it. Nothing happens the second time. */
  async release(): Promise<void> {
    if (!this.isHeld) return;
    this.isHeld = false;
    const { entry } = this;
    entry.users -= 1;
    if (entry.users > 0) return;
    if (entries.get(entry.key) === entry) entries.delete(entry.key);
    await entry.image.disk.close();
    await entry.below?.release();
  }
}

class ReleasingDisk extends BorrowedDisk {
  private readonly release: () => Promise<void>;

  constructor(disk: Disk, release: () => Promise<void>) {
    super(disk);
    this.release = release;
  }

  override close(): Promise<void> {
    return this.release();
  }
}

const entries = new Map<string, Entry>();
const beingOpened = new Map<string, Promise<unknown>>();

/**
 * The image at `path`, which `open` opens if nobody here has it open. `waits`: also for somebody who is opening it; not
 * for images under others, of which two that lie on each other would wait for ever.
 */
export async function shareImage(
  path: string,
  format: DiskFormat | undefined,
  open: Opener,
  { waits = false } = {},
): Promise<SharedImage> {
  const info = await platform()
    .files.look(path)
    .catch(() => undefined);
  if (info === undefined) return hold(await open(), format);
  const key = keyOf(info.identity, format);
  while (waits && beingOpened.has(key)) await beingOpened.get(key);
  const known = entries.get(key);
  if (known !== undefined) return new SharedImage(known);
  const opening = open();
  if (!waits) return hold(await opening, format);
  const settled = opening.then(
    () => beingOpened.delete(key),
    () => beingOpened.delete(key),
  );
  beingOpened.set(key, settled);
  return hold(await opening, format);
}

/** An image that was written until now. `below`: what it lies over, where others close that. */
export function shareOpenImage(image: OpenImage, below: SharedImage | undefined): SharedImage {
  return hold(image, image.disk.format, below);
}

function hold(image: OpenImage, format: DiskFormat | undefined, below?: SharedImage): SharedImage {
  const key = keyOf(image.file.identity, format);
  const entry = { key, image, below, users: 0 };
  // Somebody may have been quicker. Then each has one of its own.
  if (!entries.has(key)) entries.set(key, entry);
  return new SharedImage(entry);
}

function keyOf(identity: string, format: DiskFormat | undefined): string {
  return `${identity} ${format ?? 'guessed'}`;
}
