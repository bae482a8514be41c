import type { GuestMemory } from '../../device.ts';
import type { DescriptorChain } from '../queue/descriptor-chain.ts';
import { gather, sliceSpans } from '../queue/ranges.ts';
import {
  BLOCK_HEADER_BYTES,
  BLOCK_SEGMENT_BYTES,
  BLOCK_SEGMENT_F_UNMAP,
  DISCARD_SECTORS_MAXIMUM,
  SECTOR_BYTES,
  VIRTIO_BLK_S_IOERR,
  VIRTIO_BLK_S_OK,
  VIRTIO_BLK_S_UNSUPP,
  VIRTIO_BLK_T_DISCARD,
  VIRTIO_BLK_T_FLUSH,
  VIRTIO_BLK_T_GET_ID,
  VIRTIO_BLK_T_IN,
  VIRTIO_BLK_T_OUT,
  VIRTIO_BLK_T_WRITE_ZEROES,
  WRITE_ZEROES_SECTORS_MAXIMUM,
} from './registers.ts';

/** What a request asks for, checked against the disk; `status` answers at once. */
export type BlockCommand =
  | { readonly kind: 'read' | 'write' | 'discard'; readonly offset: number; readonly length: number }
  | { readonly kind: 'write-zeroes'; readonly offset: number; readonly length: number; readonly unmap: boolean }
  | { readonly kind: 'flush' }
  | { readonly kind: 'get-id' }
  | { readonly kind: 'status'; readonly status: number };

export interface BlockLimits {
  readonly capacitySectors: number;
  readonly readonly: boolean;
}

const IO_ERROR: BlockCommand = { kind: 'status', status: VIRTIO_BLK_S_IOERR };
const NOTHING_TO_DO: BlockCommand = { kind: 'status', status: VIRTIO_BLK_S_OK };
const UNSUPPORTED: BlockCommand = { kind: 'status', status: VIRTIO_BLK_S_UNSUPP };

/** Reads a request's header (virtio 1.2, 5.2.6). The chain has at least the header and a status byte. */
export function parseBlockCommand(memory: GuestMemory, chain: DescriptorChain, limits: BlockLimits): BlockCommand {
  const header = readBytes(memory, chain, 0, BLOCK_HEADER_BYTES);
  const sector = header.getBigUint64(8, true);
  switch (header.getUint32(0, true)) {
    case VIRTIO_BLK_T_IN:
      return transfer('read', sector, chain.writableLength - 1, limits);
    case VIRTIO_BLK_T_OUT:
      if (limits.readonly) return IO_ERROR;
      return transfer('write', sector, chain.readableLength - BLOCK_HEADER_BYTES, limits);
    case VIRTIO_BLK_T_FLUSH:
      return { kind: 'flush' };
    case VIRTIO_BLK_T_GET_ID:
      return { kind: 'get-id' };
    case VIRTIO_BLK_T_DISCARD:
      return parseSegment(memory, chain, limits, 'discard');
    case VIRTIO_BLK_T_WRITE_ZEROES:
      return parseSegment(memory, chain, limits, 'write-zeroes');
    default:
      return UNSUPPORTED;
  }
}

function transfer(kind: 'read' | 'write', sector: bigint, length: number, limits: BlockLimits): BlockCommand {
  if (length % SECTOR_BYTES !== 0) return IO_ERROR;
  const offset = offsetOf(sector, length / SECTOR_BYTES, limits);
  if (offset === undefined) return IO_ERROR;
  return length === 0 ? NOTHING_TO_DO : { kind, offset, length };
}

/** One segment per request is what max_discard_seg and max_write_zeroes_seg allow. */
function parseSegment(
  memory: GuestMemory,
  chain: DescriptorChain,
  limits: BlockLimits,
  kind: 'discard' | 'write-zeroes',
): BlockCommand {
  if (limits.readonly || chain.readableLength !== BLOCK_HEADER_BYTES + BLOCK_SEGMENT_BYTES) return IO_ERROR;
  const segment = readBytes(memory, chain, BLOCK_HEADER_BYTES, BLOCK_SEGMENT_BYTES);
  const sectors = segment.getUint32(8, true);
  const flags = segment.getUint32(12, true);
  const discard = kind === 'discard';
  // 5.2.6.2: unknown flags are unsupported, and so is unmap in a discard.
  if ((flags & ~(discard ? 0 : BLOCK_SEGMENT_F_UNMAP)) !== 0) return UNSUPPORTED;
  if (sectors > (discard ? DISCARD_SECTORS_MAXIMUM : WRITE_ZEROES_SECTORS_MAXIMUM)) return IO_ERROR;
  const offset = offsetOf(segment.getBigUint64(0, true), sectors, limits);
  if (offset === undefined) return IO_ERROR;
  if (sectors === 0) return NOTHING_TO_DO;
  const length = sectors * SECTOR_BYTES;
  return discard
    ? { kind: 'discard', offset, length }
    : { kind: 'write-zeroes', offset, length, unmap: (flags & BLOCK_SEGMENT_F_UNMAP) !== 0 };
}

/** Byte offset of a range of sectors; undefined when it is not wholly on the disk. */
function offsetOf(sector: bigint, sectors: number, limits: BlockLimits): number | undefined {
  const end = sector + BigInt(sectors);
  return end <= BigInt(limits.capacitySectors) ? Number(sector) * SECTOR_BYTES : undefined;
}

function readBytes(memory: GuestMemory, chain: DescriptorChain, start: number, length: number): DataView {
  const bytes = new Uint8Array(length);
  gather(memory, sliceSpans(chain.readable, start, length), bytes);
  return new DataView(bytes.buffer);
}
