import { describe, expect, it } from 'vitest';
import { VirtioEntropy } from '../../src/device/virtio/entropy/virtio-entropy.ts';
import { VirtioMmio } from '../../src/device/virtio/mmio/virtio-mmio.ts';
import { ArrayGuestMemory, RAM_BASE } from './array-guest-memory.ts';
import { EntropyDouble, LineDouble } from './doubles.ts';
import { MmioDriver, QueueDriver, VERSION_1 } from './virtio-driver.ts';

const DATA = RAM_BASE + 0x1_0000n;

function entropyBoard() {
  const memory = new ArrayGuestMemory(1 << 18);
  const line = new LineDouble();
  const device = new VirtioEntropy({ name: 'entropy', entropy: new EntropyDouble() });
  const mmio = new VirtioMmio({ name: 'virtio0', memory, line, device });
  const driver = new MmioDriver(mmio);
  const queue = new QueueDriver(memory, RAM_BASE, 16, false);
  driver.negotiate(VERSION_1);
  driver.setQueue(0, 16, queue.areas);
  driver.driverOk();
  return { memory, line, mmio, driver, queue };
}

describe('virtio entropy', () => {
  it('fills buffers in order, across frames', () => {
    const { memory, line, driver, queue } = entropyBoard();
    queue.add(
      [],
      [
        { address: DATA + 4094n, length: 4 },
        { address: DATA, length: 2 },
      ],
    );
    queue.add([], [{ address: DATA + 16n, length: 1 }]);
    driver.notify(0);
    expect(memory.copyOut(DATA + 4094n, 4)).toEqual(Uint8Array.of(1, 2, 3, 4));
    expect(memory.copyOut(DATA, 2)).toEqual(Uint8Array.of(5, 6));
    expect(memory.copyOut(DATA + 16n, 1)).toEqual(Uint8Array.of(7));
    expect(queue.takeUsed().map(({ length }) => length)).toEqual([6, 1]);
    expect(line.level).toBe(true);
  });

  it('gives at most 4096 bytes per buffer', () => {
    const { memory, driver, queue } = entropyBoard();
    queue.add([], [{ address: DATA, length: 5000 }]);
    driver.notify(0);
    expect(queue.takeUsed()[0]!.length).toBe(4096);
    expect(memory.copyOut(DATA + 4096n, 2)).toEqual(Uint8Array.of(0, 0));
  });

  it('gives back buffers that have no room', () => {
    const { driver, queue } = entropyBoard();
    queue.add([{ address: DATA, length: 8 }], []);
    queue.add([], [{ address: DATA, length: 0 }]);
    driver.notify(0);
    expect(queue.takeUsed().map(({ length }) => length)).toEqual([0, 0]);
    expect(driver.status).toBe(0xf);
  });

  it('has an empty configuration space and no features of its own', () => {
    const { mmio, driver } = entropyBoard();
    expect(driver.offered() & 0xff_ffffn).toBe(0n);
    mmio.write(0x100, 4, 5);
    expect(mmio.read(0x100, 4)).toBe(0);
  });
});
