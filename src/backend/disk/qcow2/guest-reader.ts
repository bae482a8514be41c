import type { Disk, Extent } from '../disk.ts';
import { extentAt } from '../extent.ts';
import type { ClusterMap } from './cluster-map.ts';
import type { CompressedClusters } from './compressed.ts';
import type { ImageFile } from './image-file.ts';
import type { L2Entry } from './l2-entry.ts';

/** So many pieces of one request are read at the same time. */
const MAX_PARALLEL_READS = 32;

/** Reads what the guest sees, from the image and from what lies under it. */
export class GuestReader {
  private readonly file: ImageFile;
  private readonly map: ClusterMap;
  private readonly compressed: CompressedClusters;
  private readonly backing: Disk | undefined;

  constructor(file: ImageFile, map: ClusterMap, compressed: CompressedClusters, backing: Disk | undefined) {
    this.file = file;
    this.map = map;
    this.compressed = compressed;
    this.backing = backing;
  }

  /** True when the cluster has anything under it that shows where the image has a hole. */
  hasBackingAt(guestCluster: number): boolean {
    return this.backing !== undefined && guestCluster * this.map.clusterBytes < this.backing.sizeBytes;
  }

  readsAsZeros(entry: L2Entry, guestCluster: number): boolean {
    return entry.kind === 'zero' || (entry.kind === 'hole' && !this.hasBackingAt(guestCluster));
  }

  async read(offset: number, into: Uint8Array): Promise<void> {
    const reads: Promise<void>[] = [];
    try {
      for (let at = 0; at < into.length; ) {
        const { entry, lengthBytes } = await this.runAt(offset + at, into.length - at);
        const read = this.readRun(entry, offset + at, into.subarray(at, at + lengthBytes));
        // A failure is reported when all are done; until then it must not count as unhandled.
        read.catch(() => {});
        reads.push(read);
        at += lengthBytes;
        if (reads.length >= MAX_PARALLEL_READS) await allDone(reads.splice(0));
      }
    } finally {
      await allDone(reads);
    }
  }

  /** See Disk. */
  async extentAt(offset: number, maxBytes: number, imagesUnder: number): Promise<Extent> {
    const { entry, lengthBytes } = await this.runAt(offset, maxBytes);
    if (entry.kind === 'zero') return { kind: 'zero', lengthBytes };
    if (entry.kind !== 'hole') return { kind: 'data', lengthBytes };
    if (imagesUnder === 0) return { kind: 'hole', lengthBytes };
    const available = this.backing === undefined ? 0 : this.backing.sizeBytes - offset;
    if (available <= 0) return { kind: 'zero', lengthBytes };
    return await extentAt(this.backing!, offset, Math.min(available, lengthBytes), imagesUnder - 1);
  }

  private async runAt(offset: number, lengthBytes: number): Promise<{ entry: L2Entry; lengthBytes: number }> {
    const { clusterBytes, perTable } = this.map;
    const cluster = Math.floor(offset / clusterBytes);
    const startInCluster = offset - cluster * clusterBytes;
    const index = cluster % perTable;
    const found = this.map.table(Math.floor(cluster / perTable));
    const table = found instanceof Promise ? await found : found;
    const entry = this.map.entry(table, index);
    const clusters = this.map.runLength(table, index, entry, Math.ceil((startInCluster + lengthBytes) / clusterBytes));
    return { entry, lengthBytes: Math.min(lengthBytes, clusters * clusterBytes - startInCluster) };
  }

  private async readRun(entry: L2Entry, offset: number, into: Uint8Array): Promise<void> {
    const startInCluster = offset % this.map.clusterBytes;
    if (entry.kind === 'data') await this.file.read(entry.hostOffset + startInCluster, into);
    else if (entry.kind === 'compressed') await this.compressed.read(entry, startInCluster, into);
    else if (entry.kind === 'hole') await this.readBacking(offset, into);
    else into.fill(0);
  }

  /** A backing file that is shorter than the image reads as zeros past its end. */
  private async readBacking(offset: number, into: Uint8Array): Promise<void> {
    const available = this.backing === undefined ? 0 : Math.max(0, this.backing.sizeBytes - offset);
    const fromBacking = Math.min(available, into.length);
    into.fill(0, fromBacking);
    if (fromBacking > 0) await this.backing!.read(offset, into.subarray(0, fromBacking));
  }
}

/** Waits for all, also when one fails: none may still be filling the caller's buffer when the request rejects. */
async function allDone(reads: Promise<void>[]): Promise<void> {
  if (reads.length === 1) return reads[0];
  const results = await Promise.allSettled(reads);
  const failed = results.find((result) => result.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}
