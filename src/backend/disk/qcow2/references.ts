import { GodwitError } from '../../../common/errors.ts';
import type { ClusterMap } from './cluster-map.ts';
import type { Qcow2Header } from './header.ts';
import type { ImageFile } from './image-file.ts';
import type { L2Entry } from './l2-entry.ts';
import { entryOffset, viewOf } from './layout.ts';
import { readSnapshots, type SnapshotTables } from './snapshots.ts';

/** Counts are kept for so many clusters of a file (256 MiB of them), which is 4 TiB in clusters of 64 KiB. */
const MAX_CLUSTERS = 2 ** 26;
const MAX_SNAPSHOT_L1_BYTES = 2 ** 30;

/**
 * Counts how often each cluster of the file is referred to by L2 tables and snapshots. The active tables themselves are
 * not counted: their places are known to ClusterOwners. Each table is read once, however many snapshots share it.
 */
export async function countReferences(
  file: ImageFile,
  header: Qcow2Header,
  map: ClusterMap,
): Promise<Uint32Array<ArrayBuffer>> {
  const clusters = Math.ceil(file.endBytes / header.clusterBytes);
  if (clusters > MAX_CLUSTERS) {
    throw new GodwitError('limit', `The disk image ${file.name} is too large to have its refcounts rebuilt here.`, {
      hint: 'Repair it with "qemu-img check -r all".',
    });
  }
  const counter = new ReferenceCounter(file, map, new Uint32Array(clusters));
  counter.addActive();
  await counter.addSnapshots(header);
  await counter.addTableContents();
  return counter.counts;
}

class ReferenceCounter {
  readonly counts: Uint32Array<ArrayBuffer>;
  private readonly file: ImageFile;
  private readonly map: ClusterMap;
  /** How many L1 entries point to each L2 table. */
  private readonly tableUses = new Map<number, number>();

  constructor(file: ImageFile, map: ClusterMap, counts: Uint32Array<ArrayBuffer>) {
    this.file = file;
    this.map = map;
    this.counts = counts;
  }

  addActive(): void {
    const entries = this.map.l1.byteLength / 8;
    for (let index = 0; index < entries; index++) this.useTable(this.map.tableOffset(index), 1);
  }

  async addSnapshots(header: Qcow2Header): Promise<void> {
    const { snapshots, lengthBytes } = await readSnapshots(this.file, header);
    this.add(header.snapshotsOffset, lengthBytes, 1);
    const totalBytes = snapshots.reduce((sum, snapshot) => sum + snapshot.l1Entries * 8, 0);
    if (totalBytes > MAX_SNAPSHOT_L1_BYTES) throw this.file.damaged('its snapshots have too many tables');
    for (const snapshot of snapshots) await this.addSnapshot(snapshot);
  }

  async addTableContents(): Promise<void> {
    const bytes = new Uint8Array(this.map.clusterBytes);
    const view = viewOf(bytes);
    for (const [offset, uses] of this.tableUses) {
      await this.file.read(offset, bytes);
      for (let index = 0; index < this.map.perTable; index++) {
        this.addEntry(this.map.reader.decode(view, index), uses);
      }
    }
  }

  private async addSnapshot({ l1Offset, l1Entries }: SnapshotTables): Promise<void> {
    const bytes = new Uint8Array(l1Entries * 8);
    await this.file.read(l1Offset, bytes);
    this.add(l1Offset, bytes.length, 1);
    const view = viewOf(bytes);
    for (let index = 0; index < l1Entries; index++) {
      const offset = entryOffset(view, index * 8);
      this.useTable(offset, 1);
      if (offset !== 0) this.add(offset, this.map.clusterBytes, 1);
    }
  }

  private useTable(offset: number, uses: number): void {
    if (offset === 0) return;
    if (offset % this.map.clusterBytes !== 0 || offset >= this.file.endBytes) {
      throw this.file.damaged('an L2 table is not where it can be');
    }
    this.tableUses.set(offset, (this.tableUses.get(offset) ?? 0) + uses);
  }

  private addEntry(entry: L2Entry, uses: number): void {
    if (entry.hostOffset === 0) return;
    const lengthBytes = entry.kind === 'compressed' ? entry.compressedBytes : this.map.clusterBytes;
    this.add(entry.hostOffset, lengthBytes, uses);
  }

  private add(offset: number, lengthBytes: number, uses: number): void {
    if (lengthBytes === 0) return;
    const first = Math.floor(offset / this.map.clusterBytes);
    // A compressed cluster's sectors may reach past the end of the file.
    const end = Math.min(this.counts.length, Math.ceil((offset + lengthBytes) / this.map.clusterBytes));
    for (let cluster = first; cluster < end; cluster++) this.counts[cluster]! += uses;
  }
}
