import { GodwitError } from '../../../common/errors.ts';
import { callback, flag, object, optional, type Schema, wholeNumber } from '../../../common/schema.ts';
import type { ByteFile } from '../../../platform/files.ts';
import { BYTE_FILE } from '../arguments.ts';
import type { Disk, Extent } from '../disk.ts';
import { Mutex } from '../mutex.ts';
import { assertRange, closedError, lengthOf, readonlyError } from '../range.ts';
import { ClusterMap } from './cluster-map.ts';
import { CompressedClusters } from './compressed.ts';
import { GuestReader } from './guest-reader.ts';
import { GuestWriter } from './guest-writer.ts';
import { type BackingReference, type Qcow2Header, readHeader } from './header.ts';
import { ImageFile } from './image-file.ts';
import { InFlight } from './in-flight.ts';
import { MetadataWriter } from './metadata-writer.ts';
import { clearAutoclearFeatures, repairRefcounts } from './repair.ts';

/** How a qcow2 image is opened. */
export interface Qcow2Options {
  /** Nothing is written, neither data nor tables. */
  readonly?: boolean;
  /** Memory for L2 tables; 8 MiB when not given, which covers 64 GiB of the disk in clusters of 64 KiB. */
  tableCacheBytes?: number;
  /** Nobody will need it after a crash of the host: it is not brought to stable storage. */
  temporary?: boolean;
  /** Opens the file under this one, for reading. Needed only for images that have one. */
  openBacking?: (reference: BackingReference) => Promise<Disk>;
}

const OPTIONS: Schema<Qcow2Options> = object({
  readonly: optional(flag()),
  tableCacheBytes: optional(wholeNumber(1, Number.MAX_SAFE_INTEGER)),
  temporary: optional(flag()),
  openBacking: optional(callback<NonNullable<Qcow2Options['openBacking']>>()),
});
const IMAGES_UNDER = wholeNumber(0, Number.MAX_SAFE_INTEGER);

const TABLE_CACHE_BYTES = 8 * 1024 * 1024;

/** What a writable image has on top of a readable one. */
interface Writing {
  metadata: MetadataWriter;
  writer: GuestWriter;
}

/**
 * A disk in a qcow2 image (versions 2 and 3). Reads and writes to places that the image has already run side by side;
 * what changes the tables runs one at a time. Wherever the process dies, the image in the file is sound and has all
 * that was flushed; at worst it holds clusters that nothing uses.
 */
export class Qcow2Disk implements Disk {
  readonly format = 'qcow2';
  readonly sizeBytes: number;
  readonly readonly: boolean;
  /** The unit in which the image has data: 512 to 2 Mi. */
  readonly clusterBytes: number;
  /** The file under this one, as the image names it. */
  readonly backingReference: BackingReference | undefined;
  private readonly file: ImageFile;
  private readonly reader: GuestReader;
  private readonly compressed: CompressedClusters;
  private readonly writing: Writing | undefined;
  private readonly backing: Disk | undefined;
  /** What looks at places in the file just now; never waits for a change of the tables. */
  private readonly inFlight = new InFlight();
  /** Whole requests. */
  private readonly requests = new InFlight();
  private readonly tableChanges = new Mutex();
  private closed = false;

  /**
   * Takes over the file: closing the disk closes it, and the disks under it. When opening fails, the file stays open.
   */
  static async open(byteFile: ByteFile, options: Qcow2Options = {}): Promise<Qcow2Disk> {
    BYTE_FILE.parse(byteFile, 'byteFile');
    OPTIONS.parse(options, 'options');
    const file = await ImageFile.of(byteFile, { temporary: options.temporary ?? false });
    const header = await readHeader(file);
    const readonly = (options.readonly ?? false) || byteFile.readonly;
    if (!readonly && header.corrupt) {
      throw new GodwitError('damaged', `The disk image ${file.name} is marked as corrupt, so it is not written to.`, {
        hint: 'Repair it with "qemu-img check -r all", or open it for reading only.',
      });
    }
    const map = await ClusterMap.open(file, header, options.tableCacheBytes ?? TABLE_CACHE_BYTES);
    const compressed = await CompressedClusters.open(file, header.clusterBytes, header.compression);
    const metadata = readonly ? undefined : await prepareForWriting(file, header, map);
    const backing = await openBacking(file, header, options);
    return new Qcow2Disk(file, header, { map, compressed, metadata, backing });
  }

  private constructor(
    file: ImageFile,
    header: Qcow2Header,
    parts: {
      map: ClusterMap;
      compressed: CompressedClusters;
      metadata: MetadataWriter | undefined;
      backing: Disk | undefined;
    },
  ) {
    const { map, compressed, metadata, backing } = parts;
    const { sizeBytes, version, clusterBytes } = header;
    this.file = file;
    this.sizeBytes = sizeBytes;
    this.clusterBytes = clusterBytes;
    this.backingReference = header.backing;
    this.backing = backing;
    this.compressed = compressed;
    this.reader = new GuestReader(file, map, compressed, backing);
    this.readonly = metadata === undefined;
    if (metadata === undefined) return;
    const writer = new GuestWriter({ file, map, reader: this.reader, metadata, version, sizeBytes });
    this.writing = { metadata, writer };
  }

  async read(offset: number, into: Uint8Array): Promise<void> {
    this.check(offset, lengthOf(into));
    await this.inFlight.track(this.reader.read(offset, into));
  }

  async write(offset: number, data: Uint8Array): Promise<void> {
    const writing = this.checkWrite(offset, lengthOf(data));
    await this.requests.track(this.writeLocked(writing, offset, data));
  }

  async flush(): Promise<void> {
    this.check(0, 0);
    if (this.writing !== undefined) await this.requests.track(this.flushLocked(this.writing));
  }

  async discard(offset: number, length: number): Promise<void> {
    const writing = this.checkWrite(offset, length);
    await this.requests.track(this.discardLocked(writing, offset, length));
  }

  async writeZeroes(offset: number, length: number, unmap: boolean): Promise<void> {
    const writing = this.checkWrite(offset, length);
    await this.requests.track(this.writeZeroesLocked(writing, offset, length, unmap));
  }

  async extentAt(offset: number, maxBytes: number, imagesUnder: number): Promise<Extent> {
    this.check(offset, maxBytes);
    IMAGES_UNDER.parse(imagesUnder, 'imagesUnder');
    return this.inFlight.track(this.reader.extentAt(offset, maxBytes, imagesUnder));
  }

  /** Flushes, and leaves nothing to be written later: the file is as if it had been closed. */
  async settle(): Promise<void> {
    this.check(0, 0);
    if (this.writing !== undefined) await this.requests.track(this.settleLocked(this.writing));
  }

  async close(): Promise<void> {
    this.check(0, 0);
    this.closed = true;
    try {
      await this.requests.quiesce();
      await this.inFlight.quiesce();
      if (this.writing !== undefined) await this.settleLocked(this.writing);
    } finally {
      await this.backing?.close().catch(() => {});
      await this.file.file.close();
    }
  }

  private async writeLocked(writing: Writing, offset: number, data: Uint8Array): Promise<void> {
    for (let at = 0; at < data.length; ) {
      const start = offset + at;
      const rest = data.subarray(at);
      const inPlace = await this.inFlight.track(writing.writer.writeInPlace(start, rest));
      at += inPlace;
      if (inPlace > 0) continue;
      at += await this.changeTables(writing, () => writing.writer.writeToNewPlace(start, rest));
    }
  }

  private async discardLocked(writing: Writing, offset: number, length: number): Promise<void> {
    const { first, end } = this.wholeClusters(offset, length);
    for (let cluster = first; cluster < end; ) {
      const start = cluster;
      cluster += await this.changeTables(writing, () => writing.writer.discardClusters(start, end - start));
    }
  }

  private async writeZeroesLocked(writing: Writing, offset: number, length: number, unmap: boolean): Promise<void> {
    const { first, end } = this.wholeClusters(offset, length);
    if (first >= end) return this.zeroPart(writing, offset, length);
    await this.zeroPart(writing, offset, first * this.clusterBytes - offset);
    for (let cluster = first; cluster < end; ) {
      const start = cluster;
      cluster += await this.changeTables(writing, () => writing.writer.zeroClusters(start, end - start, unmap));
    }
    const rest = Math.min(end * this.clusterBytes, this.sizeBytes);
    await this.zeroPart(writing, rest, offset + length - rest);
  }

  /** The clusters that a range covers wholly; the last of the disk may be shorter than a cluster. */
  private wholeClusters(offset: number, length: number): { first: number; end: number } {
    const end = offset + length;
    const endCluster =
      end === this.sizeBytes ? Math.ceil(end / this.clusterBytes) : Math.floor(end / this.clusterBytes);
    return { first: Math.ceil(offset / this.clusterBytes), end: length === 0 ? 0 : endCluster };
  }

  /** Zeros of a part of a cluster are data. */
  private async zeroPart(writing: Writing, offset: number, length: number): Promise<void> {
    for (let done = 0; done < length; ) {
      const piece = Math.min(length - done, this.clusterBytes);
      await this.writeLocked(writing, offset + done, new Uint8Array(piece));
      done += piece;
    }
  }

  private changeTables(writing: Writing, change: () => Promise<number>): Promise<number> {
    return this.tableChanges.run(async () => {
      this.file.assertSound();
      const done = await change();
      if (writing.metadata.isCrowded) await this.commit(writing);
      return done;
    });
  }

  private flushLocked(writing: Writing): Promise<void> {
    return this.tableChanges.run(() => this.commit(writing));
  }

  private async commit(writing: Writing): Promise<void> {
    await writing.metadata.commit(async () => {
      await this.inFlight.quiesce();
      this.compressed.forgetAll();
    });
  }

  /** Brings everything into the file; counts that a commit changes need one more. */
  private async settleLocked(writing: Writing): Promise<void> {
    await this.flushLocked(writing);
    while (writing.metadata.isDirty) await this.flushLocked(writing);
  }

  private check(offset: number, length: number): void {
    if (this.closed) throw closedError(`The disk ${this.file.name}`);
    assertRange(this.sizeBytes, offset, length);
  }

  private checkWrite(offset: number, length: number): Writing {
    this.check(offset, length);
    if (this.writing === undefined) throw readonlyError(`The disk ${this.file.name}`);
    return this.writing;
  }
}

async function prepareForWriting(file: ImageFile, header: Qcow2Header, map: ClusterMap): Promise<MetadataWriter> {
  const metadata = await MetadataWriter.open(file, header, map);
  if (header.hasAutoclearFeatures) await clearAutoclearFeatures(file);
  if (header.dirty) await repairRefcounts(file, header, map, metadata);
  return metadata;
}

async function openBacking(file: ImageFile, header: Qcow2Header, options: Qcow2Options): Promise<Disk | undefined> {
  if (header.backing === undefined) return undefined;
  if (options.openBacking === undefined) {
    throw new GodwitError('usage', `The disk image ${file.name} needs its backing file ${header.backing.name}.`);
  }
  return options.openBacking(header.backing);
}
