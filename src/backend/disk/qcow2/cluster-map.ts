import type { Qcow2Header } from './header.ts';
import type { ImageFile } from './image-file.ts';
import { HOLE, type L2Entry, L2EntryReader } from './l2-entry.ts';
import { COPIED_HIGH, entryOffset, viewOf } from './layout.ts';
import { type CachedTable, TableCache } from './table-cache.ts';

/** Where the clusters of the guest are: the L1 table, which is in memory, and the L2 tables, of which some are. */
export class ClusterMap {
  readonly clusterBytes: number;
  /** Entries of an L2 table. */
  readonly perTable: number;
  readonly l1: DataView;
  readonly tables: TableCache;
  readonly reader: L2EntryReader;
  private readonly file: ImageFile;

  static async open(file: ImageFile, header: Qcow2Header, cacheBytes: number): Promise<ClusterMap> {
    const l1 = new Uint8Array(header.l1Entries * 8);
    await file.read(header.l1Offset, l1);
    return new ClusterMap(file, header, l1, cacheBytes);
  }

  private constructor(file: ImageFile, header: Qcow2Header, l1: Uint8Array, cacheBytes: number) {
    this.file = file;
    this.clusterBytes = header.clusterBytes;
    this.perTable = header.clusterBytes / 8;
    this.l1 = viewOf(l1);
    this.tables = new TableCache(file, header.clusterBytes, cacheBytes);
    this.reader = new L2EntryReader(file, header.clusterBits, header.version);
  }

  /** The place of an L2 table; 0 where there is none. */
  tableOffset(l1Index: number): number {
    const offset = entryOffset(this.l1, l1Index * 8);
    if (offset % this.clusterBytes !== 0) throw this.file.damaged('an L2 table does not start at a cluster');
    return offset;
  }

  /** True when no snapshot shares the L2 table. */
  tableIsCopied(l1Index: number): boolean {
    return (this.l1.getUint32(l1Index * 8) & COPIED_HIGH) !== 0;
  }

  table(l1Index: number): CachedTable | undefined | Promise<CachedTable> {
    const offset = this.tableOffset(l1Index);
    if (offset === 0) return undefined;
    return this.tables.get(offset);
  }

  entry(table: CachedTable | undefined, index: number): L2Entry {
    return table === undefined ? HOLE : this.reader.decode(table.view, index);
  }

  /** How many entries from `index` on, `maxCount` at most, continue what `first`, the entry at `index`, begins. */
  runLength(table: CachedTable | undefined, index: number, first: L2Entry, maxCount: number): number {
    const limit = Math.min(maxCount, this.perTable - index);
    if (table === undefined) return limit;
    let count = 1;
    while (count < limit && this.continues(first, this.reader.decode(table.view, index + count), count)) count++;
    return count;
  }

  private continues(first: L2Entry, next: L2Entry, distance: number): boolean {
    if (first.kind !== next.kind) return false;
    if (first.kind === 'compressed') return false;
    if (first.kind !== 'data') return true;
    return next.copied === first.copied && next.hostOffset === first.hostOffset + distance * this.clusterBytes;
  }
}
