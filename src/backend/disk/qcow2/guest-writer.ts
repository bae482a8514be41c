import { fillWithZeros } from '../zero-fill.ts';
import type { ClusterMap } from './cluster-map.ts';
import type { GuestReader } from './guest-reader.ts';
import type { ImageFile } from './image-file.ts';
import type { L2Entry } from './l2-entry.ts';
import type { MetadataWriter } from './metadata-writer.ts';
import type { CachedTable } from './table-cache.ts';

/** Clusters of the guest in a row, with entries in one L2 table. */
interface GuestRun {
  first: number;
  count: number;
  /** Where the data lies in the guest's bytes; it begins in the first cluster and ends in the last. */
  start: number;
  end: number;
}

interface WriterParts {
  file: ImageFile;
  map: ClusterMap;
  reader: GuestReader;
  metadata: MetadataWriter;
  version: 2 | 3;
  sizeBytes: number;
}

/**
 * Brings writes, zeros and discards of the guest into the image. `writeInPlace` may overlap with all else; the others
 * not.
 */
export class GuestWriter {
  private readonly file: ImageFile;
  private readonly map: ClusterMap;
  private readonly reader: GuestReader;
  private readonly metadata: MetadataWriter;
  private readonly hasZeroFlag: boolean;
  private readonly sizeBytes: number;

  constructor(parts: WriterParts) {
    this.file = parts.file;
    this.map = parts.map;
    this.reader = parts.reader;
    this.metadata = parts.metadata;
    this.hasZeroFlag = parts.version === 3;
    this.sizeBytes = parts.sizeBytes;
  }

  /** Writes as much from the start of `data` as lies in a row in places of the image's own. Gives the bytes written. */
  async writeInPlace(offset: number, data: Uint8Array): Promise<number> {
    const { clusterBytes, perTable } = this.map;
    const cluster = Math.floor(offset / clusterBytes);
    const startInCluster = offset - cluster * clusterBytes;
    const found = this.map.table(Math.floor(cluster / perTable));
    const table = found instanceof Promise ? await found : found;
    const index = cluster % perTable;
    const entry = this.map.entry(table, index);
    if (!isInPlace(entry)) return 0;
    const wanted = Math.ceil((startInCluster + data.length) / clusterBytes);
    const clusters = this.map.runLength(table, index, entry, wanted);
    const lengthBytes = Math.min(data.length, clusters * clusterBytes - startInCluster);
    this.metadata.owners.assertUnowned(entry.hostOffset, clusters * clusterBytes);
    await this.file.write(entry.hostOffset + startInCluster, data.subarray(0, lengthBytes));
    return lengthBytes;
  }

  /**
   * Writes as much from the start of `data` as goes to one new place. Gives the bytes written: 0 when the first cluster
   * has got a place meanwhile, so that it can be written there.
   */
  async writeToNewPlace(offset: number, data: Uint8Array): Promise<number> {
    const { clusterBytes, perTable } = this.map;
    const first = Math.floor(offset / clusterBytes);
    const table = await this.map.table(Math.floor(first / perTable));
    const entry = this.map.entry(table, first % perTable);
    if (isInPlace(entry)) return 0;
    const wanted = Math.ceil((offset + data.length) / clusterBytes) - first;
    const kept = entry.kind === 'zero' && entry.copied && entry.hostOffset !== 0 ? entry.hostOffset : undefined;
    const count = kept === undefined ? this.countNeedingPlace(table, first % perTable, wanted) : 1;
    // Before a place is taken, so that a failure to read the table takes none.
    await this.metadata.changeTable(Math.floor(first / perTable), () => {});
    const place = kept === undefined ? await this.metadata.refcounts.allocate(count) : undefined;
    const hostOffset = kept ?? place!.first * clusterBytes;
    const clusters = place?.count ?? 1;
    const end = Math.min(offset + data.length, (first + clusters) * clusterBytes);
    const run: GuestRun = { first, count: clusters, start: offset, end };
    try {
      this.metadata.owners.assertUnowned(hostOffset, clusters * clusterBytes);
      await this.fill(run, hostOffset, data.subarray(0, end - offset));
      await this.pointTo(run, hostOffset);
    } catch (error) {
      if (place !== undefined) await this.metadata.refcounts.release(place);
      throw error;
    }
    return end - offset;
  }

  /** Makes whole clusters read as zeros, those of one L2 table at most. Gives the clusters done. */
  async zeroClusters(first: number, maxCount: number, unmap: boolean): Promise<number> {
    return this.changeClusters(first, maxCount, async (l1Index, table, index, guestCluster) => {
      const entry = this.map.entry(table, index);
      const isZero = this.reader.readsAsZeros(entry, guestCluster);
      if (isZero && (entry.hostOffset === 0 || !unmap)) return;
      const keepsPlace = !unmap && isInPlace(entry);
      if (this.hasZeroFlag) {
        await this.setEntry(l1Index, index, entry, keepsPlace ? entry.hostOffset : 0, true);
      } else if (!unmap || this.reader.hasBackingAt(guestCluster)) {
        await this.writeZeroCluster(guestCluster);
      } else {
        await this.setEntry(l1Index, index, entry, 0, false);
      }
    });
  }

  /** Gives up the places of whole clusters, those of one L2 table at most. Gives the clusters done. */
  async discardClusters(first: number, maxCount: number): Promise<number> {
    return this.changeClusters(first, maxCount, async (l1Index, table, index, guestCluster) => {
      const entry = this.map.entry(table, index);
      if (entry.hostOffset === 0) return;
      // Without the zero flag the old content of the backing file would come back.
      const hidesBacking = this.reader.hasBackingAt(guestCluster);
      if (hidesBacking && !this.hasZeroFlag) return;
      await this.setEntry(l1Index, index, entry, 0, hidesBacking || entry.kind === 'zero');
    });
  }

  private async changeClusters(
    first: number,
    maxCount: number,
    change: (l1Index: number, table: CachedTable | undefined, index: number, guestCluster: number) => Promise<void>,
  ): Promise<number> {
    const { perTable } = this.map;
    const l1Index = Math.floor(first / perTable);
    const count = Math.min(maxCount, perTable - (first % perTable));
    for (let guestCluster = first; guestCluster < first + count; guestCluster++) {
      const found = this.map.table(l1Index);
      const table = found instanceof Promise ? await found : found;
      // No table: nothing has a place, and all there is to hide is a backing file.
      if (table === undefined && !this.reader.hasBackingAt(guestCluster)) return count;
      await change(l1Index, table, guestCluster % perTable, guestCluster);
      if (this.metadata.isCrowded) return guestCluster + 1 - first;
    }
    return count;
  }

  private setEntry(l1Index: number, index: number, before: L2Entry, hostOffset: number, zero: boolean): Promise<void> {
    return this.metadata.changeTable(l1Index, (table) =>
      this.metadata.setEntry(table, index, before, hostOffset, zero),
    );
  }

  private async writeZeroCluster(guestCluster: number): Promise<void> {
    const start = guestCluster * this.map.clusterBytes;
    const zeros = new Uint8Array(Math.min(this.map.clusterBytes, this.sizeBytes - start));
    const written = await this.writeInPlace(start, zeros);
    if (written === 0) await this.writeToNewPlace(start, zeros);
  }

  private countNeedingPlace(table: CachedTable | undefined, index: number, maxCount: number): number {
    const limit = Math.min(maxCount, this.map.perTable - index);
    if (table === undefined) return limit;
    let count = 1;
    while (count < limit && needsPlace(this.map.entry(table, index + count))) count++;
    return count;
  }

  /** Writes the data of a run, and around it what its first and last cluster held before. */
  private async fill(run: GuestRun, hostOffset: number, data: Uint8Array): Promise<void> {
    const { clusterBytes } = this.map;
    const runStart = run.first * clusterBytes;
    const runEnd = runStart + run.count * clusterBytes;
    const isFresh = hostOffset >= this.file.endBytes;
    const headBytes = run.start - runStart;
    const tailBytes = runEnd - run.end;
    const dataAt = hostOffset + headBytes;
    const headIsZero = headBytes === 0 || (await this.readsAsZeros(run.first));
    const tailIsZero = tailBytes === 0 || (await this.readsAsZeros(run.first + run.count - 1));
    if (isFresh && headIsZero && tailIsZero) {
      await this.file.write(dataAt, data);
      await this.file.extend(hostOffset + run.count * clusterBytes);
    } else if (headBytes + tailBytes + data.length === clusterBytes) {
      await this.fillOneCluster(run, hostOffset, data);
    } else {
      if (headBytes > 0) await this.copyOld(runStart, headBytes, hostOffset, headIsZero);
      await this.file.write(dataAt, data);
      if (tailBytes > 0) await this.copyOld(run.end, tailBytes, dataAt + data.length, tailIsZero);
    }
  }

  private async fillOneCluster(run: GuestRun, hostOffset: number, data: Uint8Array): Promise<void> {
    const { clusterBytes } = this.map;
    const start = run.first * clusterBytes;
    const content = new Uint8Array(clusterBytes);
    if (data.length < clusterBytes) await this.readOld(start, content);
    content.set(data, run.start - start);
    await this.file.write(hostOffset, content);
  }

  private async copyOld(offset: number, lengthBytes: number, hostOffset: number, isZero: boolean): Promise<void> {
    if (isZero) return fillWithZeros(this.file, hostOffset, lengthBytes);
    const content = new Uint8Array(lengthBytes);
    await this.readOld(offset, content);
    await this.file.write(hostOffset, content);
  }

  /** The last cluster may end past the disk; that part is zero. */
  private async readOld(offset: number, into: Uint8Array): Promise<void> {
    const available = Math.min(into.length, this.sizeBytes - offset);
    if (available > 0) await this.reader.read(offset, into.subarray(0, available));
  }

  private async readsAsZeros(guestCluster: number): Promise<boolean> {
    const table = await this.map.table(Math.floor(guestCluster / this.map.perTable));
    return this.reader.readsAsZeros(this.map.entry(table, guestCluster % this.map.perTable), guestCluster);
  }

  /** All entries of the run change in one turn, after the data is written. */
  private async pointTo(run: GuestRun, hostOffset: number): Promise<void> {
    const { clusterBytes, perTable } = this.map;
    await this.metadata.changeTable(Math.floor(run.first / perTable), (table) => {
      for (let at = 0; at < run.count; at++) {
        const index = (run.first + at) % perTable;
        const before = this.map.entry(table, index);
        this.metadata.setEntry(table, index, before, hostOffset + at * clusterBytes, false);
      }
    });
  }
}

/** May be overwritten where it is. */
function isInPlace(entry: L2Entry): boolean {
  return entry.kind === 'data' && entry.copied;
}

function needsPlace(entry: L2Entry): boolean {
  return !isInPlace(entry) && !(entry.kind === 'zero' && entry.hostOffset !== 0);
}
