import type { FrameSpan, GuestMemory } from '../../device.ts';
import {
  VIRTQ_DESC_ADDR,
  VIRTQ_DESC_BYTES,
  VIRTQ_DESC_F_INDIRECT,
  VIRTQ_DESC_F_NEXT,
  VIRTQ_DESC_F_WRITE,
  VIRTQ_DESC_FLAGS,
  VIRTQ_DESC_LEN,
  VIRTQ_DESC_NEXT,
  VIRTQ_SIZE_MAXIMUM,
} from './layout.ts';
import { type GuestRange, resolveRanges } from './ranges.ts';

/**
 * One buffer that the driver has made available, as it lies in host memory. The spans hold until the guest runs again;
 * a device that answers later keeps the ranges and resolves them anew.
 */
export interface DescriptorChain {
  /** Index of the first descriptor; what `push` returns the buffer by. */
  readonly head: number;
  readonly readable: readonly FrameSpan[];
  readonly writable: readonly FrameSpan[];
  /** Sums of the lengths, in bytes. */
  readonly readableLength: number;
  readonly writableLength: number;
  /** Where the spans are in guest-physical memory. */
  readonly readableRanges: readonly GuestRange[];
  readonly writableRanges: readonly GuestRange[];
}

export interface DescriptorTable {
  readonly address: bigint;
  readonly size: number;
}

export interface ChainLimits {
  /** VIRTIO_F_INDIRECT_DESC has been negotiated. */
  readonly indirect: boolean;
  /** No chain describes more bytes than this. */
  readonly bytesMaximum: number;
}

/**
 * Follows a chain of descriptors (virtio 1.2, 2.7.5). Gives a reason where the driver breaks a rule, so that the device
 * can ask to be reset. It looks at no more than VIRTQ_SIZE_MAXIMUM descriptors, whatever the guest has written, loops
 * included.
 */
export function walkChain(
  memory: GuestMemory,
  table: DescriptorTable,
  head: number,
  limits: ChainLimits,
): DescriptorChain | string {
  const walk = new ChainWalk(memory, table, limits);
  const reason = walk.follow(head);
  if (reason !== undefined) return reason;
  return walk.resolve(head) ?? 'a buffer is not in memory';
}

class ChainWalk {
  private readonly memory: GuestMemory;
  private readonly limits: ChainLimits;
  private readonly readable: GuestRange[] = [];
  private readonly writable: GuestRange[] = [];
  private readableLength = 0;
  private writableLength = 0;
  private table: DescriptorTable;
  private inIndirect = false;

  constructor(memory: GuestMemory, table: DescriptorTable, limits: ChainLimits) {
    this.memory = memory;
    this.table = table;
    this.limits = limits;
  }

  /** Gathers the ranges; gives a reason when the chain is broken. */
  follow(head: number): string | undefined {
    let index = head;
    for (let count = 0; count < VIRTQ_SIZE_MAXIMUM; count++) {
      if (index >= this.table.size) return 'a descriptor index is past the end of its table';
      const descriptor = this.table.address + BigInt(index * VIRTQ_DESC_BYTES);
      const address = this.memory.readU64(descriptor + VIRTQ_DESC_ADDR);
      const length = this.memory.readU32(descriptor + VIRTQ_DESC_LEN);
      const flags = this.memory.readU16(descriptor + VIRTQ_DESC_FLAGS);
      const next = this.memory.readU16(descriptor + VIRTQ_DESC_NEXT);
      if (address === undefined || length === undefined || flags === undefined || next === undefined) {
        return 'a descriptor is not in memory';
      }
      if ((flags & VIRTQ_DESC_F_INDIRECT) !== 0) {
        const reason = this.enterIndirect(address, length, flags);
        if (reason !== undefined) return reason;
        index = 0;
        continue;
      }
      const reason = this.add(address, length, (flags & VIRTQ_DESC_F_WRITE) !== 0);
      if (reason !== undefined) return reason;
      if ((flags & VIRTQ_DESC_F_NEXT) === 0) return undefined;
      index = next;
    }
    return 'a chain of descriptors is a loop or too long';
  }

  /** Writable spans first: making a frame private moves it, and readable bytes may lie in the same frame. */
  resolve(head: number): DescriptorChain | undefined {
    const writable = resolveRanges(this.memory, this.writable, 'write');
    const readable = resolveRanges(this.memory, this.readable, 'read');
    if (writable === undefined || readable === undefined) return undefined;
    return {
      head,
      readable,
      writable,
      readableLength: this.readableLength,
      writableLength: this.writableLength,
      readableRanges: this.readable,
      writableRanges: this.writable,
    };
  }

  /** 2.7.5.3.1: an indirect descriptor ends its chain, which goes on in its table, and there is none within a table. */
  private enterIndirect(address: bigint, length: number, flags: number): string | undefined {
    if (!this.limits.indirect) return 'an indirect descriptor without VIRTIO_F_INDIRECT_DESC';
    if (this.inIndirect) return 'an indirect descriptor within an indirect table';
    if ((flags & VIRTQ_DESC_F_NEXT) !== 0) return 'an indirect descriptor with a next one';
    if (length === 0 || length % VIRTQ_DESC_BYTES !== 0) return 'an indirect table whose length is no whole number';
    const size = length / VIRTQ_DESC_BYTES;
    if (size > VIRTQ_SIZE_MAXIMUM) return 'an indirect table is too long';
    this.inIndirect = true;
    this.table = { address, size };
    return undefined;
  }

  private add(address: bigint, length: number, writable: boolean): string | undefined {
    if (!writable && this.writable.length > 0) return 'a readable descriptor after a writable one';
    if (this.readableLength + this.writableLength + length > this.limits.bytesMaximum) return 'a buffer is too long';
    if (writable) {
      this.writable.push({ address, length });
      this.writableLength += length;
    } else {
      this.readable.push({ address, length });
      this.readableLength += length;
    }
    return undefined;
  }
}
