import { describe, expect, it } from 'vitest';
import { CONSOLE_RECEIVE_QUEUE_BYTES, VirtioConsole } from '../../src/device/virtio/console/virtio-console.ts';
import { VirtioMmio } from '../../src/device/virtio/mmio/virtio-mmio.ts';
import { ArrayGuestMemory, RAM_BASE } from './array-guest-memory.ts';
import { damagedStates, LineDouble } from './doubles.ts';
import { MmioDriver, QueueDriver, VERSION_1 } from './virtio-driver.ts';

const F_SIZE = 0;
const DATA = RAM_BASE + 0x1_0000n;

function consoleBoard(features: number[] = [F_SIZE]) {
  const memory = new ArrayGuestMemory(1 << 18);
  const line = new LineDouble();
  const sent: number[] = [];
  const device = new VirtioConsole({
    name: 'console',
    transmit: (bytes) => sent.push(...bytes),
    columns: 80,
    rows: 25,
  });
  const mmio = new VirtioMmio({ name: 'virtio0', memory, line, device });
  const driver = new MmioDriver(mmio);
  const receive = new QueueDriver(memory, RAM_BASE, 16, false);
  const transmit = new QueueDriver(memory, RAM_BASE + 0x8000n, 16, false);
  driver.negotiate(VERSION_1, ...features);
  driver.setQueue(0, 16, receive.areas);
  driver.setQueue(1, 16, transmit.areas);
  return { memory, line, sent, device, mmio, driver, receive, transmit };
}

const bytes = (text: string) => Uint8Array.from(text, (letter) => letter.charCodeAt(0));

describe('virtio console', () => {
  it('sends what the guest gives, in any pieces', () => {
    const { memory, line, sent, driver, transmit } = consoleBoard();
    driver.driverOk();
    memory.copyIn(DATA, bytes('hello, world'));
    transmit.add(
      [
        { address: DATA, length: 5 },
        { address: DATA + 5n, length: 7 },
      ],
      [],
    );
    driver.notify(1);
    expect(Uint8Array.from(sent)).toEqual(bytes('hello, world'));
    expect(transmit.takeUsed()).toEqual([{ head: 0, length: 0 }]);
    expect(line.level).toBe(true);
  });

  it('keeps what arrives until the guest has buffers', () => {
    const { memory, device, driver, receive } = consoleBoard();
    expect(device.receive(bytes('before the driver, '))).toBe(19);
    driver.driverOk();
    expect(device.receive(bytes('and after it'))).toBe(12);
    expect(device.receiveSpace).toBe(CONSOLE_RECEIVE_QUEUE_BYTES - 31);
    receive.add(
      [],
      [
        { address: DATA, length: 4 },
        { address: DATA + 4n, length: 16 },
      ],
    );
    receive.add([], [{ address: DATA + 20n, length: 100 }]);
    receive.add([], [{ address: DATA + 0x100n, length: 100 }]);
    driver.notify(0);
    expect(receive.takeUsed()).toEqual([
      { head: 0, length: 20 },
      { head: 2, length: 11 },
    ]);
    expect(memory.copyOut(DATA, 31)).toEqual(bytes('before the driver, and after it'));
    expect(device.receive(bytes('!'))).toBe(1);
    expect(receive.takeUsed()).toEqual([{ head: 3, length: 1 }]);
    expect(device.receiveSpace).toBe(CONSOLE_RECEIVE_QUEUE_BYTES);
  });

  it('takes no more than it can keep', () => {
    const { device } = consoleBoard();
    expect(device.receive(new Uint8Array(CONSOLE_RECEIVE_QUEUE_BYTES + 5))).toBe(CONSOLE_RECEIVE_QUEUE_BYTES);
    expect(device.receive(Uint8Array.of(1))).toBe(0);
  });

  it('tells of another size', () => {
    const { mmio, device, driver, line } = consoleBoard();
    driver.driverOk();
    expect([mmio.read(0x100, 2), mmio.read(0x102, 2), mmio.read(0x103, 1)]).toEqual([80, 25, 0]);
    const generation = driver.get(0xfc);
    device.resize(80, 25);
    expect(line.level).toBe(false);
    device.resize(132, 50);
    expect(driver.get(0x60)).toBe(2);
    expect(driver.get(0xfc)).not.toBe(generation);
    expect(driver.get(0x100)).toBe(132 | (50 << 16));
    expect(() => device.resize(-1, 5)).toThrow(/cannot have/);
    expect(() => device.resize(1, 70_000)).toThrow(/cannot have/);
  });

  it('does not tell a driver that has not asked', () => {
    const { device, driver, line } = consoleBoard([]);
    driver.driverOk();
    device.resize(132, 50);
    expect(line.level).toBe(false);
  });

  it('writes emergency characters before it is set up', () => {
    const { mmio, sent } = consoleBoard();
    mmio.reset();
    mmio.write(0x108, 4, 0x141);
    mmio.write(0x108, 1, 0x42);
    mmio.write(0x104, 4, 0x43);
    expect(sent).toEqual([0x41, 0x42]);
    expect(mmio.read(0x108, 4)).toBe(0);
  });

  it('saves, restores and resets', () => {
    const one = consoleBoard();
    one.device.receive(bytes('waiting'));
    one.device.resize(100, 40);
    const other = consoleBoard();
    other.device.restore(structuredClone(one.device.save()));
    expect(other.device.save()).toEqual(one.device.save());
    for (const state of damagedStates(one.device.save())) expect(() => other.device.restore(state)).toThrow(/damaged/);
    expect(other.device.save()).toEqual(one.device.save());
    other.device.reset();
    expect(other.device.receiveSpace).toBe(CONSOLE_RECEIVE_QUEUE_BYTES);
  });
});
