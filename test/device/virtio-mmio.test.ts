import { describe, expect, it } from 'vitest';
import { VirtioEntropy } from '../../src/device/virtio/entropy/virtio-entropy.ts';
import { EmptyVirtioSlots } from '../../src/device/virtio/mmio/empty-slots.ts';
import { VirtioMmio } from '../../src/device/virtio/mmio/virtio-mmio.ts';
import { ArrayGuestMemory, RAM_BASE } from './array-guest-memory.ts';
import { damagedStates, EntropyDouble, LineDouble } from './doubles.ts';
import { EVENT_IDX, INDIRECT, MmioDriver, QueueDriver, VERSION_1 } from './virtio-driver.ts';

const QUEUE_BASE = RAM_BASE + 0x1000n;
const DATA = RAM_BASE + 0x8000n;

function slot() {
  const memory = new ArrayGuestMemory(1 << 16);
  const line = new LineDouble();
  const device = new VirtioEntropy({ name: 'entropy', entropy: new EntropyDouble() });
  const mmio = new VirtioMmio({ name: 'virtio0', memory, line, device });
  return { memory, line, mmio, driver: new MmioDriver(mmio), queue: new QueueDriver(memory, QUEUE_BASE, 8, false) };
}

function running() {
  const board = slot();
  board.driver.negotiate(VERSION_1);
  board.driver.setQueue(0, 8, board.queue.areas);
  board.driver.driverOk();
  return board;
}

describe('virtio-mmio registers', () => {
  it('identifies itself', () => {
    const { driver } = slot();
    expect([0x0, 0x4, 0x8, 0xc].map((offset) => driver.get(offset))).toEqual([0x74726976, 2, 4, 0x554d4551]);
    const bit = (number: number) => 1n << BigInt(number);
    expect(driver.offered()).toBe(bit(VERSION_1) | bit(EVENT_IDX) | bit(INDIRECT));
    driver.set(0x14, 2);
    expect(driver.get(0x10)).toBe(0);
  });

  it('shows an empty slot as device 0', () => {
    const empty = new EmptyVirtioSlots(1);
    const driver = new MmioDriver(empty);
    expect([0x0, 0x4, 0x8, 0xc].map((offset) => driver.get(offset))).toEqual([0x74726976, 2, 0, 0x554d4551]);
    expect([0x10, 0x34, 0x70, 0x100, 0xffc].map((offset) => driver.get(offset))).toEqual([0, 0, 0, 0, 0]);
    expect(empty.read(0, 1)).toBe(0);
    driver.set(0x70, 1);
    expect(driver.get(0x70)).toBe(0);
    empty.restore(empty.save());
    expect(() => empty.restore(1)).toThrow(/damaged/);
  });

  it('ignores accesses of other widths below the configuration space', () => {
    const { mmio, driver } = slot();
    for (const [offset, width] of [
      [0, 1],
      [0, 2],
      [1, 4],
      [0x72, 2],
      [0x70, 1],
    ] as const) {
      expect(mmio.read(offset, width)).toBe(0);
      mmio.write(offset, width, 1);
    }
    expect(driver.status).toBe(0);
  });

  it('refuses features that it has not offered, and takes a second attempt', () => {
    const { driver } = slot();
    driver.negotiate(VERSION_1, 27);
    expect(driver.status).toBe(3);
    driver.accept(1n << 32n);
    driver.set(0x70, 0xb);
    expect(driver.status).toBe(0xb);
  });

  it('fixes features at FEATURES_OK', () => {
    const { driver, mmio } = slot();
    driver.negotiate(VERSION_1);
    driver.accept(1n << 28n);
    driver.driverOk();
    expect(mmio.hasFeature(VERSION_1)).toBe(true);
    expect(mmio.hasFeature(INDIRECT)).toBe(false);
  });

  it('keeps status bits until a reset, and lets the driver neither set nor clear DEVICE_NEEDS_RESET', () => {
    const { driver, mmio } = running();
    driver.set(0x70, 0x40);
    expect(driver.status).toBe(0xf);
    driver.set(0x70, 1);
    expect(driver.status).toBe(0xf);
    driver.set(0x70, 0x8f);
    expect(driver.status).toBe(0x8f);
    mmio.fail('a test');
    mmio.fail('another test');
    expect(mmio.failure).toBe('a test');
    driver.set(0x70, 0xf);
    expect(driver.status).toBe(0xcf);
    driver.set(0x70, 0x100);
    expect(driver.status).toBe(0);
    expect(mmio.failure).toBeUndefined();
  });

  it('says 1024 for the queue that exists and 0 for others', () => {
    const { driver } = slot();
    for (const [queue, expected] of [
      [0, 1024],
      [1, 0],
      [0xffff_ffff, 0],
    ] as const) {
      driver.set(0x30, queue);
      expect(driver.get(0x34)).toBe(expected);
      driver.set(0x44, 1);
      expect(driver.get(0x44)).toBe(0);
    }
    driver.notify(1);
    driver.notify(0xffff_ffff);
  });

  it.each([0, 3, 1025, 2048, 32768, 0x8000_0000, 0xffff_ffff])('does not make a queue of size %i ready', (size) => {
    const { driver, queue } = slot();
    driver.negotiate(VERSION_1);
    driver.setQueue(0, size, queue.areas);
    expect(driver.get(0x44)).toBe(0);
    driver.driverOk();
    driver.notify(0);
    expect(driver.status).toBe(0xf);
  });

  it('ignores changes of a queue that is ready', () => {
    const { driver, queue } = running();
    driver.set(0x38, 4);
    driver.set(0x80, 0);
    driver.set(0x94, 7);
    queue.add([], [{ address: DATA, length: 8 }]);
    driver.notify(0);
    expect(queue.takeUsed()).toEqual([{ head: 0, length: 8 }]);
  });

  it('stops a queue and starts it from the beginning', () => {
    const { memory, driver, queue } = running();
    queue.add([], [{ address: DATA, length: 8 }]);
    driver.notify(0);
    driver.set(0x44, 0);
    expect(driver.get(0x44)).toBe(0);
    driver.notify(0);
    const again = new QueueDriver(memory, QUEUE_BASE, 8, false);
    driver.set(0x44, 1);
    again.add([], [{ address: DATA, length: 4 }]);
    driver.notify(0);
    expect(again.takeUsed()).toEqual([{ head: 0, length: 4 }]);
  });

  it('uses no buffer before DRIVER_OK, and looks at the queues then', () => {
    const { driver, queue } = slot();
    driver.negotiate(VERSION_1);
    driver.setQueue(0, 8, queue.areas);
    queue.add([], [{ address: DATA, length: 8 }]);
    driver.notify(0);
    expect(queue.takeUsed()).toEqual([]);
    driver.driverOk();
    expect(queue.takeUsed()).toEqual([{ head: 0, length: 8 }]);
  });

  it('serves a driver that does not accept version 1', () => {
    const { driver, queue } = slot();
    driver.negotiate();
    driver.setQueue(0, 8, queue.areas);
    driver.driverOk();
    queue.add([], [{ address: DATA, length: 8 }]);
    driver.notify(0);
    expect(queue.takeUsed().length).toBe(1);
  });

  it('holds the interrupt until it is acknowledged', () => {
    const { line, driver, queue } = running();
    queue.add([], [{ address: DATA, length: 8 }]);
    driver.notify(0);
    expect(line.level).toBe(true);
    expect(driver.get(0x60)).toBe(1);
    driver.set(0x64, 2);
    expect(line.level).toBe(true);
    driver.set(0x64, 0xffff_ffff);
    expect(line.level).toBe(false);
    expect(driver.get(0x60)).toBe(0);
  });

  it('has no shared memory regions', () => {
    const { driver } = slot();
    for (const offset of [0xb0, 0xb4, 0xb8, 0xbc]) expect(driver.get(offset)).toBe(0xffff_ffff);
  });

  it('saves and restores in the middle', () => {
    const one = running();
    one.queue.add([], [{ address: DATA, length: 8 }]);
    one.driver.notify(0);
    const other = slot();
    other.memory.copyIn(RAM_BASE, one.memory.image());
    other.mmio.restore(structuredClone(one.mmio.save()));
    expect(other.mmio.save()).toEqual(one.mmio.save());
    expect(other.line.level).toBe(true);
    for (const board of [one, other]) {
      board.driver.set(0x64, 1);
      board.memory.writeU16(one.queue.areas.driver + 6n, 0);
      board.memory.writeU16(one.queue.areas.driver + 2n, 2);
      board.driver.notify(0);
      expect(board.memory.readU16(one.queue.areas.device + 2n)).toBe(2);
    }
    expect(other.mmio.save()).toEqual(one.mmio.save());
  });

  it('rejects damaged states and keeps its own', () => {
    const { mmio } = running();
    const state = mmio.save() as { [key: string]: never };
    const queue = (state.queues as unknown as { [key: string]: number }[])[0]!;
    const wrong = [
      ...damagedStates(state),
      ...damagedStates(queue).map((damaged) => ({ ...state, queues: [damaged] })),
      { ...state, queues: [] },
      { ...state, deviceId: 2 },
      { ...state, device: { version: null } },
      { ...state, interruptStatus: 4 },
      { ...state, queues: [{ ...queue, size: 3 }] },
      { ...state, queues: [{ ...queue, inUse: 1 }] },
      { ...state, queues: [{ ...queue, ready: false, inUse: 1 }] },
    ];
    for (const damaged of wrong) expect(() => mmio.restore(damaged)).toThrow(/damaged/);
    expect(mmio.save()).toEqual(state);
  });
});
