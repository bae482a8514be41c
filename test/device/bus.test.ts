import { describe, expect, it } from 'vitest';
import { MmioBus } from '../../src/device/bus/mmio-bus.ts';
import type { AccessWidth, MmioDevice } from '../../src/device/device.ts';
import type { PlainData } from '../../src/state/plain-data.ts';

class Probe implements MmioDevice {
  readonly name: string;
  readonly sizeBytes: number;
  readonly log: string[] = [];

  constructor(name: string, sizeBytes: number) {
    this.name = name;
    this.sizeBytes = sizeBytes;
  }
  read(offset: number, width: AccessWidth): number {
    this.log.push(`read ${offset} ${width}`);
    return offset + 0x80000000;
  }
  write(offset: number, width: AccessWidth, value: number): void {
    this.log.push(`write ${offset} ${width} ${value}`);
  }
  reset(): void {}
  save(): PlainData {
    return {};
  }
  restore(): void {}
}

function twoDevices() {
  const bus = new MmioBus();
  const first = new Probe('first', 0x1000);
  const second = new Probe('second', 0x100);
  bus.add(0x2000, second);
  bus.add(0x1000, first);
  return { bus, first, second };
}

describe('the bus', () => {
  it('finds devices at their edges and nothing beside them', () => {
    const { bus, first, second } = twoDevices();
    expect(bus.find(0xfff, 1)).toBeUndefined();
    expect(bus.find(0x1000, 4)).toBe(first);
    expect(bus.find(0x1fff, 1)).toBe(first);
    expect(bus.offset).toBe(0xfff);
    expect(bus.find(0x2000, 1)).toBe(second);
    expect(bus.offset).toBe(0);
    expect(bus.find(0x20fc, 4)).toBe(second);
    expect(bus.find(0x2100, 1)).toBeUndefined();
    expect(bus.find(2 ** 52, 8)).toBeUndefined();
  });

  it('faults on accesses that cross the end of a device', () => {
    const { bus, first } = twoDevices();
    expect(bus.read(0x1ffe, 4)).toBe(false);
    expect(bus.read(0x1ffc, 8)).toBe(false);
    expect(bus.write(0x20fc, 8, 0, 0)).toBe(false);
    expect(first.log).toEqual([]);
  });

  it('splits 8-byte accesses, low half first', () => {
    const { bus, first } = twoDevices();
    expect(bus.read(0x1008, 8)).toBe(true);
    expect([bus.low, bus.high]).toEqual([0x80000008, 0x8000000c]);
    expect(bus.write(0x1008, 8, 1, 2)).toBe(true);
    expect(bus.read(0x1003, 2)).toBe(true);
    expect([bus.low, bus.high]).toEqual([0x80000003, 0]);
    expect(first.log).toEqual(['read 8 4', 'read 12 4', 'write 8 4 1', 'write 12 4 2', 'read 3 2']);
  });

  it('refuses overlapping devices', () => {
    const { bus } = twoDevices();
    expect(() => bus.add(0x1fff, new Probe('third', 2))).toThrow(/overlap/);
    expect(() => bus.add(-4, new Probe('fourth', 4))).toThrow(/cannot be/);
    expect(bus.devices.map(({ base }) => base)).toEqual([0x1000, 0x2000]);
  });
});
