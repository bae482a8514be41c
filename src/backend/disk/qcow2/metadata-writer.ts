import type { ClusterMap } from './cluster-map.ts';
import { ClusterOwners } from './cluster-owners.ts';
import type { Qcow2Header } from './header.ts';
import type { ImageFile } from './image-file.ts';
import { type L2Entry, writeL2Entry } from './l2-entry.ts';
import { COPIED_HIGH, writeU64 } from './layout.ts';
import { type ClusterRun, Refcounts } from './refcounts.ts';
import type { CachedTable } from './table-cache.ts';

const SECTOR_BYTES = 512;
/** More places than this waiting to be freed make a commit. */
const MAX_PENDING_FREES = 16384;

/**
 * Changes the tables of an image in memory, and brings them into the file in an order that leaves a sound image
 * wherever it stops, at worst with clusters that nothing uses:
 *
 *     0  new refcount blocks                                      | barrier
 *     1  their entries in the table, counts, new L2 tables; the guest's data is written before | barrier
 *     2  changed L2 tables, L1 entries                            | barrier
 *     3  in memory: places that are not referred to any more are counted down and may be used again
 *
 * All calls come from one writer at a time, except for those that only read.
 */
export class MetadataWriter {
  readonly refcounts: Refcounts;
  readonly owners: ClusterOwners;
  private readonly file: ImageFile;
  private readonly map: ClusterMap;
  private readonly l1Offset: number;
  private readonly dirtyL1 = new Set<number>();
  private pendingFrees: ClusterRun[] = [];

  static async open(file: ImageFile, header: Qcow2Header, map: ClusterMap): Promise<MetadataWriter> {
    const owners = new ClusterOwners(file, header.clusterBytes);
    owners.claim(header.l1Offset, header.l1Entries * 8, 'the L1 table');
    const refcounts = await Refcounts.open(file, owners, header);
    for (let index = 0; index < header.l1Entries; index++) {
      const offset = map.tableOffset(index);
      if (offset !== 0) owners.claim(offset, header.clusterBytes, 'an L2 table');
    }
    return new MetadataWriter(file, header, map, owners, refcounts);
  }

  private constructor(
    file: ImageFile,
    header: Qcow2Header,
    map: ClusterMap,
    owners: ClusterOwners,
    refcounts: Refcounts,
  ) {
    this.file = file;
    this.map = map;
    this.l1Offset = header.l1Offset;
    this.owners = owners;
    this.refcounts = refcounts;
  }

  get isDirty(): boolean {
    return this.map.tables.hasDirty || this.dirtyL1.size > 0 || this.refcounts.hasDirty || this.pendingFrees.length > 0;
  }

  /** True when so much is waiting that a commit should come now. */
  get isCrowded(): boolean {
    return this.map.tables.isCrowded || this.refcounts.isCrowded || this.pendingFrees.length >= MAX_PENDING_FREES;
  }

  /**
   * Changes entries of an L2 table, which is made, or copied away from a snapshot, where needed. `change` runs in the
   * same turn in which it gets the table.
   */
  async changeTable(l1Index: number, change: (table: CachedTable) => void): Promise<void> {
    for (;;) {
      const table = this.map.table(l1Index);
      if (table instanceof Promise) await table;
      else if (table === undefined) await this.placeTable(l1Index, new Uint8Array(this.map.clusterBytes));
      else if (!this.map.tableIsCopied(l1Index)) await this.copyTable(l1Index, table);
      else return change(table);
    }
  }

  /** Puts an entry into a table got from `changeTable`, and lets go of what the entry referred to before. */
  setEntry(table: CachedTable, index: number, before: L2Entry, hostOffset: number, zero: boolean): void {
    writeL2Entry(table.view, index, hostOffset, zero);
    this.map.tables.markDirty(table, index * 8, index * 8 + 8);
    if (before.hostOffset === 0 || before.hostOffset === hostOffset) return;
    const { clusterBytes } = this.map;
    const first = Math.floor(before.hostOffset / clusterBytes);
    const lengthBytes = before.kind === 'compressed' ? before.compressedBytes : clusterBytes;
    const last = Math.floor((before.hostOffset + lengthBytes - 1) / clusterBytes);
    this.freeLater({ first, count: last - first + 1 });
  }

  /**
   * Everything that was changed before is on stable storage afterwards. `quiesce` resolves when no request is under way
   * that may still look at a place that is about to be freed.
   */
  async commit(quiesce: () => Promise<void>): Promise<void> {
    await this.refcounts.writeStage0();
    await this.refcounts.writeStage1();
    for (const table of this.map.tables.dirtyTables('new')) await this.map.tables.write(table);
    await this.file.sync();
    if (this.map.tables.hasDirty || this.dirtyL1.size > 0) {
      for (const table of this.map.tables.dirtyTables('known')) await this.map.tables.write(table);
      await this.writeL1();
      await this.file.sync();
    }
    if (this.pendingFrees.length === 0) return;
    await quiesce();
    await this.freePending();
  }

  private async freePending(): Promise<void> {
    const frees = this.pendingFrees;
    this.pendingFrees = [];
    for (const run of frees) await this.refcounts.release(run);
  }

  private freeLater(run: ClusterRun): void {
    const last = this.pendingFrees.at(-1);
    if (last !== undefined && last.first + last.count === run.first) last.count += run.count;
    else this.pendingFrees.push(run);
  }

  private async copyTable(l1Index: number, table: CachedTable): Promise<void> {
    const bytes = table.bytes.slice();
    await this.placeTable(l1Index, bytes);
    this.owners.release(table.hostOffset, this.map.clusterBytes);
    this.map.tables.forget(table.hostOffset);
    this.freeLater({ first: table.hostOffset / this.map.clusterBytes, count: 1 });
  }

  private async placeTable(l1Index: number, bytes: Uint8Array): Promise<void> {
    const { first } = await this.refcounts.allocate(1);
    const hostOffset = first * this.map.clusterBytes;
    this.owners.claim(hostOffset, this.map.clusterBytes, 'a new L2 table');
    this.map.tables.add(hostOffset, bytes);
    writeU64(this.map.l1, l1Index * 8, hostOffset);
    this.map.l1.setUint32(l1Index * 8, (this.map.l1.getUint32(l1Index * 8) | COPIED_HIGH) >>> 0);
    this.dirtyL1.add(l1Index);
  }

  /** By whole sectors: neighbours that changed as well go along. */
  private async writeL1(): Promise<void> {
    const perSector = SECTOR_BYTES / 8;
    const sectors = new Set(Array.from(this.dirtyL1, (index) => Math.floor(index / perSector)));
    const { l1 } = this.map;
    for (const sector of sectors) {
      const from = sector * SECTOR_BYTES;
      const length = Math.min(SECTOR_BYTES, l1.byteLength - from);
      await this.file.write(this.l1Offset + from, new Uint8Array(l1.buffer, l1.byteOffset + from, length));
    }
    this.dirtyL1.clear();
  }
}
