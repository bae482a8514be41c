import type { MmioDevice } from '../../src/device/device.ts';
import type { ArrayGuestMemory } from './array-guest-memory.ts';

/** Bit numbers that the drivers in these tests accept by default. */
export const VERSION_1 = 32;
export const EVENT_IDX = 29;
export const INDIRECT = 28;

/** Register accesses of a driver (virtio 1.2, 4.2.3), written from the specification and not from our constants. */
export class MmioDriver {
  readonly device: MmioDevice;

  constructor(device: MmioDevice) {
    this.device = device;
  }

  get(offset: number): number {
    return this.device.read(offset, 4);
  }

  set(offset: number, value: number): void {
    this.device.write(offset, 4, value);
  }

  get status(): number {
    return this.get(0x70);
  }

  offered(): bigint {
    this.set(0x14, 0);
    const low = BigInt(this.get(0x10));
    this.set(0x14, 1);
    return (BigInt(this.get(0x10)) << 32n) | low;
  }

  accept(features: bigint): void {
    this.set(0x24, 0);
    this.set(0x20, Number(features & 0xffff_ffffn));
    this.set(0x24, 1);
    this.set(0x20, Number(features >> 32n));
  }

  /** Up to FEATURES_OK, accepting these bits (3.1.1). */
  negotiate(...bits: number[]): void {
    this.set(0x70, 0);
    this.set(0x70, 1);
    this.set(0x70, 3);
    this.accept(bits.reduce((set, bit) => set | (1n << BigInt(bit)), 0n));
    this.set(0x70, 0xb);
  }

  setQueue(index: number, size: number, areas: { descriptors: bigint; driver: bigint; device: bigint }): void {
    this.set(0x30, index);
    this.set(0x38, size);
    this.#setAddress(0x80, areas.descriptors);
    this.#setAddress(0x90, areas.driver);
    this.#setAddress(0xa0, areas.device);
    this.set(0x44, 1);
  }

  driverOk(): void {
    this.set(0x70, 0xf);
  }

  notify(queue: number): void {
    this.set(0x50, queue);
  }

  #setAddress(offset: number, address: bigint): void {
    this.set(offset, Number(address & 0xffff_ffffn));
    this.set(offset + 4, Number(address >> 32n));
  }
}

export interface Piece {
  readonly address: bigint;
  readonly length: number;
}

export interface Used {
  readonly head: number;
  readonly length: number;
}

/** The driver's side of a split queue (2.7), with its three areas and its indirect tables at `base` in guest memory. */
export class QueueDriver {
  readonly size: number;
  readonly areas: { descriptors: bigint; driver: bigint; device: bigint };
  eventIndex: boolean;
  /** Free-running, modulo 65536. */
  availableIndex = 0;
  usedIndex = 0;

  #memory: ArrayGuestMemory;
  readonly #indirectBase: bigint;
  readonly #freeDescriptors: number[];
  readonly #descriptorsOf = new Map<number, number[]>();
  #kickedIndex = 0;

  constructor(memory: ArrayGuestMemory, base: bigint, size: number, eventIndex: boolean) {
    this.#memory = memory;
    this.size = size;
    this.eventIndex = eventIndex;
    const driver = base + BigInt(16 * size);
    const device = driver + BigInt(align(6 + 2 * size, 4));
    this.areas = { descriptors: base, driver, device };
    this.#indirectBase = device + BigInt(align(6 + 8 * size, 16));
    this.#freeDescriptors = Array.from({ length: size }, (_, index) => index);
    memory.copyIn(base, new Uint8Array(Number(this.#indirectBase - base)));
  }

  /** Bytes that a queue of a size and its indirect tables take. */
  static bytesFor(size: number): number {
    return 16 * size + align(6 + 2 * size, 4) + align(6 + 8 * size, 16) + size * 16 * 64;
  }

  /** The same driver goes on in another memory with the same content. */
  movedTo(memory: ArrayGuestMemory): this {
    this.#memory = memory;
    return this;
  }

  get freeDescriptors(): number {
    return this.#freeDescriptors.length;
  }

  get outstanding(): number {
    return this.#descriptorsOf.size;
  }

  /** Makes a buffer available and returns its head. With `indirect`, the pieces from that one on are in a table. */
  add(readable: readonly Piece[], writable: readonly Piece[], indirect?: number): number {
    const entries = [
      ...readable.map((piece) => ({ ...piece, flags: 0 })),
      ...writable.map((piece) => ({ ...piece, flags: 2 })),
    ];
    const direct = indirect === undefined ? entries : entries.slice(0, indirect);
    const inTable = indirect === undefined ? [] : entries.slice(indirect);
    const indices = this.#freeDescriptors.splice(0, direct.length + (indirect === undefined ? 0 : 1));
    const head = indices[0]!;
    direct.forEach((entry, position) => {
      const last = position === indices.length - 1;
      this.writeDescriptor(
        indices[position]!,
        { ...entry, flags: entry.flags | (last ? 0 : 1) },
        indices[position + 1],
      );
    });
    if (indirect !== undefined) {
      const table = this.#indirectBase + BigInt(head * 16 * 64);
      inTable.forEach((entry, position) => {
        const last = position === inTable.length - 1;
        this.#write(table + BigInt(16 * position), { ...entry, flags: entry.flags | (last ? 0 : 1) }, position + 1);
      });
      this.writeDescriptor(indices.at(-1)!, { address: table, length: 16 * inTable.length, flags: 4 });
    }
    this.#descriptorsOf.set(head, indices);
    this.publish(head);
    return head;
  }

  writeDescriptor(index: number, entry: Piece & { flags: number }, next = 0): void {
    this.#write(this.areas.descriptors + BigInt(16 * index), entry, next);
  }

  /** Puts a head into the available ring. */
  publish(head: number): void {
    const slot = this.availableIndex % this.size;
    this.#memory.writeU16(this.areas.driver + BigInt(4 + 2 * slot), head);
    this.availableIndex = (this.availableIndex + 1) & 0xffff;
    this.#memory.writeU16(this.areas.driver + 2n, this.availableIndex);
  }

  /** Whether the device wants to hear of what has been added since the last call (2.7.7.1, 2.7.10). */
  needsKick(): boolean {
    const before = this.#kickedIndex;
    this.#kickedIndex = this.availableIndex;
    if (!this.eventIndex) return (this.#memory.readU16(this.areas.device)! & 1) === 0;
    const event = this.#memory.readU16(this.areas.device + BigInt(4 + 8 * this.size))!;
    return ((this.availableIndex - event - 1) & 0xffff) < ((this.availableIndex - before) & 0xffff);
  }

  /** Asks for an interrupt after the next buffer, or in flags mode after any or none. */
  askForInterrupt(wanted: boolean): void {
    if (this.eventIndex) {
      const event = wanted ? this.usedIndex : (this.usedIndex - 1) & 0xffff;
      this.#memory.writeU16(this.areas.driver + BigInt(4 + 2 * this.size), event);
    } else {
      this.#memory.writeU16(this.areas.driver, wanted ? 0 : 1);
    }
  }

  /** What the device has given back. */
  takeUsed(): Used[] {
    const used: Used[] = [];
    while (this.usedIndex !== this.#memory.readU16(this.areas.device + 2n)!) {
      const element = this.areas.device + BigInt(4 + 8 * (this.usedIndex % this.size));
      const head = this.#memory.readU32(element)!;
      const indices = this.#descriptorsOf.get(head);
      if (indices === undefined) throw new Error(`the device gave back ${head}, which it did not have`);
      this.#descriptorsOf.delete(head);
      this.#freeDescriptors.push(...indices);
      used.push({ head, length: this.#memory.readU32(element + 4n)! });
      this.usedIndex = (this.usedIndex + 1) & 0xffff;
    }
    return used;
  }

  #write(at: bigint, entry: Piece & { flags: number }, next: number): void {
    this.#memory.writeU64(at, entry.address);
    this.#memory.writeU32(at + 8n, entry.length);
    this.#memory.writeU16(at + 12n, entry.flags);
    this.#memory.writeU16(at + 14n, next);
  }
}

function align(value: number, to: number): number {
  return Math.ceil(value / to) * to;
}
