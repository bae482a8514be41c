import { violation } from '../../common/invariant.ts';
import type { AccessWidth, MmioDevice } from '../device.ts';

interface Range {
  readonly base: number;
  readonly end: number;
  readonly device: MmioDevice;
}

/**
 * The devices' part of the physical address space. Addresses are numbers below 2^53; whoever has a wider one need not
 * ask. Nothing is allocated per access: the results of `find` and `read` are in fields.
 *
 * An access that is not wholly inside one device is not the bus's to answer: `find` and `read` and `write` say so, and
 * the hart raises an access fault.
 */
export class MmioBus {
  /** Offset within the device that the last successful `find` returned. */
  offset = 0;
  /** Result of the last successful `read`: bits 31:0, unsigned. */
  low = 0;
  /** Result of the last successful `read` of 8 bytes: bits 63:32, unsigned; 0 for narrower reads. */
  high = 0;

  private readonly ranges: Range[] = [];
  private last: Range | undefined;

  /** It must not overlap another device. */
  add(base: number, device: MmioDevice): void {
    const end = base + device.sizeBytes;
    if (!Number.isSafeInteger(base) || base < 0 || !Number.isSafeInteger(end)) {
      throw violation(`a device has addresses that are safe integers: ${device.name} cannot be at ${base}`);
    }
    // In order, without a sort: a board is made for each fork.
    let index = 0;
    while (index < this.ranges.length && this.ranges[index]!.end <= base) index++;
    const other = this.ranges[index];
    if (other !== undefined && other.base < end) {
      throw violation(`no devices overlap, as ${device.name} and ${other.device.name} at 0x${base.toString(16)}`);
    }
    this.ranges.splice(index, 0, { base, end, device });
  }

  /** All devices with their base addresses, lowest first. */
  get devices(): readonly { readonly base: number; readonly device: MmioDevice }[] {
    return this.ranges;
  }

  /** The device that holds all `width` bytes from `address` on, with `offset` set; undefined when there is none. */
  find(address: number, width: number): MmioDevice | undefined {
    let range = this.last;
    if (range === undefined || address < range.base || address >= range.end) {
      range = this.search(address);
      if (range === undefined) return undefined;
      this.last = range;
    }
    if (address + width > range.end) return undefined;
    this.offset = address - range.base;
    return range.device;
  }

  /** Reads into `low` and `high`. False: access fault. */
  read(address: number, width: AccessWidth | 8): boolean {
    const device = this.find(address, width);
    if (device === undefined) return false;
    const offset = this.offset;
    if (width === 8) {
      this.low = device.read(offset, 4);
      this.high = device.read(offset + 4, 4);
    } else {
      this.low = device.read(offset, width);
      this.high = 0;
    }
    return true;
  }

  /** Writes `low` (and for 8 bytes `high`), both unsigned and no wider than the access. False: access fault. */
  write(address: number, width: AccessWidth | 8, low: number, high = 0): boolean {
    const device = this.find(address, width);
    if (device === undefined) return false;
    const offset = this.offset;
    if (width === 8) {
      device.write(offset, 4, low);
      device.write(offset + 4, 4, high);
    } else {
      device.write(offset, width, low);
    }
    return true;
  }

  private search(address: number): Range | undefined {
    let low = 0;
    let high = this.ranges.length - 1;
    while (low <= high) {
      const middle = (low + high) >> 1;
      const range = this.ranges[middle]!;
      if (address < range.base) high = middle - 1;
      else if (address >= range.end) low = middle + 1;
      else return range;
    }
    return undefined;
  }
}
