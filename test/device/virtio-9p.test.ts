import { describe, expect, it } from 'vitest';
import type { ShareSubmission } from '../../src/device/virtio/9p/backend.ts';
import { Virtio9p } from '../../src/device/virtio/9p/virtio-9p.ts';
import { VirtioMmio } from '../../src/device/virtio/mmio/virtio-mmio.ts';
import type { PlainData } from '../../src/state/plain-data.ts';
import { Answer, data, message, NO_FID, s, T, u16, u32, u64 } from '../share/client.ts';
import { ArrayGuestMemory, RAM_BASE } from './array-guest-memory.ts';
import { damagedStates, forSeeds, LineDouble } from './doubles.ts';
import { EVENT_IDX, INDIRECT, MmioDriver, type Piece, QueueDriver, VERSION_1 } from './virtio-driver.ts';

const QUEUE_BASE = RAM_BASE + 0x1000n;
/** Request n has its own 64 KiB from here: the request, and room for its answer. */
const SLOTS = RAM_BASE + 0x20_0000n;
const SLOT_BYTES = 0x10000;
const REPLY_AT = 0x8000n;
const MEBIBYTE = 2 ** 20;

class BackendDouble {
  readonly open: ShareSubmission[] = [];
  readonly done: number[] = [];
  fences = 0;

  submit(submission: ShareSubmission): void {
    this.open.push(submission);
  }

  delivered(id: number): void {
    this.done.push(id);
  }

  fence(): void {
    this.fences++;
  }
}

function shareBoard(memory = new ArrayGuestMemory(4 * MEBIBYTE), tag = '/mnt/work') {
  const backend = new BackendDouble();
  const line = new LineDouble();
  const device = new Virtio9p({ name: 'share0', tag, backend });
  const mmio = new VirtioMmio({ name: 'virtio0', memory, line, device });
  const driver = new MmioDriver(mmio);
  const queue = new QueueDriver(memory, QUEUE_BASE, 256, true);
  const start = () => {
    driver.negotiate(VERSION_1, EVENT_IDX, INDIRECT, 0);
    driver.setQueue(0, 256, queue.areas);
    driver.driverOk();
  };
  const at = (slot: number): bigint => SLOTS + BigInt(slot * SLOT_BYTES);
  /** Puts a request into its slot, and gives the pieces that it is in. */
  const place = (slot: number, request: Uint8Array): Piece[] => {
    memory.copyIn(at(slot), request);
    const half = Math.floor(request.length / 2);
    return [
      { address: at(slot), length: half },
      { address: at(slot) + BigInt(half), length: request.length - half },
    ];
  };
  const ask = (slot: number, request: Uint8Array, room = 4096): number => {
    const head = queue.add(place(slot, request), [{ address: at(slot) + REPLY_AT, length: room }]);
    driver.notify(0);
    return head;
  };
  const replyOf = (slot: number, length: number): Uint8Array => memory.copyOut(at(slot) + REPLY_AT, length)!;
  return { memory, backend, line, device, mmio, driver, queue, start, place, ask, at, replyOf };
}

const attach = message(T.attach, 1, [u32(7), u32(NO_FID), s('root'), s(''), u32(0)]);
const attached = message(T.attach + 1, 1, [data(new Uint8Array(13))]);

describe('virtio 9P', { timeout: 60_000 }, () => {
  it('says its mount tag', () => {
    const { driver, mmio, device } = shareBoard();
    expect(driver.get(0x8)).toBe(9);
    expect(driver.offered() & 0xff_ffffn).toBe(1n);
    expect(mmio.read(0x100, 2)).toBe(9);
    const tag = Array.from({ length: 9 }, (_, index) => String.fromCharCode(mmio.read(0x102 + index, 1)));
    expect(tag.join('')).toBe('/mnt/work');
    expect(mmio.read(0x10b, 4)).toBe(0);
    expect(device.isAwaited).toBe(false);
    for (const wrong of ['', 'a b', 'ä', 'x'.repeat(256)])
      expect(() => shareBoard(undefined, wrong)).toThrow(/mount tag/);
  });

  it('carries requests out and answers in, whole, to whoever asked', () => {
    const { start, ask, backend, device, queue, line, memory, replyOf } = shareBoard();
    start();
    const heads = [ask(0, attach), ask(1, message(T.statfs, 2, [u32(7)]), 100)];
    expect(backend.open.map(({ id, replyBytesMaximum }) => [id, replyBytesMaximum])).toEqual([
      [1, 4096],
      [2, 100],
    ]);
    expect(backend.open[0]!.message).toEqual(attach);
    memory.share();
    const statfs = message(T.statfs + 1, 2, [data(new Uint8Array(60).fill(3))]);
    expect(device.complete(2, statfs)).toBe(true);
    expect(line.level).toBe(true);
    expect(device.complete(1, attached)).toBe(true);
    expect(queue.takeUsed()).toEqual([
      { head: heads[1]!, length: statfs.length },
      { head: heads[0]!, length: attached.length },
    ]);
    expect(replyOf(1, statfs.length)).toEqual(statfs);
    expect(replyOf(0, attached.length)).toEqual(attached);
    expect(backend.done).toEqual([2, 1]);
    expect([...device.session.entries()]).toEqual([[7, { path: [], flags: undefined }]]);
    // There is nothing to answer any more.
    expect(device.complete(1, attached)).toBe(false);
  });

  it('refuses an answer that is none, and takes the right one afterwards', () => {
    const { start, ask, device } = shareBoard();
    start();
    ask(0, attach, 50);
    expect(() => device.complete(1, new Uint8Array(6))).toThrow(/answered with 6/);
    expect(() => device.complete(1, new Uint8Array(51))).toThrow(/answered with 51/);
    expect(device.complete(1, attached)).toBe(true);
  });

  it('answers what is too long itself', () => {
    const { start, ask, backend, queue, replyOf } = shareBoard();
    start();
    ask(0, message(T.symlink, 5, [u32(1), s('x'), s('y'.repeat(20_000)), u32(0)]));
    expect(backend.open).toEqual([]);
    expect(queue.takeUsed()).toHaveLength(1);
    const answer = new Answer(replyOf(0, 11));
    expect([answer.type, answer.tag, answer.errno]).toEqual([7, 5, 36]);
    // A write may be long.
    ask(1, message(T.write, 6, [u32(1), u64(0), u32(20_000), data(new Uint8Array(20_000))]));
    expect(backend.open[0]!.message).toHaveLength(20_023);
  });

  it('asks for a reset where there is no request, or no room for an answer', () => {
    for (const [readable, writable] of [
      [[6], [4096]],
      [[], [4096]],
      [[7], [10]],
      [[7], []],
      [[7], [8 * MEBIBYTE]],
    ] as const) {
      const { start, queue, driver, device, at, memory } = shareBoard(new ArrayGuestMemory(16 * MEBIBYTE));
      start();
      memory.copyIn(at(0), attach.subarray(0, 7));
      const pieces = (lengths: readonly number[]) => lengths.map((length) => ({ address: at(0), length }));
      queue.add(pieces(readable), pieces(writable));
      driver.notify(0);
      expect(driver.status & 0x40).toBe(0x40);
      expect(device.isAwaited).toBe(false);
      // And works after it.
      driver.set(0x70, 0);
      expect(driver.status).toBe(0);
    }
  });

  it('forgets the session with a reset, and hears no answers from before', () => {
    const { start, ask, device, driver, backend } = shareBoard();
    start();
    expect(backend.fences).toBe(0);
    ask(0, attach);
    device.complete(1, attached);
    ask(1, attach);
    driver.set(0x70, 0);
    expect(backend.fences).toBe(1);
    expect([device.session.size, device.isAwaited]).toEqual([0, false]);
    expect(device.complete(2, attached)).toBe(false);
    driver.set(0x70, 0);
    expect(backend.fences).toBe(1);
  });

  it('takes no more requests than are worth their bytes', () => {
    const { start, ask, backend, device, queue } = shareBoard(new ArrayGuestMemory(8 * MEBIBYTE));
    start();
    const write = message(T.write, 6, [u32(1), u64(0), u32(30_000), data(new Uint8Array(30_000))]);
    for (let count = 0; count < 20; count++) ask(count, write);
    expect(backend.open).toHaveLength(20);
    for (const { id } of backend.open.splice(0)) device.complete(id, message(T.write + 1, 6, [u32(30_000)]));
    queue.takeUsed();
    // All of them with room for the longest of answers.
    for (let count = 0; count < 60; count++) ask(0, attach, 2 * MEBIBYTE);
    expect(backend.open).toHaveLength(32);
    device.complete(backend.open[0]!.id, attached);
    expect(backend.open).toHaveLength(33);
  });

  it('goes on in another memory from what it saved', () => {
    const first = shareBoard();
    first.start();
    first.ask(0, attach);
    first.device.complete(1, attached);
    first.ask(1, message(T.walk, 2, [u32(7), u32(8), u16(2), s('a'), s('b')]));
    const write = message(T.write, 3, [u32(8), u64(5), u32(3), data(Uint8Array.of(1, 2, 3))]);
    first.ask(2, write);
    const state = first.mmio.save();
    const second = shareBoard();
    second.memory.copyIn(RAM_BASE, first.memory.copyOut(RAM_BASE, 4 * MEBIBYTE)!);
    second.mmio.restore(state);
    expect(second.mmio.save()).toEqual(state);
    expect(second.device.pendingRequests()).toEqual(first.device.pendingRequests());
    expect(second.device.pendingRequests()[1]!.message).toEqual(write);
    const walked = message(T.walk + 1, 2, [u16(2), data(new Uint8Array(26))]);
    for (const { device, mmio } of [first, second]) {
      expect(device.complete(2, walked)).toBe(true);
      expect(device.complete(3, message(T.write + 1, 3, [u32(3)]))).toBe(true);
      expect(device.session.get(8)).toEqual({ path: ['a', 'b'], flags: undefined });
      expect(mmio.save()).toEqual(first.mmio.save());
    }
    const contents = [first, second].map(({ memory }) => Buffer.from(memory.copyOut(RAM_BASE, 4 * MEBIBYTE)!));
    expect(contents[0]!.equals(contents[1]!)).toBe(true);
  });

  it('refuses damaged states, and stays what it is', () => {
    const board = shareBoard();
    board.start();
    board.ask(0, attach);
    board.device.complete(1, attached);
    board.ask(1, message(T.walk, 2, [u32(7), u32(8), u16(1), s('a')]));
    const state = board.device.save() as Record<'requests' | 'fids', Record<string, PlainData>[]> &
      Record<string, PlainData>;
    const before = JSON.stringify(board.device.save(), replacer);
    const request = state.requests[0]!;
    const fid = state.fids[0]!;
    const bytes = (text: string) => new Uint8Array(Buffer.from(text));
    const damaged = [
      ...damagedStates(state),
      ...damagedStates(request).map((one) => ({ ...state, requests: [one] })),
      ...damagedStates(fid).flatMap((one) =>
        // It may have no path, and not be open.
        JSON.stringify(one, replacer) === JSON.stringify({ ...fid, path: null }, replacer) ||
        JSON.stringify(one, replacer) === JSON.stringify(fid, replacer)
          ? []
          : [{ ...state, fids: [one] }],
      ),
      ...['a', '/', '//a', '/a/', '/..', '/a/./b', '/a\0'].map((path) => ({
        ...state,
        fids: [{ ...fid, path: bytes(path) }],
      })),
      { ...state, fids: [fid, fid] },
      { ...state, tag: '/mnt/other' },
      { ...state, requests: [request, request] },
      { ...state, nextId: 0 },
      { ...state, requests: [{ ...request, replyBytesMaximum: 4097 }] },
      { ...state, requests: [{ ...request, replyBytesMaximum: 10 }] },
      { ...state, requests: [{ ...request, message: null }] },
    ];
    for (const one of damaged) {
      expect(() => board.device.restore(one as PlainData), JSON.stringify(one, replacer)).toThrow(/state of/);
      expect(JSON.stringify(board.device.save(), replacer)).toBe(before);
    }
    board.device.restore(state);
    expect(JSON.stringify(board.device.save(), replacer)).toBe(before);
  });

  it('takes any queue and any answer that there may be', () => {
    forSeeds(150, (random) => {
      const { start, memory, driver, device, backend, queue, at, mmio } = shareBoard();
      start();
      for (let count = 0; count < 60; count++) {
        switch (random.u32() % 5) {
          case 0: {
            // Anything in the descriptors and rings.
            const from = queue.areas.descriptors + BigInt(random.u32() % 4096);
            memory.copyIn(
              from,
              Uint8Array.from({ length: 16 }, () => random.u32() & 0xff),
            );
            break;
          }
          case 1: {
            const pieces = Array.from({ length: random.u32() % 3 }, () => ({
              address: at(random.u32() % 8) + BigInt(random.u32() % 64),
              length: random.u32() % 200,
            }));
            if (queue.freeDescriptors > 4 + pieces.length) queue.add(pieces, [{ address: at(9), length: 64 }]);
            break;
          }
          case 2:
            memory.copyIn(at(random.u32() % 8), message(random.u32() & 0xff, 1, [u32(7), u32(8), u16(1), s('..')]));
            break;
          case 3: {
            const submission = backend.open.splice(random.u32() % Math.max(1, backend.open.length), 1)[0];
            if (!submission) break;
            const room = Math.min(submission.replyBytesMaximum, 40);
            const reply = Uint8Array.from({ length: 7 + (random.u32() % (room - 6)) }, () => random.u32() & 0xff);
            // Often one that says that it went well.
            if (random.u32() % 2 === 0) reply[4] = (submission.message[4]! + 1) & 0xff;
            device.complete(submission.id, reply);
            break;
          }
          default:
            driver.notify(random.u32() % 2);
        }
        if (random.u32() % 50 === 0) start();
      }
      // Whatever it was, it is a state that can be had again.
      const state = mmio.save();
      const other = shareBoard(memory);
      other.mmio.restore(state);
      expect(other.mmio.save()).toEqual(state);
    });
  });
});

function replacer(_: string, value: unknown): unknown {
  if (typeof value === 'bigint') return `${value}n`;
  return value instanceof Uint8Array ? [...value] : value;
}
