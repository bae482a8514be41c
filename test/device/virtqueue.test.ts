import { describe, expect, it } from 'vitest';
import { VirtioMmio } from '../../src/device/virtio/mmio/virtio-mmio.ts';
import type { DescriptorChain } from '../../src/device/virtio/queue/descriptor-chain.ts';
import { gather, scatter } from '../../src/device/virtio/queue/ranges.ts';
import type { VirtioFunction, VirtioTransport } from '../../src/device/virtio/transport.ts';
import type { PlainData } from '../../src/state/plain-data.ts';
import { ArrayGuestMemory, RAM_BASE } from './array-guest-memory.ts';
import { forSeeds, LineDouble, type Random } from './doubles.ts';
import { EVENT_IDX, INDIRECT, MmioDriver, type Piece, QueueDriver, VERSION_1 } from './virtio-driver.ts';

/** Gives every buffer back with its readable bytes, each plus one, in its writable part. */
class EchoFunction implements VirtioFunction {
  readonly name = 'echo';
  readonly deviceId = 42;
  readonly features = 0n;
  readonly queues = [{ chainBytesMaximum: 1 << 20 }];
  transport!: VirtioTransport;
  taken = 0;
  notifications = 0;
  /** Keep buffers back until `flush`, and then return them in another order. */
  lazy = false;
  readonly held: { head: number; reply: Uint8Array; chain: DescriptorChain }[] = [];

  connect(transport: VirtioTransport): void {
    this.transport = transport;
  }
  readConfiguration(): number {
    return 0;
  }
  writeConfiguration(): void {}
  notify(): void {
    this.notifications++;
    this.transport.queue(0).drain((chain) => this.#take(chain));
    if (!this.lazy) this.flush();
  }
  flush(): void {
    for (const { head, reply } of this.held.splice(0).reverse()) this.transport.queue(0).push(head, reply.length);
    this.transport.signalUsed(0);
  }
  queueStopped(): void {
    this.held.length = 0;
  }
  reset(): void {
    this.held.length = 0;
  }
  save(): PlainData {
    return {};
  }
  restore(): void {}

  #take(chain: DescriptorChain): void {
    this.taken++;
    const { memory } = this.transport;
    const data = new Uint8Array(chain.readableLength);
    expect(gather(memory, chain.readable, data)).toBe(data.length);
    const reply = data.map((byte) => byte + 1).subarray(0, chain.writableLength);
    expect(scatter(memory, chain.writable, [reply.subarray(0, 3), reply.subarray(3)])).toBe(reply.length);
    this.held.push({ head: chain.head, reply, chain });
  }
}

const QUEUE_BASE = RAM_BASE + 0x1010n;
const DATA_BASE = RAM_BASE + 0x8_0000n;

function echoBoard(size: number, features: readonly number[]) {
  const memory = new ArrayGuestMemory(1 << 20);
  const line = new LineDouble();
  const device = new EchoFunction();
  const mmio = new VirtioMmio({ name: 'virtio0', memory, line, device });
  const driver = new MmioDriver(mmio);
  const queue = new QueueDriver(memory, QUEUE_BASE, size, features.includes(EVENT_IDX));
  driver.negotiate(VERSION_1, ...features);
  driver.setQueue(0, size, queue.areas);
  driver.driverOk();
  expect(driver.status).toBe(0xf);
  return { memory, line, device, mmio, driver, queue };
}

/** Some pieces of guest memory that add up to a length, zero-length ones among them. */
function pieces(random: Random, at: bigint, length: number, countMaximum: number): Piece[] {
  const list: Piece[] = [];
  let address = at;
  let left = length;
  while (left > 0) {
    const last = list.length === countMaximum - 1;
    const taken = last ? left : random.below(left + 1);
    list.push({ address, length: taken });
    address += BigInt(taken + random.below(8));
    left -= taken;
  }
  return list;
}

function write(memory: ArrayGuestMemory, list: readonly Piece[], data: Uint8Array): void {
  let done = 0;
  for (const { address, length } of list) {
    memory.copyIn(address, data.subarray(done, done + length));
    done += length;
  }
}

/** Vitest's own comparison takes milliseconds for some hundred bytes. */
function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}

function read(memory: ArrayGuestMemory, list: readonly Piece[]): Uint8Array {
  return Uint8Array.from(list.flatMap(({ address, length }) => [...memory.copyOut(address, length)!]));
}

describe('split virtqueue', { timeout: 60_000 }, () => {
  it.each([
    ['flags', []],
    ['event index', [EVENT_IDX]],
    ['indirect', [INDIRECT]],
    ['indirect and event index', [INDIRECT, EVENT_IDX]],
  ])('carries random buffers and loses no notification: %s', (_, features) => {
    forSeeds(6, (random) => {
      const size = random.pick([2, 8, 64, 256]);
      const piecesMaximum = Math.min(3, size / 2);
      const { memory, line, device, driver, queue } = echoBoard(size, features);
      const expected = new Map<number, { writable: Piece[]; reply: Uint8Array }>();
      let done = 0;
      let added = 0;
      // The driver looks at the used ring only when it is interrupted, and kicks only when it is asked to.
      const serviceInterrupts = (): void => {
        while (line.level) {
          driver.set(0x64, driver.get(0x60));
          queue.askForInterrupt(false);
          const seen = (): void => {
            for (const { head, length } of queue.takeUsed()) {
              const { writable, reply } = expected.get(head)!;
              expect(length).toBe(reply.length);
              expect(sameBytes(read(memory, writable).subarray(0, length), reply)).toBe(true);
              expected.delete(head);
              done++;
            }
          };
          seen();
          queue.askForInterrupt(true);
          seen();
        }
      };
      queue.askForInterrupt(true);
      for (let step = 0; step < 300; step++) {
        device.lazy = random.chance(2);
        for (let burst = random.below(4); burst >= 0; burst--) {
          const slot = DATA_BASE + BigInt((added % 64) * 0x1000);
          const readable = pieces(random, slot + BigInt(random.below(32)), random.below(600), piecesMaximum);
          const writable = pieces(
            random,
            slot + 0x800n + BigInt(random.below(32)),
            1 + random.below(600),
            piecesMaximum,
          );
          const count = readable.length + writable.length;
          const indirect = features.includes(INDIRECT) && random.chance(2) ? random.below(count) : undefined;
          const needed = indirect === undefined ? count : indirect + 1;
          if (needed > queue.freeDescriptors || queue.outstanding >= 60) break;
          const data = random.bytes(readable.reduce((sum, { length }) => sum + length, 0));
          write(memory, readable, data);
          const room = writable.reduce((sum, { length }) => sum + length, 0);
          const head = queue.add(readable, writable, indirect);
          expected.set(head, { writable, reply: data.map((byte) => byte + 1).subarray(0, room) });
          added++;
        }
        if (random.chance(4)) memory.share();
        if (queue.needsKick()) driver.notify(0);
        if (random.chance(2)) device.flush();
        serviceInterrupts();
      }
      device.flush();
      serviceInterrupts();
      expect(driver.status).toBe(0xf);
      expect(device.taken).toBe(added);
      expect(done).toBe(added);
      expect(added).toBeGreaterThan(50);
    });
  });

  it('counts past 65535', () => {
    const { line, device, driver, queue } = echoBoard(4, [EVENT_IDX]);
    const piece = [{ address: DATA_BASE, length: 1 }];
    queue.askForInterrupt(true);
    let done = 0;
    for (let count = 0; count < 66_000; count++) {
      queue.add([], piece);
      if (!queue.needsKick()) throw new Error(`no kick wanted at ${count}`);
      driver.notify(0);
      if (!line.level) throw new Error(`no interrupt at ${count}`);
      driver.set(0x64, 1);
      done += queue.takeUsed().length;
      queue.askForInterrupt(true);
    }
    expect(done).toBe(66_000);
    expect(device.taken).toBe(66_000);
  });

  it('holds notifications back as the driver asks, by flag and by index', () => {
    for (const features of [[], [EVENT_IDX]]) {
      const { memory, line, driver, queue } = echoBoard(8, features);
      const piece = [{ address: DATA_BASE, length: 1 }];
      queue.askForInterrupt(false);
      queue.add([], piece);
      driver.notify(0);
      expect(line.level).toBe(false);
      if (features.length > 0) {
        // Interrupt only when the fourth buffer is back.
        memory.writeU16(queue.areas.driver + BigInt(4 + 2 * 8), 3);
        for (const expected of [false, false, true]) {
          queue.add([], piece);
          driver.notify(0);
          expect(line.level).toBe(expected);
        }
      }
    }
  });

  it('gives the longest chain that a queue of 1024 can hold', () => {
    const { device, driver, queue } = echoBoard(1024, []);
    const writable = Array.from({ length: 1024 }, (_, index) => ({ address: DATA_BASE + BigInt(index), length: 1 }));
    queue.add([], writable);
    driver.notify(0);
    expect(device.taken).toBe(1);
    expect(driver.status).toBe(0xf);
  });

  it('resolves readable bytes after it has made writable ones of the same frame private', () => {
    const { memory, device, driver, queue } = echoBoard(8, []);
    memory.copyIn(DATA_BASE, Uint8Array.of(1, 2, 3));
    memory.share();
    queue.add([{ address: DATA_BASE, length: 3 }], [{ address: DATA_BASE + 16n, length: 3 }]);
    memory.share();
    driver.notify(0);
    expect(device.taken).toBe(1);
    expect(memory.copyOut(DATA_BASE + 16n, 3)).toEqual(Uint8Array.of(2, 3, 4));
  });
});

describe('hostile virtqueues', { timeout: 60_000 }, () => {
  const GOOD = { address: DATA_BASE, length: 16, flags: 0 };

  /** Runs what a driver does wrong and expects the device to ask for a reset, to stay silent, and to recover. */
  function expectNeedsReset(
    features: readonly number[],
    spoil: (board: ReturnType<typeof echoBoard>) => void,
    reason: RegExp,
  ): void {
    const board = echoBoard(8, features);
    spoil(board);
    board.driver.notify(0);
    expect(board.mmio.failure).toMatch(reason);
    expect(board.driver.status).toBe(0x4f);
    expect(board.driver.get(0x60) & 2).toBe(2);
    expect(board.line.level).toBe(true);
    const taken = board.device.taken;
    board.driver.notify(0);
    board.device.flush();
    expect(board.device.taken).toBe(taken);
    board.device.lazy = false;
    board.driver.set(0x70, 0);
    expect(board.driver.status).toBe(0);
    expect(board.line.level).toBe(false);
    const again = new QueueDriver(board.memory, QUEUE_BASE, 8, false);
    board.driver.negotiate(VERSION_1);
    board.driver.setQueue(0, 8, again.areas);
    board.driver.driverOk();
    again.add([], [{ address: DATA_BASE, length: 4 }]);
    board.driver.notify(0);
    expect(again.takeUsed().length).toBe(1);
  }

  it('descriptor loops', () => {
    expectNeedsReset(
      [],
      ({ queue }) => {
        queue.writeDescriptor(0, { ...GOOD, length: 1, flags: 1 }, 1);
        queue.writeDescriptor(1, { ...GOOD, length: 1, flags: 1 }, 0);
        queue.publish(0);
      },
      /loop or too long/,
    );
    expectNeedsReset(
      [],
      ({ queue }) => {
        queue.writeDescriptor(3, { ...GOOD, length: 0, flags: 1 }, 3);
        queue.publish(3);
      },
      /loop or too long/,
    );
  });

  it('indices past the end of the table', () => {
    expectNeedsReset([], ({ queue }) => queue.publish(8), /past the end/);
    expectNeedsReset([], ({ queue }) => queue.publish(0xffff), /past the end/);
    expectNeedsReset(
      [],
      ({ queue }) => {
        queue.writeDescriptor(0, { ...GOOD, flags: 1 }, 8);
        queue.publish(0);
      },
      /past the end/,
    );
  });

  it.each([
    ['below RAM', 0x1000n, 16],
    ['null', 0n, 1],
    ['a device register', 0x1000_1000n, 4],
    ['past the end of RAM', RAM_BASE + BigInt((1 << 20) - 8), 16],
    ['just past the end of RAM', RAM_BASE + BigInt(1 << 20), 1],
    ['64-bit', 0xffff_ffff_ffff_fff8n, 16],
    ['64-bit with RAM in its low half', 0x1_0000_0000n + RAM_BASE, 16],
  ])('buffers that are not in memory: %s', (_, address, length) => {
    for (const flags of [0, 2]) {
      expectNeedsReset(
        [],
        ({ queue }) => {
          queue.writeDescriptor(0, { address, length, flags });
          queue.publish(0);
        },
        /not in memory/,
      );
    }
  });

  it('buffers of 4 GiB', () => {
    expectNeedsReset(
      [],
      ({ queue }) => {
        queue.writeDescriptor(0, { ...GOOD, length: 0xffff_ffff });
        queue.publish(0);
      },
      /too long/,
    );
    expectNeedsReset(
      [INDIRECT],
      ({ queue, memory }) => {
        for (let index = 0; index < 64; index++) {
          const at = DATA_BASE + BigInt(16 * index);
          memory.writeU64(at, DATA_BASE);
          memory.writeU32(at + 8n, 1 << 19);
          memory.writeU16(at + 12n, 3);
          memory.writeU16(at + 14n, index + 1);
        }
        queue.writeDescriptor(0, { address: DATA_BASE, length: 16 * 64, flags: 4 });
        queue.publish(0);
      },
      /too long/,
    );
  });

  it('a readable descriptor after a writable one', () => {
    expectNeedsReset(
      [],
      ({ queue }) => {
        queue.writeDescriptor(0, { ...GOOD, flags: 3 }, 1);
        queue.writeDescriptor(1, GOOD);
        queue.publish(0);
      },
      /after a writable/,
    );
  });

  it('wrong indirect descriptors', () => {
    const table =
      (length: number, flags = 4, address = DATA_BASE) =>
      (board: ReturnType<typeof echoBoard>) => {
        board.queue.writeDescriptor(0, { address, length, flags }, 1);
        board.queue.publish(0);
      };
    expectNeedsReset([], table(16), /without VIRTIO_F_INDIRECT_DESC/);
    expectNeedsReset([INDIRECT], table(0), /no whole number/);
    expectNeedsReset([INDIRECT], table(17), /no whole number/);
    expectNeedsReset([INDIRECT], table(16 * 1025), /too long/);
    expectNeedsReset([INDIRECT], table(0xffff_fff0), /too long/);
    expectNeedsReset([INDIRECT], table(16, 5), /with a next/);
    expectNeedsReset([INDIRECT], table(16, 4, 0n), /descriptor is not in memory/);
    expectNeedsReset([INDIRECT], table(32, 4, RAM_BASE + BigInt((1 << 20) - 15)), /descriptor is not in memory/);
    expectNeedsReset(
      [INDIRECT],
      (board) => {
        board.memory.writeU64(DATA_BASE, DATA_BASE);
        board.memory.writeU32(DATA_BASE + 8n, 16);
        board.memory.writeU16(DATA_BASE + 12n, 4);
        table(16)(board);
      },
      /within an indirect/,
    );
    expectNeedsReset(
      [INDIRECT],
      (board) => {
        board.memory.writeU64(DATA_BASE, DATA_BASE);
        board.memory.writeU32(DATA_BASE + 8n, 1);
        board.memory.writeU16(DATA_BASE + 12n, 1);
        table(16)(board);
      },
      /loop or too long/,
    );
  });

  it('an available index that jumps by more than the queue size', () => {
    for (const index of [9, 0x8000, 0xffff]) {
      expectNeedsReset([], ({ queue, memory }) => memory.writeU16(queue.areas.driver + 2n, index), /has jumped/);
    }
  });

  it('more buffers in use than entries', () => {
    expectNeedsReset(
      [],
      ({ queue, device, driver }) => {
        device.lazy = true;
        queue.writeDescriptor(0, GOOD);
        for (let count = 0; count < 8; count++) queue.publish(0);
        driver.notify(0);
        queue.publish(0);
      },
      /more buffers are in use/,
    );
  });

  it.each([
    ['descriptors', /descriptor is not in memory/],
    ['driver', /available ring is not in memory/],
    ['device', /used ring is not in memory/],
  ])('rings that are not in memory: %s', (area, reason) => {
    for (const address of [0n, RAM_BASE - 4n, 0xffff_ffff_ffff_fff0n, RAM_BASE + BigInt(1 << 20)]) {
      const board = echoBoard(8, []);
      board.driver.negotiate(VERSION_1);
      board.driver.setQueue(0, 8, { ...board.queue.areas, [area]: address });
      board.driver.driverOk();
      board.queue.add([], [{ address: DATA_BASE, length: 4 }]);
      board.driver.notify(0);
      expect(board.mmio.failure).toMatch(reason);
      expect(board.driver.status).toBe(0x4f);
    }
  });

  it('random descriptor tables never throw and never reach outside memory', () => {
    forSeeds(60, (random) => {
      const size = random.pick([1, 4, 16]);
      const board = echoBoard(size, random.pick([[], [INDIRECT], [EVENT_IDX], [INDIRECT, EVENT_IDX]]));
      const outside = board.memory.bytes.length;
      for (let round = 0; round < 20; round++) {
        const length = QueueDriver.bytesFor(size) - size * 16 * 64;
        for (let count = random.below(24); count >= 0; count--) {
          const at = QUEUE_BASE + BigInt(random.below(length));
          const value = random.pick([random.u32(), random.below(16), 0x8000_0000 + random.below(1 << 20), 0]);
          board.memory.writeU32(at, value);
        }
        if (random.chance(2)) board.memory.writeU16(board.queue.areas.driver + 2n, random.below(70_000));
        board.driver.notify(0);
        board.device.lazy = random.chance(2);
        for (const { chain } of board.device.held) {
          for (const span of [...chain.readable, ...chain.writable]) {
            expect(span.offset + span.length).toBeLessThanOrEqual(outside);
          }
        }
        board.device.flush();
        if ((board.driver.status & 0x40) === 0) continue;
        board.driver.negotiate(VERSION_1, INDIRECT);
        board.driver.setQueue(0, size, board.queue.areas);
        board.driver.driverOk();
      }
    });
  });

  it('rings that overlap each other or their buffers come to an end', () => {
    forSeeds(40, (random) => {
      const board = echoBoard(4, []);
      const near = () => QUEUE_BASE + BigInt(random.below(128));
      board.driver.negotiate(VERSION_1, ...random.pick([[], [EVENT_IDX], [INDIRECT]]));
      board.driver.setQueue(0, random.pick([1, 2, 4]), { descriptors: near(), driver: near(), device: near() });
      board.driver.driverOk();
      for (let round = 0; round < 30; round++) {
        board.memory.writeU64(near(), near());
        board.memory.writeU32(near(), random.below(64));
        board.memory.writeU16(near(), random.below(8));
        board.driver.notify(0);
      }
    });
  });
});
