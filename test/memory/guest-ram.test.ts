/**
 * Guest RAM as machines, snapshots and loans have it, against a plain model: random sequences of all that can be done
 * to pages, over maps that share frames, in two arenas over the same memory as two threads have them.
 */
import { describe, expect, it } from 'vitest';
import { Arena } from '../../src/memory/arena.ts';
import { GuestRam, type RamEvents } from '../../src/memory/guest-ram.ts';
import { FRAME_BYTES, RAM_BASE } from '../../src/memory/layout.ts';
import type { Loan } from '../../src/memory/loan.ts';
import { LOCK_WORDS, MemoryLock } from '../../src/memory/lock.ts';
import type { PageSource } from '../../src/memory/page-source.ts';
import type { FrameSnapshot } from '../../src/memory/snapshot.ts';
import type { WrittenPages } from '../../src/memory/written-pages.ts';
import { randomNumbers } from '../support/random.ts';

const MIB = 1024 ** 2;
const PAGES = 3 * 1024;
const SEEDS = [1, 2, 3, 4, 5, 6];
const STEPS = 3000;
const MOST = 6;

const QUIET: RamEvents = {
  codeWritten: () => {},
  frameReplaced: () => {},
  frameRevoked: () => {},
  frameFreed: () => {},
  writesProtected: () => {},
  pagesProtected: () => {},
  pagesDropped: () => {},
};

const addressOf = (page: number, offset = 0) => BigInt(RAM_BASE + page * FRAME_BYTES + offset);

/** As `expect`, where it is asked a hundred thousand times. */
function same(found: unknown, expected: unknown, what: string): void {
  if (found !== expected) throw new Error(`${what}: ${found}, not ${expected}`);
}

/** Has something in every third page, and counts what is read. */
class Thirds implements PageSource {
  readonly hotPages = [];
  reads = 0;

  static contentOf(page: number): number {
    return page % 3 === 0 ? page + 1_000_000 : 0;
  }

  read(page: number, into: Uint8Array): boolean {
    this.reads++;
    if (page % 3 !== 0) return false;
    new DataView(into.buffer, into.byteOffset).setUint32(0, Thirds.contentOf(page), true);
    return true;
  }

  *storedPages(): Generator<number> {
    for (let page = 0; page < PAGES; page += 3) yield page;
  }

  close(): void {}
}

/** What a page's first word should be, for pages that are otherwise than the source has them. */
type Model = Map<number, number>;

interface Machine {
  readonly ram: GuestRam;
  readonly arena: Arena;
  model: Model;
  /** Nothing comes from the source any more. */
  wasReset: boolean;
  readonly watch: { pages: WrittenPages; before: Model };
  /** What the translations of a hart say it may write as it is. */
  readonly writable: Set<number>;
  readonly loans: { loan: Loan; words: number[] }[];
}

function worldOf(seed: number, hasSource: boolean) {
  const random = randomNumbers(seed);
  const first = new Arena({ bytes: 96 * MIB, shared: true });
  const word = new Int32Array(new SharedArrayBuffer(4 * LOCK_WORDS));
  first.shareBy(new MemoryLock(word, 0));
  const arenas = [first, new Arena({ memory: first.memory, lock: new MemoryLock(word, 1) })];
  const source = hasSource ? new Thirds() : undefined;
  const original = (page: number) => (hasSource ? Thirds.contentOf(page) : 0);
  const expected = (model: Model, page: number) => model.get(page) ?? original(page);

  const begin = (arena: Arena, from: FrameSnapshot | PageSource | undefined, model: Model): Machine => {
    const writable = new Set<number>();
    const revoke = (pages: readonly number[]) => {
      for (const page of pages) writable.delete(page);
    };
    const events: RamEvents = {
      ...QUIET,
      frameReplaced: (page) => writable.delete(page),
      writesProtected: () => writable.clear(),
      pagesProtected: (pages) => revoke(pages),
      pagesDropped: (pages) => revoke(pages),
    };
    const ram = new GuestRam(arena, PAGES * FRAME_BYTES, events, from);
    const watch = { pages: ram.watchWrites(), before: new Map(model) };
    return { ram, arena, model, watch, writable, loans: [], wasReset: false };
  };
  return { random, arenas, source, original, expected, begin };
}

describe.each([
  ['with a source', true],
  ['without a source', false],
])('guest RAM %s', (_, hasSource) => {
  it.each(SEEDS)('is what a plain model says, whatever is done (seed %i)', (seed) => {
    const { random, arenas, source, original, expected, begin } = worldOf(seed, hasSource);
    const machines: Machine[] = [begin(arenas[0]!, source, new Map())];
    const snapshots: { memory: FrameSnapshot; model: Model; wasReset: boolean }[] = [];
    const loose: Machine['loans'] = [];
    const [{ words }] = arenas as [Arena, Arena];
    let stamp = 2_000_000;
    // A few pages get most of the traffic, so that sharing, copying, lending and giving back meet.
    const somePage = () => (random(3) > 0 ? random(8) * 300 : random(PAGES));
    const checkLoan = ({ loan, words: lent }: Machine['loans'][number]) =>
      loan.spans.forEach(({ offset }, i) => {
        same(words[offset >>> 2], lent[i], 'what is lent');
      });
    /** As a hart stores: through its translation, if it has one. */
    const store = (machine: Machine, page: number, value: number) => {
      if (!machine.writable.has(page)) machine.ram.frameFault(page, true);
      machine.writable.add(page);
      words[machine.ram.frameOf(page) >>> 2] = value;
      machine.model.set(page, value);
    };
    const forget = (machine: Machine, asZeros: boolean) => {
      const pages = Array.from({ length: 1 + random(40) }, somePage);
      if (asZeros) machine.ram.discard(pages);
      else machine.ram.forget(pages);
      for (const page of pages) machine.model.set(page, asZeros || machine.wasReset ? 0 : original(page));
    };
    /** As it comes from the source. */
    const place = ({ ram, wasReset }: Machine) => {
      const page = somePage();
      const word = wasReset ? 0 : original(page);
      const content = new Uint8Array(FRAME_BYTES);
      new DataView(content.buffer).setUint32(0, word, true);
      const isAbsent = ram.frameOf(page) === 0;
      same(ram.place(page, word === 0 ? undefined : content), isAbsent, `page ${page} is placed`);
    };
    const lend = (machine: Machine) => {
      const page = somePage();
      const count = Math.min(1 + random(4), PAGES - page);
      const loan = machine.ram.lend(addressOf(page), count * FRAME_BYTES)!;
      machine.loans.push({ loan, words: Array.from({ length: count }, (_, i) => expected(machine.model, page + i)) });
    };
    const giveBack = (machine: Machine) => {
      const [loan] = machine.loans.splice(random(machine.loans.length), 1);
      if (!loan) return;
      checkLoan(loan);
      loan.loan.giveBack();
      loan.loan.giveBack();
    };
    const snapshot = (machine: Machine) => {
      const changed = machine.watch.pages;
      const memory = machine.ram.snapshot(changed);
      const changedPages = new Set(memory.changedPages());
      for (const [page] of machine.model) {
        const isSame = expected(machine.model, page) === expected(machine.watch.before, page);
        if (!isSame) same(changedPages.has(page), true, `page ${page} is known to be changed`);
      }
      machine.watch.pages = machine.ram.watchWrites();
      machine.watch.before = new Map(machine.model);
      if (snapshots.length < MOST) {
        const { model, wasReset } = machine;
        snapshots.push({ memory, model: new Map(model), wasReset });
      } else memory.release();
    };
    const fork = () => {
      const from = snapshots[random(snapshots.length)];
      if (!from || machines.length === MOST) return;
      const machine = begin(arenas[random(2)]!, from.memory, new Map(from.model));
      machine.wasReset = from.wasReset;
      machines.push(machine);
    };
    const end = (machine: Machine) => {
      if (machines.length === 1) return;
      machines.splice(machines.indexOf(machine), 1);
      machine.ram.release();
      // What is lent outlives the machine.
      loose.push(...machine.loans);
    };
    const revert = (machine: Machine) => {
      const to = snapshots[random(snapshots.length)];
      if (!to) return;
      machine.ram.revert(to.memory);
      // Its hart is restored.
      machine.writable.clear();
      machine.model = new Map(to.model);
      machine.wasReset = to.wasReset;
    };
    const restart = (machine: Machine) => {
      machine.watch.pages = machine.ram.restartWatch(machine.watch.pages);
      machine.watch.before = new Map(machine.model);
    };
    const check = (machine: Machine, page: number) => {
      const { ram, model } = machine;
      same(ram.readU32(addressOf(page)), expected(model, page), `page ${page}`);
    };

    for (let step = 0; step < STEPS; step++) {
      const machine = machines[random(machines.length)]!;
      const action = random(64);
      if (action < 24) store(machine, somePage(), stamp++);
      else if (action < 28) {
        const page = somePage();
        // A device's write.
        expect(machine.ram.writeU32(addressOf(page), ++stamp)).toBe(true);
        machine.model.set(page, stamp);
      } else if (action < 32) forget(machine, false);
      else if (action < 35) forget(machine, true);
      else if (action < 41) lend(machine);
      else if (action < 46) giveBack(machine);
      else if (action < 48) snapshot(machine);
      else if (action < 50) fork();
      else if (action === 50) snapshots.splice(random(snapshots.length), 1)[0]?.memory.release();
      else if (action === 51 && random(3) === 0) end(machine);
      else if (action === 52) revert(machine);
      else if (action === 53) restart(machine);
      else if (action === 54 && random(8) === 0) {
        for (let page = 0; page < PAGES; page++) machine.model.set(page, 0);
        machine.ram.clear();
        machine.wasReset = true;
      } else if (action === 55) place(machine);
      else check(machine, somePage());
      if (step % 500 === 0)
        for (const each of machines) for (const { loan, words } of each.loans) checkLoan({ loan, words });
    }

    for (const { memory, model } of snapshots) {
      const touched = new Set(memory.touchedPages());
      const into = new Uint8Array(FRAME_BYTES);
      for (let page = 0; page < PAGES; page++) {
        const isThere = memory.readPage(page, into);
        same(new DataView(into.buffer).getUint32(0, true), expected(model, page), `page ${page} of a snapshot`);
        if (isThere) same(touched.has(page), true, `page ${page} is listed`);
      }
      memory.release();
    }
    for (const machine of machines) for (let page = 0; page < PAGES; page += 5) check(machine, page);
    for (const machine of machines) machine.ram.release();
    for (const loan of [...loose, ...machines.flatMap(({ loans }) => loans)]) {
      checkLoan(loan);
      loan.loan.giveBack();
    }
    expect(arenas[0]!.frameCount).toBe(0);
  });

  it('has no page behind its end', () => {
    const arena = new Arena({ bytes: 32 * MIB, shared: false });
    const ram = new GuestRam(arena, PAGES * FRAME_BYTES, QUIET, hasSource ? new Thirds() : undefined);
    for (const page of [-1, PAGES, 1024 ** 2]) {
      expect(() => ram.forget([page])).toThrow(expect.objectContaining({ code: 'internal' }));
      expect(() => ram.discard([page])).toThrow(expect.objectContaining({ code: 'internal' }));
      expect(() => ram.place(page, undefined)).toThrow(expect.objectContaining({ code: 'internal' }));
    }
    expect(() => ram.place(0, new Uint8Array(FRAME_BYTES + 1))).toThrow(expect.objectContaining({ code: 'internal' }));
    expect(arena.frameCount).toBe(1);
  });

  it('reuses the frames of what is forgotten, and takes no more of the host', () => {
    const arena = new Arena({ bytes: 32 * MIB, shared: false });
    const source = hasSource ? new Thirds() : undefined;
    const ram = new GuestRam(arena, PAGES * FRAME_BYTES, QUIET, source);
    const pages = Array.from({ length: PAGES }, (_, page) => page);
    for (const page of pages) ram.writeU32(addressOf(page), 1);
    const { frameCount, roomBytes } = arena;
    for (let round = 0; round < 20; round++) {
      ram.forget(pages);
      // Not even a leaf is left.
      expect(arena.frameCount).toBe(1);
      for (const page of pages) {
        same(ram.readU32(addressOf(page)), source ? Thirds.contentOf(page) : 0, `page ${page}`);
        ram.writeU32(addressOf(page), round);
      }
      expect(arena.frameCount).toBe(frameCount);
    }
    expect(arena.roomBytes).toBe(roomBytes);
  });

  it('asks the source again for what is forgotten, and never for what is discarded', () => {
    const arena = new Arena({ bytes: 32 * MIB, shared: false });
    const source = new Thirds();
    const ram = new GuestRam(arena, PAGES * FRAME_BYTES, QUIET, hasSource ? source : undefined);
    const first = hasSource ? Thirds.contentOf(3) : 0;
    ram.writeU32(addressOf(3), 7);
    ram.forget([3]);
    const before = source.reads;
    expect(ram.readU32(addressOf(3))).toBe(first);
    expect(source.reads - before).toBe(hasSource ? 1 : 0);
    ram.discard([3, 6]);
    expect([...ram.touchedPages()].includes(3)).toBe(false);
    expect(ram.readU32(addressOf(3))).toBe(0);
    expect(ram.readU32(addressOf(6))).toBe(0);
    expect(source.reads - before).toBe(hasSource ? 1 : 0);
    ram.writeU32(addressOf(6, 4), 5);
    expect(ram.readU64(addressOf(6))).toBe(5n << 32n);
  });
});

describe('what guest RAM lends', () => {
  const ramOf = (events: Partial<RamEvents> = {}) => {
    const arena = new Arena({ bytes: 32 * MIB, shared: false });
    return { arena, ram: new GuestRam(arena, PAGES * FRAME_BYTES, { ...QUIET, ...events }, undefined) };
  };

  it('is copied at the first write only, and counted', () => {
    const { ram, arena } = ramOf();
    for (let page = 0; page < 4; page++) ram.writeU32(addressOf(page), page + 1);
    const before = arena.frameCount;
    const loan = ram.lend(addressOf(0, 100), 3 * FRAME_BYTES)!;
    expect(loan.spans.map(({ length }) => length)).toEqual([3996, 4096, 4096, 100]);
    expect(arena.frameCount).toBe(before);
    expect(ram.loans).toEqual({ lentFrames: 4, copiedPages: 0 });
    ram.writeU32(addressOf(1), 9);
    ram.writeU32(addressOf(1), 10);
    ram.spans(addressOf(2), 8, 'write');
    expect(ram.loans.copiedPages).toBe(2);
    expect(arena.frameCount).toBe(before + 2);
    expect(ram.bytes[loan.spans[1]!.offset]).toBe(2);
    loan.giveBack();
    expect(ram.loans).toEqual({ lentFrames: 0, copiedPages: 2 });
    expect(arena.frameCount).toBe(before);
    // Given back before it is written: nothing is copied.
    ram.lend(addressOf(3), 4)!.giveBack();
    ram.writeU32(addressOf(3), 11);
    expect(ram.loans.copiedPages).toBe(2);
  });

  it('write-protects just the pages that could be written', () => {
    const told: number[][] = [];
    const { ram } = ramOf({ pagesProtected: (pages) => told.push([...pages]) });
    ram.writeU32(addressOf(5), 1);
    ram.readU32(addressOf(6));
    const loans = [ram.lend(addressOf(5), 2 * FRAME_BYTES)!, ram.lend(addressOf(5), 4)!];
    expect(told).toEqual([[5]]);
    for (const loan of loans) loan.giveBack();
  });

  it('is nothing where there is no RAM, and nothing is kept when the source fails', () => {
    const { ram } = ramOf();
    expect(ram.lend(addressOf(PAGES - 1), FRAME_BYTES + 1)).toBeUndefined();
    expect(ram.lend(0n, 1)).toBeUndefined();
    expect(ram.lend(addressOf(0), 0)!.spans).toEqual([]);
    const arena = new Arena({ bytes: 32 * MIB, shared: false });
    const source: PageSource = {
      read: (page) => {
        if (page === 2) throw new Error('the disk is gone');
        return false;
      },
      hotPages: [],
      close: () => {},
    };
    const restored = new GuestRam(arena, PAGES * FRAME_BYTES, QUIET, source);
    restored.writeU32(addressOf(0), 1);
    expect(() => restored.lend(addressOf(0), 3 * FRAME_BYTES)).toThrow('the disk is gone');
    expect(restored.loans.lentFrames).toBe(0);
    restored.release();
    expect(arena.frameCount).toBe(0);
  });
});
