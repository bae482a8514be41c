import { GodwitError } from '../../../common/errors.ts';
import type { ClusterOwners } from './cluster-owners.ts';
import type { Qcow2Header } from './header.ts';
import type { ImageFile } from './image-file.ts';
import { HEADER, MAX_REFCOUNT_TABLE_BYTES, readU64, roundUp, viewOf, writeU64 } from './layout.ts';
import { type RefcountWidth, refcountWidth } from './refcount-block.ts';
import { type CachedTable, TableCache } from './table-cache.ts';

const CACHE_BYTES = 2 * 1024 * 1024;

export interface ClusterRun {
  first: number;
  count: number;
}

/**
 * How often each cluster of the file is referred to: a table of offsets of blocks, each a cluster of counts. A block
 * that is missing counts as zeros. All calls come from one writer at a time.
 */
export class Refcounts {
  private readonly file: ImageFile;
  private readonly owners: ClusterOwners;
  private readonly clusterBytes: number;
  private readonly width: RefcountWidth;
  private readonly perBlock: number;
  private readonly blocks: TableCache;
  private tableOffset: number;
  private table: Uint8Array;
  private tableView: DataView;
  /** Blocks whose place in the table is not in the file yet. */
  private readonly newBlocks = new Set<number>();
  private readonly dirtyEntries = new Set<number>();
  /** No cluster below it is free. */
  private firstMaybeFree = 0;
  /** Nothing below it is given out: set while counts are being rebuilt. */
  private floor = 0;

  static async open(file: ImageFile, owners: ClusterOwners, header: Qcow2Header): Promise<Refcounts> {
    const table = new Uint8Array(header.refcountTableClusters * header.clusterBytes);
    await file.read(header.refcountTableOffset, table);
    owners.claim(header.refcountTableOffset, table.length, 'the refcount table');
    const refcounts = new Refcounts(file, owners, header, table);
    for (let index = 0; index < refcounts.entries; index++) {
      const offset = refcounts.blockOffset(index);
      if (offset !== 0) owners.claim(offset, header.clusterBytes, 'a refcount block');
    }
    return refcounts;
  }

  private constructor(file: ImageFile, owners: ClusterOwners, header: Qcow2Header, table: Uint8Array) {
    this.file = file;
    this.owners = owners;
    this.clusterBytes = header.clusterBytes;
    this.width = refcountWidth(header.refcountOrder);
    this.perBlock = (header.clusterBytes * 8) / this.width.bits;
    this.blocks = new TableCache(file, header.clusterBytes, CACHE_BYTES);
    this.tableOffset = header.refcountTableOffset;
    this.table = table;
    this.tableView = viewOf(table);
  }

  get hasDirty(): boolean {
    return this.blocks.hasDirty || this.dirtyEntries.size > 0;
  }

  get isCrowded(): boolean {
    return this.blocks.isCrowded;
  }

  /** Gives out between one and `maxClusters` free clusters in a row, with a count of 1 each. */
  async allocate(maxClusters: number): Promise<ClusterRun> {
    for (;;) {
      const start = this.firstMaybeFree;
      const blockIndex = Math.floor(start / this.perBlock);
      if (blockIndex >= this.entries) await this.growTable(blockIndex);
      else if (this.blockOffset(blockIndex) === 0) await this.addBlock(blockIndex);
      else {
        const run = await this.withBlock(blockIndex, (block) => this.takeFree(block, blockIndex, start, maxClusters));
        if (run !== undefined) return run;
      }
    }
  }

  /** Takes one reference off each cluster of a run. */
  async release(run: ClusterRun): Promise<void> {
    for (let cluster = run.first; cluster < run.first + run.count; cluster++) {
      const blockIndex = Math.floor(cluster / this.perBlock);
      if (blockIndex >= this.entries || this.blockOffset(blockIndex) === 0) throw this.underflow(cluster);
      await this.withBlock(blockIndex, (block) => this.decrement(block, cluster));
    }
  }

  /**
   * Stores counts anew: 1 for each cluster that holds a table of the image, and on top what a walk over the tables
   * found, which `referencesTo` gives for clusters below `clusters`. New blocks go past those, where nothing can be.
   */
  async rebuild(clusters: number, referencesTo: (cluster: number) => number): Promise<void> {
    this.floor = clusters;
    this.firstMaybeFree = clusters;
    const blockCount = Math.ceil(clusters / this.perBlock);
    if (blockCount > this.entries) await this.growTable(blockCount - 1);
    const entries = this.entries;
    for (let blockIndex = 0; blockIndex < entries; blockIndex++) {
      await this.rebuildBlock(blockIndex, clusters, referencesTo);
      if (!this.isCrowded) continue;
      await this.writeStage0();
      await this.writeStage1();
    }
    this.floor = 0;
    this.firstMaybeFree = 0;
  }

  /** New blocks are written, and are there, before the table may point to them. */
  async writeStage0(): Promise<void> {
    if (this.newBlocks.size === 0) return;
    for (const block of this.blocks.dirtyTables('new')) await this.blocks.write(block);
    await this.file.sync();
    for (const blockIndex of this.newBlocks) this.dirtyEntries.add(blockIndex);
    this.newBlocks.clear();
  }

  /** Counts may be in the file before what they count is referred to: a crash then leaves a leak, and no more. */
  async writeStage1(): Promise<void> {
    for (const index of this.dirtyEntries) {
      await this.file.write(this.tableOffset + index * 8, this.table.subarray(index * 8, index * 8 + 8));
      this.dirtyEntries.delete(index);
    }
    for (const block of this.blocks.dirtyTables('known')) await this.blocks.write(block);
  }

  private get entries(): number {
    return this.table.length / 8;
  }

  private blockOffset(index: number): number {
    const offset = readU64(this.tableView, index * 8);
    if (offset === 0) return 0;
    if (offset % this.clusterBytes !== 0) throw this.file.damaged('a refcount block does not start at a cluster');
    return offset;
  }

  /** Calls `use` in the same turn in which the block is got (see TableCache). */
  private async withBlock<T>(blockIndex: number, use: (block: CachedTable) => T): Promise<T> {
    for (;;) {
      const block = this.blocks.get(this.blockOffset(blockIndex));
      if (!(block instanceof Promise)) return use(block);
      await block;
    }
  }

  private takeFree(block: CachedTable, blockIndex: number, start: number, maxClusters: number): ClusterRun | undefined {
    const base = blockIndex * this.perBlock;
    let index = start - base;
    while (index < this.perBlock && this.width.get(block.view, index) !== 0) index++;
    const first = base + index;
    this.firstMaybeFree = first;
    if (index === this.perBlock) return undefined;
    let count = 0;
    while (count < maxClusters && index + count < this.perBlock && this.isFree(block, index + count)) count++;
    this.owners.assertUnowned(first * this.clusterBytes, count * this.clusterBytes);
    for (let at = index; at < index + count; at++) this.set(block, at, 1);
    this.firstMaybeFree = first + count;
    return { first, count };
  }

  private isFree(block: CachedTable, index: number): boolean {
    return this.width.get(block.view, index) === 0;
  }

  private set(block: CachedTable, index: number, value: number): void {
    this.width.set(block.view, index, value);
    this.markDirty(block, index);
  }

  private markDirty(block: CachedTable, index: number): void {
    const at = Math.floor((index * this.width.bits) / 8);
    this.blocks.markDirty(block, at, at + Math.ceil(this.width.bits / 8));
  }

  private decrement(block: CachedTable, cluster: number): void {
    const index = cluster % this.perBlock;
    if (this.isFree(block, index)) throw this.underflow(cluster);
    this.width.decrement(block.view, index);
    this.markDirty(block, index);
    if (this.isFree(block, index)) this.firstMaybeFree = Math.min(this.firstMaybeFree, cluster);
  }

  private underflow(cluster: number): GodwitError {
    return this.file.damaged(`the cluster at ${cluster * this.clusterBytes} is in use but counts as free`);
  }

  /**
   * Adds the block for a part of the file that has none. It sits in the first cluster that it counts: all of them are
   * free, since a missing block means zeros.
   */
  private async addBlock(blockIndex: number): Promise<void> {
    const base = blockIndex * this.perBlock;
    const bytes = new Uint8Array(this.clusterBytes);
    let cluster = Math.max(base, this.floor);
    if (cluster < base + this.perBlock) this.width.set(viewOf(bytes), cluster - base, 1);
    else cluster = (await this.allocate(1)).first;
    const offset = cluster * this.clusterBytes;
    this.owners.claim(offset, this.clusterBytes, 'a new refcount block');
    this.newBlocks.add(blockIndex);
    writeU64(this.tableView, blockIndex * 8, offset);
    this.blocks.add(offset, bytes);
  }

  /**
   * Moves the table to a larger place past all that the old one covers, so that entry `blockIndex` exists. The place
   * begins with the blocks that count the place itself. The header is switched over last.
   */
  private async growTable(blockIndex: number): Promise<void> {
    await this.writeStage0();
    const oldEntries = this.entries;
    const { blockCount, tableClusters, firstCluster } = this.planGrowth(blockIndex);
    const newTable = new Uint8Array(tableClusters * this.clusterBytes);
    newTable.set(this.table);
    const newView = viewOf(newTable);
    const firstBlock = firstCluster / this.perBlock;
    const offset = firstCluster * this.clusterBytes;
    const tableOffset = offset + blockCount * this.clusterBytes;
    this.owners.assertUnowned(offset, (blockCount + tableClusters) * this.clusterBytes);
    for (let block = 0; block < blockCount; block++) {
      const bytes = new Uint8Array(this.clusterBytes);
      const used = Math.min(this.perBlock, blockCount + tableClusters - block * this.perBlock);
      for (let index = 0; index < used; index++) this.width.set(viewOf(bytes), index, 1);
      writeU64(newView, (firstBlock + block) * 8, offset + block * this.clusterBytes);
      await this.file.write(offset + block * this.clusterBytes, bytes);
    }
    await this.file.write(tableOffset, newTable);
    await this.file.sync();
    await this.writeTablePlace(tableOffset, tableClusters);
    await this.file.sync();

    const old: ClusterRun = {
      first: this.tableOffset / this.clusterBytes,
      count: (oldEntries * 8) / this.clusterBytes,
    };
    this.owners.release(this.tableOffset, this.table.length);
    this.owners.claim(offset, (blockCount + tableClusters) * this.clusterBytes, 'the new refcount table');
    this.table = newTable;
    this.tableView = newView;
    this.tableOffset = tableOffset;
    this.dirtyEntries.clear();
    // During a rebuild the old counts mean nothing, and the new ones leave the old place out.
    if (this.floor === 0) await this.release(old);
  }

  private planGrowth(blockIndex: number): { blockCount: number; tableClusters: number; firstCluster: number } {
    // While counts are rebuilt, clusters that no block covers yet may be in use.
    const firstBlock = Math.max(this.entries, Math.ceil(this.floor / this.perBlock));
    const maxEntries = MAX_REFCOUNT_TABLE_BYTES / 8;
    for (let blockCount = 1; ; ) {
      const needed = Math.max(firstBlock + blockCount, blockIndex + 1);
      if (needed > maxEntries) {
        throw new GodwitError('limit', `The disk image ${this.file.name} cannot grow: its refcount table is full.`, {
          hint: 'Convert it to larger clusters with "qemu-img convert -O qcow2 -o cluster_size=64k".',
        });
      }
      const entries = Math.min(maxEntries, Math.max(needed, Math.ceil(this.entries * 1.5)));
      const tableClusters = roundUp(entries * 8, this.clusterBytes) / this.clusterBytes;
      const blocksNeeded = Math.ceil((blockCount + tableClusters) / this.perBlock);
      if (blocksNeeded <= blockCount) return { blockCount, tableClusters, firstCluster: firstBlock * this.perBlock };
      blockCount = blocksNeeded;
    }
  }

  /** Offset and length are neighbours in one sector, so no crash can separate them. */
  private async writeTablePlace(tableOffset: number, tableClusters: number): Promise<void> {
    const bytes = new Uint8Array(12);
    writeU64(viewOf(bytes), 0, tableOffset);
    viewOf(bytes).setUint32(8, tableClusters);
    await this.file.writeSwitch(HEADER.refcountTableOffset, bytes);
  }

  private async rebuildBlock(
    blockIndex: number,
    clusters: number,
    referencesTo: (cluster: number) => number,
  ): Promise<void> {
    const base = blockIndex * this.perBlock;
    const wanted = (cluster: number): number =>
      (this.owners.isOwned(cluster) ? 1 : 0) + (cluster < clusters ? referencesTo(cluster) : 0);
    if (this.blockOffset(blockIndex) === 0) {
      let inUse = false;
      const end = Math.min(base + this.perBlock, clusters);
      for (let cluster = base; cluster < end && !inUse; cluster++) inUse = wanted(cluster) !== 0;
      if (!inUse) return;
      await this.addBlock(blockIndex);
    }
    await this.withBlock(blockIndex, (block) => {
      for (let index = 0; index < this.perBlock; index++) {
        const count = wanted(base + index);
        if (count > this.width.max) throw this.file.damaged('a cluster is referred to more often than can be counted');
        if (this.width.get(block.view, index) !== count) this.set(block, index, count);
      }
    });
  }
}
