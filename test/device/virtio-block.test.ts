import { describe, expect, it } from 'vitest';
import type { BlockCompletion, BlockSubmission } from '../../src/device/virtio/block/backend.ts';
import { VirtioBlock } from '../../src/device/virtio/block/virtio-block.ts';
import { VirtioMmio } from '../../src/device/virtio/mmio/virtio-mmio.ts';
import { ArrayGuestMemory, RAM_BASE } from './array-guest-memory.ts';
import { damagedStates, forSeeds, LineDouble, type Random } from './doubles.ts';
import { EVENT_IDX, INDIRECT, MmioDriver, type Piece, QueueDriver, VERSION_1 } from './virtio-driver.ts';

const SECTOR = 512;
const QUEUE_BASE = RAM_BASE + 0x1000n;
/** Request n has its own 32 KiB from here: header, data, status. */
const SLOTS = RAM_BASE + 0x10_0000n;
const SLOT_BYTES = 0x8000;
const STATUS_AT = 0x7ff0n;

const IN = 0;
const OUT = 1;
const FLUSH = 4;
const GET_ID = 8;
const DISCARD = 11;
const WRITE_ZEROES = 13;

const F_FLUSH = 9;
const F_CONFIG_WCE = 11;

/** A disk that answers when it is told to. A write's data is taken when it is submitted. */
class DiskDouble {
  readonly content: Uint8Array;
  readonly memory: ArrayGuestMemory;
  readonly open: { submission: BlockSubmission; data: Uint8Array }[] = [];
  readonly log: string[] = [];
  fences = 0;

  constructor(memory: ArrayGuestMemory, sizeBytes: number) {
    this.memory = memory;
    this.content = new Uint8Array(sizeBytes);
  }

  submit(submission: BlockSubmission): void {
    let data = new Uint8Array(0);
    if (submission.kind === 'write') {
      data = Uint8Array.from(
        submission.spans.flatMap(({ offset, length }) => [...this.memory.bytes.subarray(offset, offset + length)]),
      );
      expect(data.length).toBe(submission.length);
    }
    this.log.push(submission.kind);
    this.open.push({ submission, data });
  }

  fence(): void {
    this.fences++;
  }

  /** Does the work of one open submission and takes it out. */
  work(index: number): { id: number; completion: BlockCompletion } {
    const [{ submission, data }] = this.open.splice(index, 1) as [{ submission: BlockSubmission; data: Uint8Array }];
    const { id } = submission;
    switch (submission.kind) {
      case 'read': {
        const all = this.content.slice(submission.offset, submission.offset + submission.length);
        const middle = Math.floor(all.length / 3);
        const parts = [all.subarray(0, middle), new Uint8Array(0), all.subarray(middle)];
        return { id, completion: { status: 'ok', data: parts } };
      }
      case 'write':
        this.content.set(data, submission.offset);
        break;
      case 'discard':
      case 'write-zeroes':
        this.content.fill(0, submission.offset, submission.offset + submission.length);
        break;
    }
    return { id, completion: { status: 'ok' } };
  }
}

function blockBoard(options: { sectors?: number; readonly?: boolean; features?: number[]; queueSize?: number } = {}) {
  const { sectors = 256, readonly = false, features = [], queueSize = 64 } = options;
  const memory = new ArrayGuestMemory(1 << 21);
  const disk = new DiskDouble(memory, sectors * SECTOR);
  const line = new LineDouble();
  const make = () =>
    new VirtioBlock({
      name: 'disk0',
      sizeBytes: sectors * SECTOR + 100,
      readonly,
      serial: 'godwit-test',
      backend: disk,
    });
  const block = make();
  const mmio = new VirtioMmio({ name: 'virtio0', memory, line, device: block });
  const driver = new MmioDriver(mmio);
  const queue = new QueueDriver(memory, QUEUE_BASE, queueSize, features.includes(EVENT_IDX));
  const start = () => {
    driver.negotiate(VERSION_1, ...features);
    driver.setQueue(0, queueSize, queue.areas);
    driver.driverOk();
  };
  start();
  const board = {
    memory,
    disk,
    line,
    block,
    mmio,
    driver,
    queue,
    start,
    header: (slot: number, type: number, sector: bigint): Piece => {
      const at = slotAt(slot);
      memory.writeU32(at, type);
      memory.writeU32(at + 4n, 0);
      memory.writeU64(at + 8n, sector);
      return { address: at, length: 16 };
    },
    status: (slot: number): number => memory.copyOut(slotAt(slot) + STATUS_AT, 1)![0]!,
    /** Adds a request, notifies, and returns its head. */
    request: (slot: number, type: number, sector: bigint, readable: Piece[], writable: Piece[]): number => {
      memory.copyIn(slotAt(slot) + STATUS_AT, Uint8Array.of(0xff));
      const head = queue.add([board.header(slot, type, sector), ...readable], [...writable, statusPiece(slot)]);
      driver.notify(0);
      return head;
    },
    /** Answers all that is open. */
    settle: () => {
      while (disk.open.length > 0) {
        const { id, completion } = disk.work(0);
        block.complete(id, completion);
      }
    },
  };
  return board;
}

function slotAt(slot: number): bigint {
  return SLOTS + BigInt(slot * SLOT_BYTES);
}

function statusPiece(slot: number): Piece {
  return { address: slotAt(slot) + STATUS_AT, length: 1 };
}

function dataPiece(slot: number, length: number): Piece {
  return { address: slotAt(slot) + 0x100n, length };
}

describe('virtio block', { timeout: 60_000 }, () => {
  it('describes itself in its configuration space', () => {
    const { mmio, driver } = blockBoard({ sectors: 300 });
    expect(driver.get(0x8)).toBe(2);
    expect([0, 4].map((offset) => driver.get(0x100 + offset))).toEqual([300, 0]);
    expect(driver.get(0x108)).toBe(512 * 1024);
    expect(driver.get(0x10c)).toBe(254);
    expect(driver.get(0x114)).toBe(512);
    expect(mmio.read(0x118, 1)).toBe(3);
    expect(mmio.read(0x11a, 2)).toBe(8);
    expect(mmio.read(0x120, 1)).toBe(1);
    expect([36, 40, 44, 48, 52].map((offset) => driver.get(0x100 + offset))).toEqual([2 ** 21, 1, 8, 2 ** 17, 1]);
    expect(mmio.read(0x138, 1)).toBe(1);
    expect(mmio.read(0x13a, 4)).toBe(0);
    expect(mmio.read(0xfff, 1)).toBe(0);
    const features = (readonly: boolean) => blockBoard({ readonly }).driver.offered() & 0xff_ffffn;
    expect(features(false)).toBe(0x6e46n);
    expect(features(true)).toBe(0x0e66n);
  });

  it('reads and writes', () => {
    const { memory, disk, queue, line, request, status, settle } = blockBoard();
    const data = Uint8Array.from({ length: 1024 }, (_, index) => index & 0xff);
    memory.copyIn(slotAt(0) + 0x100n, data);
    const write = request(0, OUT, 3n, [dataPiece(0, 1024)], []);
    expect(status(0)).toBe(0xff);
    expect(queue.takeUsed()).toEqual([]);
    settle();
    expect(disk.content.subarray(3 * SECTOR, 5 * SECTOR)).toEqual(data);
    expect(status(0)).toBe(0);
    expect(line.level).toBe(true);
    expect(queue.takeUsed()).toEqual([{ head: write, length: 1 }]);
    const read = request(1, IN, 4n, [], [dataPiece(1, SECTOR)]);
    memory.share();
    settle();
    expect(memory.copyOut(slotAt(1) + 0x100n, SECTOR)).toEqual(data.subarray(SECTOR));
    expect(status(1)).toBe(0);
    expect(queue.takeUsed()).toEqual([{ head: read, length: SECTOR + 1 }]);
  });

  it('takes the data of a write when it is submitted', () => {
    const { memory, disk, request, settle } = blockBoard();
    memory.copyIn(slotAt(0) + 0x100n, new Uint8Array(SECTOR).fill(7));
    request(0, OUT, 0n, [dataPiece(0, SECTOR)], []);
    memory.copyIn(slotAt(0) + 0x100n, new Uint8Array(SECTOR).fill(8));
    settle();
    expect(disk.content[0]).toBe(7);
  });

  it('gives its serial number, whatever the room', () => {
    const { memory, queue, request, status } = blockBoard();
    const text = [...'godwit-test'].map((letter) => letter.charCodeAt(0));
    for (const [slot, room, used] of [
      [0, 20, 21],
      [1, 4, 5],
      [2, 100, 20],
      [3, 0, 1],
    ] as const) {
      memory.copyIn(slotAt(slot) + 0x100n, new Uint8Array(128).fill(0xaa));
      request(slot, GET_ID, 0n, [], room === 0 ? [] : [dataPiece(slot, room)]);
      expect(status(slot)).toBe(0);
      expect(queue.takeUsed()[0]!.length).toBe(used);
      const id = Uint8Array.from({ length: 128 }, (_, at) => (at < Math.min(room, 20) ? (text[at] ?? 0) : 0xaa));
      expect(memory.copyOut(slotAt(slot) + 0x100n, 128)).toEqual(id);
    }
  });

  it('flushes, discards and writes zeros', () => {
    const { memory, disk, request, status, settle } = blockBoard({ features: [F_FLUSH] });
    disk.content.fill(1);
    const segment = (slot: number, sector: bigint, sectors: number, flags: number) => {
      const { address } = dataPiece(slot, 16);
      memory.writeU64(address, sector);
      memory.writeU32(address + 8n, sectors);
      memory.writeU32(address + 12n, flags);
      return [dataPiece(slot, 16)];
    };
    request(0, FLUSH, 0n, [], []);
    request(1, DISCARD, 0n, segment(1, 8n, 16, 0), []);
    request(2, WRITE_ZEROES, 0n, segment(2, 32n, 1, 1), []);
    request(3, WRITE_ZEROES, 0n, segment(3, 40n, 1, 0), []);
    expect(disk.open.map(({ submission }) => submission)).toEqual([
      { id: 1, kind: 'flush' },
      { id: 2, kind: 'discard', offset: 8 * SECTOR, length: 16 * SECTOR },
      { id: 3, kind: 'write-zeroes', offset: 32 * SECTOR, length: SECTOR, unmap: true },
      { id: 4, kind: 'write-zeroes', offset: 40 * SECTOR, length: SECTOR, unmap: false },
    ]);
    settle();
    expect([0, 1, 2, 3].map(status)).toEqual([0, 0, 0, 0]);
    expect([7, 8, 23, 24, 32, 33].map((sector) => disk.content[sector * SECTOR])).toEqual([1, 0, 0, 1, 0, 1]);
    const cases: [number, bigint, number, number, number][] = [
      [DISCARD, 0n, 1, 1, 2],
      [DISCARD, 0n, 1, 2, 2],
      [WRITE_ZEROES, 0n, 1, 2, 2],
      [DISCARD, 255n, 2, 0, 1],
      [DISCARD, 0xffff_ffff_ffff_ffffn, 1, 0, 1],
      [WRITE_ZEROES, 0n, 0xffff_ffff, 0, 1],
      [WRITE_ZEROES, 256n, 0, 0, 0],
    ];
    for (const [type, sector, sectors, flags, expected] of cases) {
      request(5, type, 0n, segment(5, sector, sectors, flags), []);
      expect(status(5)).toBe(expected);
    }
    request(6, DISCARD, 0n, [dataPiece(6, 32)], []);
    request(7, DISCARD, 0n, [dataPiece(7, 15)], []);
    expect([status(6), status(7)]).toEqual([1, 1]);
    expect(disk.open).toEqual([]);
  });

  it('answers what is not on the disk or not whole with an error, and the unknown with unsupported', () => {
    const { queue, request, status, disk } = blockBoard({ sectors: 16 });
    const cases: [number, bigint, number, number][] = [
      [IN, 16n, SECTOR, 1],
      [IN, 15n, 2 * SECTOR, 1],
      [IN, 0x00ff_ffff_ffff_ffffn, SECTOR, 1],
      [IN, 0xffff_ffff_ffff_ffffn, SECTOR, 1],
      [IN, 0n, SECTOR - 1, 1],
      [IN, 16n, 0, 0],
      [2, 0n, SECTOR, 2],
      [10, 0n, SECTOR, 2],
      [14, 0n, SECTOR, 2],
      [0xffff_ffff, 0n, SECTOR, 2],
    ];
    for (const [type, sector, length, expected] of cases) {
      request(0, type, sector, [], length === 0 ? [] : [dataPiece(0, length)]);
      expect(status(0)).toBe(expected);
      expect(queue.takeUsed()[0]!.length).toBe(length === 0 ? 1 : 0);
    }
    request(0, OUT, 16n, [dataPiece(0, SECTOR)], []);
    expect(status(0)).toBe(1);
    request(0, OUT, 0n, [dataPiece(0, 100)], []);
    expect(status(0)).toBe(1);
    expect(disk.open).toEqual([]);
  });

  it('writes nothing to a read-only disk', () => {
    const { disk, request, status } = blockBoard({ readonly: true });
    for (const type of [OUT, DISCARD, WRITE_ZEROES]) {
      request(0, type, 0n, [dataPiece(0, type === OUT ? SECTOR : 16)], []);
      expect(status(0)).toBe(1);
    }
    expect(disk.open).toEqual([]);
  });

  it('passes on failures of the disk', () => {
    const { memory, disk, block, queue, request, status } = blockBoard();
    const before = memory.copyOut(slotAt(0), 0x7000);
    const head = request(0, IN, 0n, [], [dataPiece(0, SECTOR)]);
    expect(block.complete(disk.open[0]!.submission.id, { status: 'error' })).toBe(true);
    expect(status(0)).toBe(1);
    expect(queue.takeUsed()).toEqual([{ head, length: 0 }]);
    expect(memory.copyOut(slotAt(0) + 16n, 0x6ff0)).toEqual(before!.subarray(16));
  });

  it('refuses a read that is answered with another length, and takes the right answer afterwards', () => {
    const { block, request, status } = blockBoard();
    request(0, IN, 0n, [], [dataPiece(0, SECTOR)]);
    expect(() => block.complete(1, { status: 'ok' })).toThrow(/answered with 0/);
    expect(() => block.complete(1, { status: 'ok', data: [new Uint8Array(513)] })).toThrow(/answered with 513/);
    expect(block.complete(1, { status: 'ok', data: [new Uint8Array(512)] })).toBe(true);
    expect(status(0)).toBe(0);
    expect(block.complete(1, { status: 'error' })).toBe(false);
  });

  it('is write-through unless the driver can flush or says otherwise', () => {
    const kinds = (features: number[], writeback?: number) => {
      const { mmio, disk, request, settle, status } = blockBoard({ features });
      if (writeback !== undefined) mmio.write(0x120, 1, writeback);
      request(0, OUT, 0n, [dataPiece(0, SECTOR)], []);
      settle();
      expect(status(0)).toBe(0);
      return disk.log;
    };
    expect(kinds([])).toEqual(['write', 'flush']);
    expect(kinds([], 1)).toEqual(['write', 'flush']);
    expect(kinds([F_FLUSH])).toEqual(['write']);
    expect(kinds([F_FLUSH, F_CONFIG_WCE])).toEqual(['write']);
    expect(kinds([F_FLUSH, F_CONFIG_WCE], 0)).toEqual(['write', 'flush']);
  });

  it('fails on a request without header or status', () => {
    for (const [readable, writable] of [
      [[], [statusPiece(0)]],
      [[{ address: slotAt(0), length: 15 }], [statusPiece(0)]],
      [[{ address: slotAt(0), length: 16 }], []],
    ] as const) {
      const { mmio, driver, queue } = blockBoard();
      queue.add(readable, writable);
      driver.notify(0);
      expect(mmio.failure).toMatch(/without header or status/);
      expect(driver.status).toBe(0x4f);
    }
  });

  it('drops requests in flight at a reset, ignores their answers and fences what follows', () => {
    const { memory, disk, block, driver, request, status, settle } = blockBoard();
    request(0, IN, 0n, [], [dataPiece(0, SECTOR)]);
    request(1, OUT, 0n, [dataPiece(1, SECTOR)], []);
    const late = disk.open.splice(0);
    driver.set(0x70, 0);
    expect(disk.fences).toBe(1);
    driver.set(0x70, 0);
    expect(disk.fences).toBe(1);
    const before = memory.image();
    for (const { submission } of late) {
      const completion: BlockCompletion = { status: 'ok', data: [new Uint8Array(SECTOR).fill(9)] };
      expect(block.complete(submission.id, completion)).toBe(false);
    }
    expect(Buffer.compare(memory.image(), before)).toBe(0);
    const queue = new QueueDriver(memory, QUEUE_BASE, 64, false);
    driver.negotiate(VERSION_1);
    driver.setQueue(0, 64, queue.areas);
    driver.driverOk();
    memory.copyIn(slotAt(2) + STATUS_AT, Uint8Array.of(0xff));
    memory.writeU32(slotAt(2), IN);
    queue.add([{ address: slotAt(2), length: 16 }], [dataPiece(2, SECTOR), statusPiece(2)]);
    driver.notify(0);
    expect(disk.open[0]!.submission.id).toBe(3);
    expect(late.map(({ submission }) => block.complete(submission.id, { status: 'error' }))).toEqual([false, false]);
    settle();
    expect(status(2)).toBe(0);
  });

  it('drops requests when their queue is stopped or the device has failed', () => {
    const { mmio, disk, block, driver, request } = blockBoard();
    request(0, FLUSH, 0n, [], []);
    driver.set(0x44, 0);
    expect(disk.fences).toBe(1);
    expect(block.complete(1, { status: 'ok' })).toBe(false);
    const other = blockBoard();
    other.request(0, FLUSH, 0n, [], []);
    other.mmio.fail('a test');
    expect(other.block.complete(1, { status: 'ok' })).toBe(false);
    expect(other.status(0)).toBe(0xff);
    expect(mmio.failure).toBeUndefined();
  });

  it('takes no more requests while much data is in flight, and goes on afterwards', () => {
    const sectors = 2 ** 18;
    const { memory, disk, block, queue, driver, header } = blockBoard({ sectors, features: [INDIRECT, EVENT_IDX] });
    const big = { address: SLOTS + 0x8_0000n, length: 1 << 19 };
    for (let slot = 0; slot < 4; slot++) {
      memory.copyIn(slotAt(slot) + STATUS_AT, Uint8Array.of(0xff));
      const writable = [...Array.from({ length: 60 }, () => big), statusPiece(slot)];
      queue.add([header(slot, IN, 0n)], writable, 0);
    }
    driver.notify(0);
    expect(disk.open.length).toBe(3);
    block.complete(1, { status: 'error' });
    expect(disk.open.length).toBe(4);
    for (const id of [2, 3, 4]) block.complete(id, { status: 'error' });
    expect(queue.takeUsed().length).toBe(4);
    queue.add([header(0, FLUSH, 0n)], [statusPiece(0)]);
    expect(queue.needsKick()).toBe(true);
  });

  it('answers within submit', () => {
    const board = blockBoard();
    board.disk.submit = (submission) => {
      board.block.complete(submission.id, { status: 'ok', data: [new Uint8Array(SECTOR)] });
    };
    for (let slot = 0; slot < 16; slot++) {
      board.queue.add([board.header(slot, IN, 0n)], [dataPiece(slot, SECTOR), statusPiece(slot)]);
    }
    board.driver.notify(0);
    expect(board.queue.takeUsed().length).toBe(16);
    expect(board.line.level).toBe(true);
  });

  it('refuses sizes and serial numbers that make no sense', () => {
    const parts = { name: 'disk', sizeBytes: 512, readonly: false, serial: '', backend: { submit() {}, fence() {} } };
    expect(() => new VirtioBlock({ ...parts, sizeBytes: -1 })).toThrow(/cannot have/);
    expect(() => new VirtioBlock({ ...parts, sizeBytes: 0.5 })).toThrow(/cannot have/);
    expect(() => new VirtioBlock({ ...parts, serial: 'x'.repeat(21) })).toThrow(/serial number/);
    expect(() => new VirtioBlock({ ...parts, serial: 'ü' })).toThrow(/serial number/);
  });

  it('rejects damaged states and keeps its own', () => {
    const { block, request } = blockBoard();
    request(0, IN, 1n, [], [dataPiece(0, SECTOR)]);
    request(1, OUT, 2n, [dataPiece(1, SECTOR)], []);
    const state = block.save() as { [key: string]: never };
    const [first, second] = state.requests as unknown as { [key: string]: never }[];
    const withFirst = (change: object) => ({ ...state, requests: [{ ...first, ...change } as never, second as never] });
    const wrong = [
      ...damagedStates(state),
      ...damagedStates(first!).map((damaged) => ({ ...state, requests: [damaged, second!] })),
      { ...state, requests: [second!, first!] },
      { ...state, requests: [first!, first!] },
      { ...state, nextId: 2 },
      { ...state, capacitySectors: 255 },
      withFirst({ kind: 'erase' }),
      withFirst({ offset: 256 * SECTOR }),
      withFirst({ offset: 1 }),
      withFirst({ length: 2 * SECTOR }),
      withFirst({ ranges: [] }),
      withFirst({ ranges: [{ address: 0n, length: -1 }] }),
      withFirst({ head: 1024 }),
    ];
    for (const damaged of wrong) expect(() => block.restore(damaged)).toThrow(/damaged/);
    expect(block.save()).toEqual(state);
  });

  it.each([
    ['flags', [F_FLUSH]],
    ['indirect and event index', [F_FLUSH, INDIRECT, EVENT_IDX]],
    ['write-through', [INDIRECT]],
  ])('keeps a disk under random requests in random layouts, saved and restored in between: %s', (_, features) => {
    forSeeds(5, (random) => {
      const sectors = 128;
      let board = blockBoard({ sectors, features, queueSize: 64 });
      const oracle = new Uint8Array(sectors * SECTOR);
      const open = new Map<number, { slot: number; sector: number; count: number; expected?: Uint8Array }>();
      const busySectors = new Set<number>();
      const slots = Array.from({ length: 16 }, (__, index) => index);
      let done = 0;
      for (let step = 0; step < 250; step++) {
        if (random.chance(2) && slots.length > 0 && board.queue.freeDescriptors > 20) {
          const sector = random.below(sectors - 8);
          const count = random.below(9);
          const wanted = Array.from({ length: count }, (__, index) => sector + index);
          if (!wanted.some((index) => busySectors.has(index))) {
            const slot = slots.pop()!;
            const write = random.chance(2);
            for (const index of wanted) busySectors.add(index);
            const head = addTransfer(board, random, { slot, write, sector, count, oracle }, features);
            const expected = oracle.slice(sector * SECTOR, (sector + count) * SECTOR);
            open.set(head, { slot, sector, count, ...(write ? {} : { expected }) });
          }
        }
        if (board.queue.needsKick()) board.driver.notify(0);
        if (random.chance(3)) board.memory.share();
        if (random.chance(2) && board.disk.open.length > 0) {
          const { id, completion } = board.disk.work(random.below(board.disk.open.length));
          board.block.complete(id, completion);
        }
        if (random.chance(12)) board = moveTo(board, sectors, features);
        for (const { head } of board.queue.takeUsed()) {
          const { slot, sector, count, expected } = open.get(head)!;
          expect(board.status(slot)).toBe(0);
          if (expected !== undefined) {
            const got = board.memory.copyOut(slotAt(slot) + 0x1000n, count * SECTOR)!;
            expect(got.every((byte, index) => byte === expected[index])).toBe(true);
          }
          for (let index = 0; index < count; index++) busySectors.delete(sector + index);
          slots.push(slot);
          open.delete(head);
          done++;
        }
      }
      board.settle();
      expect(board.queue.takeUsed().length).toBe(open.size);
      expect(done).toBeGreaterThan(30);
      expect(board.disk.content.every((byte, index) => byte === oracle[index])).toBe(true);
      expect(board.driver.status).toBe(0xf);
    });
  });
});

type Board = ReturnType<typeof blockBoard>;

/** A read or write whose header, data and status are cut into descriptors anywhere (2.7.4). */
function addTransfer(
  board: Board,
  random: Random,
  transfer: { slot: number; write: boolean; sector: number; count: number; oracle: Uint8Array },
  features: readonly number[],
): number {
  const { slot, write, sector, count, oracle } = transfer;
  const length = count * SECTOR;
  const data = { address: slotAt(slot) + 0x1000n, length };
  board.memory.copyIn(slotAt(slot) + STATUS_AT, Uint8Array.of(0xff));
  if (write) {
    const bytes = random.bytes(length);
    board.memory.copyIn(data.address, bytes);
    oracle.set(bytes, sector * SECTOR);
  }
  const header = board.header(slot, write ? OUT : IN, BigInt(sector));
  const readable = [...cut(random, header), ...(write ? cut(random, data) : [])];
  const writable = [...(write ? [] : cut(random, data)), statusPiece(slot)];
  const indirect = features.includes(INDIRECT) && random.chance(2) ? random.below(readable.length) : undefined;
  return board.queue.add(readable, writable, indirect);
}

function cut(random: Random, piece: Piece): Piece[] {
  const at = random.below(piece.length + 1);
  if (random.chance(2)) return [piece];
  return [
    { address: piece.address, length: at },
    { address: piece.address + BigInt(at), length: piece.length - at },
  ];
}

/** The same machine in another process: memory and device state move, and what was in flight is submitted again. */
function moveTo(from: Board, sectors: number, features: number[]): Board {
  const to = blockBoard({ sectors, features, queueSize: from.queue.size });
  to.memory.copyIn(RAM_BASE, from.memory.image());
  to.disk.content.set(from.disk.content);
  to.mmio.reset();
  to.mmio.restore(structuredClone(from.mmio.save()));
  expect(to.mmio.save()).toEqual(from.mmio.save());
  for (const submission of to.block.pendingRequests()) to.disk.submit(submission);
  expect(to.disk.open.map(({ submission }) => submission.id)).toEqual(
    from.disk.open.map(({ submission }) => submission.id).sort((a, b) => a - b),
  );
  return { ...to, queue: from.queue.movedTo(to.memory) };
}
