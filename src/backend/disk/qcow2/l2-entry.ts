import type { ImageFile } from './image-file.ts';
import * as layout from './layout.ts';

/**
 * What an L2 entry says about a cluster of the guest:
 * - hole: nothing; the backing file shows through
 * - zero: reads as zeros; `hostOffset` may name a place that is kept for it
 * - data: lies at `hostOffset`
 * - compressed: lies from `hostOffset` on, in at most `compressedBytes`, not aligned
 */
export interface L2Entry {
  kind: 'hole' | 'zero' | 'data' | 'compressed';
  /** 0 where there is none. */
  hostOffset: number;
  /** No one else refers to the place, so it may be written. */
  copied: boolean;
  compressedBytes: number;
}

export const HOLE: L2Entry = { kind: 'hole', hostOffset: 0, copied: false, compressedBytes: 0 };

/** Reads the entries of an image's L2 tables, and checks that what they point to lies in the file. */
export class L2EntryReader {
  private readonly file: ImageFile;
  private readonly clusterBits: number;
  private readonly version: 2 | 3;

  constructor(file: ImageFile, clusterBits: number, version: 2 | 3) {
    this.file = file;
    this.clusterBits = clusterBits;
    this.version = version;
  }

  decode(view: DataView, index: number): L2Entry {
    const high = view.getUint32(index * 8);
    if (high & layout.COMPRESSED_HIGH) return this.decodeCompressed(view, index);
    const low = view.getUint32(index * 8 + 4);
    const hostOffset = layout.entryOffset(view, index * 8);
    const copied = (high & layout.COPIED_HIGH) !== 0;
    if (hostOffset !== 0) this.checkCluster(hostOffset);
    if (low & layout.ZERO_LOW) {
      if (this.version === 2) throw this.file.damaged('it has a zero cluster, which version 2 does not know');
      return { kind: 'zero', hostOffset, copied, compressedBytes: 0 };
    }
    if (hostOffset === 0) return HOLE;
    return { kind: 'data', hostOffset, copied, compressedBytes: 0 };
  }

  /**
   * Compressed descriptor, with x = 62 - (cluster bits - 8): bits 0 to x-1 host offset in bytes, x to 61 further
   * sectors of 512 bytes after the one that the offset lies in.
   */
  private decodeCompressed(view: DataView, index: number): L2Entry {
    const high = view.getUint32(index * 8) & 0x3fff_ffff;
    const highOffsetBits = 62 - (this.clusterBits - 8) - 32;
    const hostOffset = (high & ((1 << highOffsetBits) - 1)) * 2 ** 32 + view.getUint32(index * 8 + 4);
    const sectors = (high >>> highOffsetBits) + 1;
    if (hostOffset < 2 ** this.clusterBits || hostOffset >= this.file.endBytes) {
      throw this.file.damaged(`a compressed cluster at ${hostOffset} lies outside the file`);
    }
    return { kind: 'compressed', hostOffset, copied: false, compressedBytes: sectors * 512 - (hostOffset % 512) };
  }

  private checkCluster(hostOffset: number): void {
    const clusterBytes = 2 ** this.clusterBits;
    if (hostOffset % clusterBytes !== 0) {
      throw this.file.damaged(`a cluster's place ${hostOffset} is not aligned`);
    }
    // New clusters may not have reached the file yet, but nothing points to them before they have.
    if (hostOffset >= this.file.endBytes) {
      throw this.file.damaged(`a cluster's place ${hostOffset} is past the end of the file`);
    }
  }
}

/** Writes an entry for a place that only this entry refers to, or without a place (0). */
export function writeL2Entry(view: DataView, index: number, hostOffset: number, zero: boolean): void {
  layout.writeU64(view, index * 8, hostOffset);
  if (hostOffset !== 0) view.setUint32(index * 8, (view.getUint32(index * 8) | layout.COPIED_HIGH) >>> 0);
  if (zero) view.setUint32(index * 8 + 4, (view.getUint32(index * 8 + 4) | layout.ZERO_LOW) >>> 0);
}
