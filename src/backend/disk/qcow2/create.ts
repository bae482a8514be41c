import { GodwitError } from '../../../common/errors.ts';
import { anyText, choice, flag, number, object, optional, type Schema } from '../../../common/schema.ts';
import type { ByteFile } from '../../../platform/files.ts';
import { BYTE_FILE } from '../arguments.ts';
import { assertDiskSize } from '../range.ts';
import type { BackingReference } from './header.ts';
import * as layout from './layout.ts';
import { EXTENSION, HEADER, roundUp, viewOf, writeU64 } from './layout.ts';
import { encodeUtf8 } from './utf8.ts';

/** What a new qcow2 image is like. */
export interface Qcow2CreateOptions {
  /** What a guest sees. */
  sizeBytes: number;
  /** 9 to 21: clusters of 512 bytes to 2 MiB. 16 when not given. */
  clusterBits?: number;
  /** The file under the new image. A relative name is relative to the folder of the new image. */
  backing?: { path: string; format: 'raw' | 'qcow2' };
  /** Nobody will need it after a crash of the host: it is not brought to stable storage. */
  temporary?: boolean;
}

/** Bounds are checked where they have words of their own. */
const ANY_NUMBER = number(-Number.MAX_VALUE, Number.MAX_VALUE);
const OPTIONS: Schema<Qcow2CreateOptions> = object({
  sizeBytes: ANY_NUMBER,
  clusterBits: optional(ANY_NUMBER),
  backing: optional(object({ path: anyText(), format: choice('raw', 'qcow2') })),
  temporary: optional(flag()),
});

const DEFAULT_CLUSTER_BITS = 16;
const REFCOUNT_ORDER = 4;
const REFCOUNT_BYTES = 2;

/** Places in a new image, in clusters: the header, the refcount table, refcount blocks, the L1 table. */
interface Layout {
  clusterBytes: number;
  l1Entries: number;
  refcountTableClusters: number;
  refcountBlocks: number;
  l1Clusters: number;
}

/** Writes an empty image, version 3, into an empty file, and brings it to stable storage unless it is `temporary`. */
export async function createQcow2(file: ByteFile, options: Qcow2CreateOptions): Promise<void> {
  BYTE_FILE.parse(file, 'file');
  OPTIONS.parse(options, 'options');
  const plan = planLayout(options);
  const header = encodeHeader(plan, options);
  const totalClusters = usedClusters(plan);
  await file.truncate(totalClusters * plan.clusterBytes);
  await file.write(plan.clusterBytes, encodeRefcountTable(plan));
  await file.write((1 + plan.refcountTableClusters) * plan.clusterBytes, encodeRefcounts(totalClusters));
  if (!options.temporary) await file.sync();
  // The header is last: a file without it is no image.
  await file.write(0, header);
  if (!options.temporary) await file.sync();
}

function planLayout(options: Qcow2CreateOptions): Layout {
  const { sizeBytes, clusterBits = DEFAULT_CLUSTER_BITS } = options;
  assertDiskSize(sizeBytes);
  if (
    !Number.isInteger(clusterBits) ||
    clusterBits < layout.MIN_CLUSTER_BITS ||
    clusterBits > layout.MAX_CLUSTER_BITS
  ) {
    throw new GodwitError('usage', `Clusters of a qcow2 image have 2^9 to 2^21 bytes, not 2^${clusterBits}.`);
  }
  const clusterBytes = 2 ** clusterBits;
  const l1Entries = Math.ceil(sizeBytes / (clusterBytes * (clusterBytes / 8)));
  if (l1Entries * 8 > layout.MAX_L1_BYTES) {
    throw new GodwitError('usage', `A disk of ${sizeBytes} bytes needs clusters larger than ${clusterBytes} bytes.`);
  }
  const l1Clusters = Math.ceil((l1Entries * 8) / clusterBytes);
  const plan = { clusterBytes, l1Entries, l1Clusters, refcountTableClusters: 1, refcountBlocks: 1 };
  // What counts the clusters takes clusters itself.
  for (;;) {
    const refcountBlocks = Math.ceil((usedClusters(plan) * REFCOUNT_BYTES) / clusterBytes);
    const refcountTableClusters = Math.ceil((refcountBlocks * 8) / clusterBytes);
    if (refcountBlocks === plan.refcountBlocks && refcountTableClusters === plan.refcountTableClusters) return plan;
    Object.assign(plan, { refcountBlocks, refcountTableClusters });
  }
}

function usedClusters(plan: Layout): number {
  return 1 + plan.refcountTableClusters + plan.refcountBlocks + plan.l1Clusters;
}

function encodeHeader(plan: Layout, options: Qcow2CreateOptions): Uint8Array {
  const { clusterBytes } = plan;
  const bytes = new Uint8Array(clusterBytes);
  const view = viewOf(bytes);
  view.setUint32(HEADER.magic, layout.MAGIC);
  view.setUint32(HEADER.version, 3);
  view.setUint32(HEADER.clusterBits, Math.log2(clusterBytes));
  writeU64(view, HEADER.size, options.sizeBytes);
  view.setUint32(HEADER.l1Entries, plan.l1Entries);
  const l1Cluster = 1 + plan.refcountTableClusters + plan.refcountBlocks;
  writeU64(view, HEADER.l1Offset, l1Cluster * clusterBytes);
  writeU64(view, HEADER.refcountTableOffset, clusterBytes);
  view.setUint32(HEADER.refcountTableClusters, plan.refcountTableClusters);
  view.setUint32(HEADER.refcountOrder, REFCOUNT_ORDER);
  view.setUint32(HEADER.headerLength, layout.NEW_HEADER_BYTES);
  if (options.backing !== undefined) {
    encodeBacking(bytes, { name: options.backing.path, format: options.backing.format });
  }
  return bytes;
}

/** The format goes into an extension, the name after the extensions; all of it into the first cluster. */
function encodeBacking(bytes: Uint8Array, backing: BackingReference): void {
  const view = viewOf(bytes);
  const name = encodeUtf8(backing.name);
  const format = encodeUtf8(backing.format ?? '');
  const extensionAt = layout.NEW_HEADER_BYTES;
  const endAt = extensionAt + 8 + roundUp(format.length, 8);
  const nameAt = endAt + 8;
  if (name.length === 0 || name.length > layout.MAX_BACKING_NAME_BYTES || nameAt + name.length > bytes.length) {
    const limit = Math.min(layout.MAX_BACKING_NAME_BYTES, bytes.length - nameAt);
    throw new GodwitError('usage', `The path of a backing file must have 1 to ${limit} bytes, not ${name.length}.`);
  }
  view.setUint32(extensionAt, EXTENSION.backingFormat);
  view.setUint32(extensionAt + 4, format.length);
  bytes.set(format, extensionAt + 8);
  bytes.set(name, nameAt);
  writeU64(view, HEADER.backingOffset, nameAt);
  view.setUint32(HEADER.backingLength, name.length);
}

function encodeRefcountTable(plan: Layout): Uint8Array {
  const bytes = new Uint8Array(plan.refcountTableClusters * plan.clusterBytes);
  for (let block = 0; block < plan.refcountBlocks; block++) {
    writeU64(viewOf(bytes), block * 8, (1 + plan.refcountTableClusters + block) * plan.clusterBytes);
  }
  return bytes;
}

function encodeRefcounts(clusters: number): Uint8Array {
  const bytes = new Uint8Array(clusters * REFCOUNT_BYTES);
  for (let cluster = 0; cluster < clusters; cluster++) viewOf(bytes).setUint16(cluster * REFCOUNT_BYTES, 1);
  return bytes;
}
