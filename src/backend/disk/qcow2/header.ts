import type { ImageFile } from './image-file.ts';
import * as layout from './layout.ts';
import { EXTENSION, HEADER, INCOMPATIBLE, readU64, roundUp } from './layout.ts';
import { decodeUtf8 } from './utf8.ts';

/** The file under an overlay, as the overlay's header names it. */
export interface BackingReference {
  /** A path; a relative one is relative to the overlay's folder. */
  name: string;
  /** As written; images without it leave the format to be guessed. */
  format: string | undefined;
}

export interface Qcow2Header {
  version: 2 | 3;
  clusterBits: number;
  clusterBytes: number;
  sizeBytes: number;
  l1Offset: number;
  l1Entries: number;
  refcountTableOffset: number;
  refcountTableClusters: number;
  refcountOrder: number;
  snapshotCount: number;
  snapshotsOffset: number;
  compression: 'deflate' | 'zstd';
  dirty: boolean;
  corrupt: boolean;
  hasAutoclearFeatures: boolean;
  incompatibleLow: number;
  backing: BackingReference | undefined;
}

/** Reads and checks the header. Every offset and size in what it gives lies within the file and the format's limits. */
export async function readHeader(file: ImageFile): Promise<Qcow2Header> {
  const fixed = new Uint8Array(layout.NEW_HEADER_BYTES);
  await file.read(0, fixed);
  const view = layout.viewOf(fixed);
  if (view.getUint32(HEADER.magic) !== layout.MAGIC) throw file.damaged('it does not begin like a qcow2 image');
  const version = view.getUint32(HEADER.version);
  if (version !== 2 && version !== 3) throw file.unsupported(`version ${version} of the qcow2 format`);
  const clusterBits = readClusterBits(file, view);
  const headerBytes = readHeaderLength(file, view, version, clusterBits);
  // A header that ends before a field means 0 for it.
  fixed.fill(0, Math.min(headerBytes, fixed.length));

  const extensions = await readExtensions(file, view, headerBytes, clusterBits);
  const features = readFeatures(file, view, extensions);
  if (view.getUint32(HEADER.encryption) !== 0) throw file.unsupported('encryption');
  const header: Qcow2Header = {
    version,
    clusterBits,
    clusterBytes: 2 ** clusterBits,
    sizeBytes: readU64(view, HEADER.size),
    l1Offset: readU64(view, HEADER.l1Offset),
    l1Entries: view.getUint32(HEADER.l1Entries),
    refcountTableOffset: readU64(view, HEADER.refcountTableOffset),
    refcountTableClusters: view.getUint32(HEADER.refcountTableClusters),
    refcountOrder: version === 2 ? 4 : view.getUint32(HEADER.refcountOrder),
    snapshotCount: view.getUint32(HEADER.snapshotCount),
    snapshotsOffset: readU64(view, HEADER.snapshotsOffset),
    ...features,
    backing: await readBacking(file, view, clusterBits, extensions.backingFormat),
  };
  checkTables(file, header);
  return header;
}

function readClusterBits(file: ImageFile, view: DataView): number {
  const clusterBits = view.getUint32(HEADER.clusterBits);
  if (clusterBits < layout.MIN_CLUSTER_BITS || clusterBits > 30) {
    throw file.damaged(`clusters of 2^${clusterBits} bytes are not possible`);
  }
  if (clusterBits > layout.MAX_CLUSTER_BITS) throw file.unsupported(`clusters of 2^${clusterBits} bytes`);
  return clusterBits;
}

function readHeaderLength(file: ImageFile, view: DataView, version: number, clusterBits: number): number {
  if (version === 2) return layout.VERSION_2_HEADER_BYTES;
  const length = view.getUint32(HEADER.headerLength);
  if (length < layout.VERSION_3_HEADER_BYTES || length > 2 ** clusterBits) {
    throw file.damaged(`a header of ${length} bytes is not possible`);
  }
  return length;
}

interface Extensions {
  backingFormat: string | undefined;
  featureNames: Uint8Array;
  types: ReadonlySet<number>;
}

/** Header extensions lie between the header and the end of the first cluster, or the name of the backing file. */
async function readExtensions(
  file: ImageFile,
  view: DataView,
  headerBytes: number,
  clusterBits: number,
): Promise<Extensions> {
  const backingOffset = readU64(view, HEADER.backingOffset);
  const end = backingOffset === 0 ? 2 ** clusterBits : Math.min(backingOffset, 2 ** clusterBits);
  const bytes = new Uint8Array(Math.max(0, Math.min(end, file.endBytes) - headerBytes));
  await file.read(headerBytes, bytes);
  const data = layout.viewOf(bytes);
  const types = new Set<number>();
  const found: Extensions = { backingFormat: undefined, featureNames: new Uint8Array(0), types };
  for (let at = 0; at + 8 <= bytes.length; ) {
    const type = data.getUint32(at);
    const length = data.getUint32(at + 4);
    if (type === EXTENSION.end) break;
    if (at + 8 + length > bytes.length) throw file.damaged('a header extension is longer than its place');
    const content = bytes.subarray(at + 8, at + 8 + length);
    types.add(type);
    if (type === EXTENSION.backingFormat) found.backingFormat = decodeUtf8(content);
    if (type === EXTENSION.featureNames) found.featureNames = content;
    at += 8 + roundUp(length, 8);
  }
  return found;
}

type Features = Pick<Qcow2Header, 'compression' | 'dirty' | 'corrupt' | 'hasAutoclearFeatures' | 'incompatibleLow'>;

function readFeatures(file: ImageFile, view: DataView, extensions: Extensions): Features {
  const high = view.getUint32(HEADER.incompatible);
  const low = view.getUint32(HEADER.incompatible + 4);
  const has = (bit: number): boolean => (bit < 32 ? (low >>> bit) & 1 : (high >>> (bit - 32)) & 1) === 1;
  const known = new Set<number>(Object.values(INCOMPATIBLE));
  const unknown = Array.from({ length: 64 }, (_, bit) => bit).filter((bit) => has(bit) && !known.has(bit));
  if (unknown.length > 0) {
    const names = unknown.map((bit) => featureName(extensions.featureNames, bit) ?? `feature bit ${bit}`);
    throw file.unsupported(`features that this version does not know (${names.join(', ')})`);
  }
  if (has(INCOMPATIBLE.externalData)) throw file.unsupported('an external data file');
  if (has(INCOMPATIBLE.extendedL2)) {
    throw file.unsupported('extended L2 entries (subclusters)', 'Convert it with "qemu-img convert -O qcow2".');
  }
  return {
    compression: readCompression(file, view, has(INCOMPATIBLE.compressionType)),
    dirty: has(INCOMPATIBLE.dirty),
    corrupt: has(INCOMPATIBLE.corrupt),
    hasAutoclearFeatures: readU64(view, HEADER.autoclear) !== 0,
    incompatibleLow: low,
  };
}

function readCompression(file: ImageFile, view: DataView, featureSet: boolean): 'deflate' | 'zstd' {
  const type = view.getUint8(HEADER.compressionType);
  if (featureSet !== (type !== layout.COMPRESSION.deflate)) {
    throw file.damaged('the compression type and its feature bit contradict each other');
  }
  if (type === layout.COMPRESSION.deflate) return 'deflate';
  if (type === layout.COMPRESSION.zstd) return 'zstd';
  throw file.unsupported(`compression type ${type}`);
}

/** Entries of the feature name table: u8 kind (0: incompatible), u8 bit number, 46 bytes of name. */
function featureName(table: Uint8Array, bit: number): string | undefined {
  for (let at = 0; at + 48 <= table.length; at += 48) {
    if (table[at] !== 0 || table[at + 1] !== bit) continue;
    const name = table.subarray(at + 2, at + 48);
    const end = name.indexOf(0);
    return decodeUtf8(end < 0 ? name : name.subarray(0, end));
  }
  return undefined;
}

async function readBacking(
  file: ImageFile,
  view: DataView,
  clusterBits: number,
  format: string | undefined,
): Promise<BackingReference | undefined> {
  const offset = readU64(view, HEADER.backingOffset);
  if (offset === 0) return undefined;
  const length = view.getUint32(HEADER.backingLength);
  if (length > layout.MAX_BACKING_NAME_BYTES || offset + length > 2 ** clusterBits) {
    throw file.damaged('the name of its backing file is too long or outside the header');
  }
  const bytes = new Uint8Array(length);
  await file.read(offset, bytes);
  const name = decodeUtf8(bytes);
  return name === '' ? undefined : { name, format: format === '' ? undefined : format };
}

function checkTables(file: ImageFile, header: Qcow2Header): void {
  const { clusterBytes } = header;
  if (header.sizeBytes > Number.MAX_SAFE_INTEGER) throw file.damaged('it claims a size that no disk can have');
  if (header.refcountOrder > layout.MAX_REFCOUNT_ORDER) {
    throw file.damaged(`refcounts of 2^${header.refcountOrder} bits are not possible`);
  }
  const l1Bytes = header.l1Entries * 8;
  if (l1Bytes > layout.MAX_L1_BYTES) throw file.unsupported(`an L1 table of ${l1Bytes} bytes`);
  const coveredPerEntry = clusterBytes * (clusterBytes / 8);
  if (header.l1Entries < Math.ceil(header.sizeBytes / coveredPerEntry)) {
    throw file.damaged('its L1 table is too small for its size');
  }
  checkTable(file, header, 'L1 table', header.l1Offset, l1Bytes);
  const refcountBytes = header.refcountTableClusters * clusterBytes;
  if (refcountBytes > layout.MAX_REFCOUNT_TABLE_BYTES) {
    throw file.unsupported(`a refcount table of ${refcountBytes} bytes`);
  }
  if (header.refcountTableClusters === 0) throw file.damaged('it has no refcount table');
  checkTable(file, header, 'refcount table', header.refcountTableOffset, refcountBytes);
  if (header.snapshotCount > layout.MAX_SNAPSHOTS) throw file.unsupported(`${header.snapshotCount} snapshots`);
  // The least that a snapshot takes in the table is 40 bytes.
  checkTable(file, header, 'snapshot table', header.snapshotsOffset, header.snapshotCount * 40);
}

/** A table starts at a cluster after the header and ends in the file, of which the last cluster may be cut short. */
function checkTable(file: ImageFile, header: Qcow2Header, what: string, offset: number, lengthBytes: number): void {
  if (lengthBytes === 0) return;
  if (offset % header.clusterBytes !== 0) throw file.damaged(`its ${what} does not start at a cluster`);
  if (offset === 0) throw file.damaged(`its ${what} lies over the header`);
  if (offset + lengthBytes > roundUp(file.endBytes, header.clusterBytes)) {
    throw file.damaged(`its ${what} lies past the end of the file`);
  }
}
