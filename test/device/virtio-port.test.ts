import { describe, expect, it } from 'vitest';
import { PORT_RECEIVE_QUEUE_BYTES, VirtioPort } from '../../src/device/virtio/console/virtio-port.ts';
import { VirtioMmio } from '../../src/device/virtio/mmio/virtio-mmio.ts';
import { Random } from '../disk/support/random.ts';
import { ArrayGuestMemory, RAM_BASE } from './array-guest-memory.ts';
import { damagedStates, LineDouble } from './doubles.ts';
import { MmioDriver, QueueDriver, VERSION_1 } from './virtio-driver.ts';

const F_MULTIPORT = 1;
const DATA = RAM_BASE + 0x2_0000n;
const [DEVICE_READY, PORT_ADD, PORT_READY, PORT_OPEN, PORT_NAME] = [0, 1, 3, 6, 7] as const;

function portBoard() {
  const memory = new ArrayGuestMemory(1 << 18);
  const sent: number[] = [];
  const opened: boolean[] = [];
  const device = new VirtioPort({
    name: 'port',
    portName: 'org.example.port',
    transmit: (bytes) => sent.push(...bytes),
    opened: (isOpen) => opened.push(isOpen),
  });
  const mmio = new VirtioMmio({ name: 'virtio0', memory, line: new LineDouble(), device });
  const driver = new MmioDriver(mmio);
  const queues = [0, 1, 2, 3, 4, 5].map((i) => new QueueDriver(memory, RAM_BASE + 0x4000n * BigInt(i), 16, false));
  driver.negotiate(VERSION_1, F_MULTIPORT);
  queues.forEach((queue, i) => {
    driver.setQueue(i, 16, queue.areas);
  });
  driver.driverOk();
  return { memory, sent, opened, device, mmio, driver, queues };
}

type PortBoard = ReturnType<typeof portBoard>;

/** struct virtio_console_control (virtio 1.2, 5.3.6.2). */
function control({ memory, driver, queues }: PortBoard, id: number, event: number, value: number): void {
  const message = new Uint8Array(8);
  const view = new DataView(message.buffer);
  view.setUint32(0, id, true);
  view.setUint16(4, event, true);
  view.setUint16(6, value, true);
  memory.copyIn(DATA, message);
  queues[3]!.add([{ address: DATA, length: 8 }], []);
  driver.notify(3);
  queues[3]!.takeUsed();
}

/** What the device says in so many buffers that it is given. */
function heard({ memory, driver, queues }: PortBoard, buffers: number) {
  for (let i = 0; i < buffers; i++)
    queues[2]!.add([], [{ address: DATA + 0x1000n + BigInt(i * 0x100), length: 0x100 }]);
  driver.notify(2);
  return queues[2]!.takeUsed().map(({ length }, i) => {
    const bytes = memory.copyOut(DATA + 0x1000n + BigInt(i * 0x100), length)!;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const name = new TextDecoder().decode(bytes.subarray(8));
    return [view.getUint32(0, true), view.getUint16(4, true), view.getUint16(6, true), name];
  });
}

function openPort(board: PortBoard): void {
  control(board, 0, DEVICE_READY, 1);
  control(board, 1, PORT_READY, 1);
  heard(board, 3);
  control(board, 1, PORT_OPEN, 1);
}

describe('virtio port', () => {
  it('offers one port by its name, with queues that a driver does not fill with megabytes', () => {
    const board = portBoard();
    expect(board.mmio.read(0x100 + 4, 4)).toBe(2);
    board.driver.set(0x30, 4);
    expect(board.driver.get(0x34)).toBe(32);
    control(board, 0, DEVICE_READY, 1);
    expect(heard(board, 1)).toEqual([[1, PORT_ADD, 1, '']]);
    control(board, 1, PORT_READY, 1);
    expect(heard(board, 2)).toEqual([
      [1, PORT_NAME, 1, 'org.example.port'],
      [1, PORT_OPEN, 1, ''],
    ]);
  });

  it('carries bytes while a program has it open, and drops them when none has', () => {
    const board = portBoard();
    const { device, memory, driver, queues, sent, opened } = board;
    expect(device.receive(Uint8Array.of(1, 2, 3))).toBe(3);
    expect(device.receiveSpace).toBe(PORT_RECEIVE_QUEUE_BYTES);
    openPort(board);
    expect(opened).toEqual([true]);
    expect(device.receive(Uint8Array.of(4, 5, 6))).toBe(3);
    queues[4]!.add([], [{ address: DATA, length: 2 }]);
    driver.notify(4);
    expect(queues[4]!.takeUsed()).toEqual([{ head: 0, length: 2 }]);
    expect([...memory.copyOut(DATA, 2)!]).toEqual([4, 5]);
    memory.copyIn(DATA, Uint8Array.of(7, 8));
    queues[5]!.add([{ address: DATA, length: 2 }], []);
    driver.notify(5);
    expect(sent).toEqual([7, 8]);
    control(board, 1, PORT_OPEN, 0);
    expect(opened).toEqual([true, false]);
    expect(device.receiveSpace).toBe(PORT_RECEIVE_QUEUE_BYTES);
  });

  it('tells of the end of a program also by a reset of the device', () => {
    const board = portBoard();
    openPort(board);
    board.driver.set(0x70, 0);
    expect(board.opened).toEqual([true, false]);
    expect(board.device.isOpen).toBe(false);
  });

  it('goes on from its saved state, and refuses damaged ones', () => {
    const board = portBoard();
    openPort(board);
    board.device.receive(Uint8Array.of(1, 2, 3));
    control(board, 0, DEVICE_READY, 1);
    const state = board.device.save();
    const other = portBoard();
    other.device.restore(state);
    expect(other.device.isOpen).toBe(true);
    expect(other.device.save()).toEqual(state);
    for (const damaged of damagedStates(state)) {
      expect(() => portBoard().device.restore(damaged)).toThrow(expect.objectContaining({ code: 'damaged' }));
    }
  });

  it('keeps a bounded number of control messages for a driver that takes none', () => {
    const board = portBoard();
    for (let i = 0; i < 100; i++) control(board, 0, DEVICE_READY, 1);
    expect((board.device.save() as { control: unknown[] }).control).toHaveLength(16);
  });

  it.each([1, 2, 3])('never throws, whatever the driver says, seed %i', (seed) => {
    const random = new Random(seed);
    const board = portBoard();
    for (let i = 0; i < 500; i++) {
      if (random.chance(50)) control(board, random.below(3), random.below(9), random.below(3));
      else board.driver.notify(random.below(8));
      board.device.receive(random.bytes(random.below(100)));
    }
    expect(board.device.receiveSpace).toBeGreaterThanOrEqual(0);
  });
});
