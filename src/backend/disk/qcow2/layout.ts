/**
 * The qcow2 format as docs/interop/qcow2.txt of QEMU defines it. All numbers on disk are big-endian.
 *
 * Header, 72 bytes in version 2, at least 104 in version 3:
 *
 *      0  u32  magic "QFI\xfb"              48  u64  refcount table offset
 *      4  u32  version                      56  u32  refcount table clusters
 *      8  u64  backing file name offset     60  u32  snapshot count
 *     16  u32  backing file name length     64  u64  snapshot table offset
 *     20  u32  cluster bits                 72  u64  incompatible features
 *     24  u64  virtual size                 80  u64  compatible features
 *     32  u32  encryption method            88  u64  autoclear features
 *     36  u32  L1 entries                   96  u32  refcount order
 *     40  u64  L1 table offset             100  u32  header length
 *                                          104  u8   compression type, then 7 bytes of padding
 */
export const HEADER = {
  magic: 0,
  version: 4,
  backingOffset: 8,
  backingLength: 16,
  clusterBits: 20,
  size: 24,
  encryption: 32,
  l1Entries: 36,
  l1Offset: 40,
  refcountTableOffset: 48,
  refcountTableClusters: 56,
  snapshotCount: 60,
  snapshotsOffset: 64,
  incompatible: 72,
  compatible: 80,
  autoclear: 88,
  refcountOrder: 96,
  headerLength: 100,
  compressionType: 104,
} as const;

export const MAGIC = 0x514649fb;
export const VERSION_2_HEADER_BYTES = 72;
export const VERSION_3_HEADER_BYTES = 104;
/** What we write: with the compression type. */
export const NEW_HEADER_BYTES = 112;

/** Types of header extensions. Each is u32 type, u32 length, data, padding to 8 bytes. */
export const EXTENSION = {
  end: 0,
  backingFormat: 0xe2792aca,
  featureNames: 0x6803f857,
  bitmaps: 0x23852875,
  encryption: 0x0537be77,
  externalData: 0x44415441,
} as const;

/** Incompatible feature bits, by number. All are below 32. */
export const INCOMPATIBLE = { dirty: 0, corrupt: 1, externalData: 2, compressionType: 3, extendedL2: 4 } as const;

export const COMPRESSION = { deflate: 0, zstd: 1 } as const;

/**
 * Limits, all those of QEMU: an image beyond them opens nowhere, and they bound what a hostile header makes us
 * allocate.
 */
export const MIN_CLUSTER_BITS = 9;
export const MAX_CLUSTER_BITS = 21;
export const MAX_REFCOUNT_ORDER = 6;
export const MAX_L1_BYTES = 32 * 1024 * 1024;
export const MAX_REFCOUNT_TABLE_BYTES = 8 * 1024 * 1024;
export const MAX_BACKING_NAME_BYTES = 1023;
export const MAX_SNAPSHOTS = 65536;
export const MAX_SNAPSHOT_TABLE_BYTES = 64 * 1024 * 1024;

/**
 * Entries of the L1 and L2 tables and of the refcount table are u64. They are handled as two halves, since a double
 * cannot hold 64 bits:
 *
 *     63     COPIED: the refcount is exactly one, so it may be written in place (L1, L2)
 *     62     compressed (L2)
 *     9..55  host offset, aligned to a cluster
 *     0      reads as zeros (L2, version 3)
 */
export const COPIED_HIGH = 0x8000_0000;
export const COMPRESSED_HIGH = 0x4000_0000;
export const OFFSET_HIGH_MASK = 0x00ff_ffff;
export const OFFSET_LOW_MASK = 0xffff_fe00;
export const ZERO_LOW = 1;
const TWO_32 = 2 ** 32;

/** A u64; beyond 2^53 it is rounded, which is still far past the end of any file. */
export function readU64(view: DataView, at: number): number {
  return view.getUint32(at) * TWO_32 + view.getUint32(at + 4);
}

export function writeU64(view: DataView, at: number, value: number): void {
  view.setUint32(at, Math.floor(value / TWO_32));
  view.setUint32(at + 4, value % TWO_32);
}

/** The host offset in a table entry, without the flags. */
export function entryOffset(view: DataView, at: number): number {
  return (view.getUint32(at) & OFFSET_HIGH_MASK) * TWO_32 + ((view.getUint32(at + 4) & OFFSET_LOW_MASK) >>> 0);
}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

export function roundUp(value: number, unit: number): number {
  return Math.ceil(value / unit) * unit;
}
