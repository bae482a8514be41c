/** Real guests while pages are lent and forgotten under them: in between runs, as the host does it. */
import { describe, expect, it } from 'vitest';
import { MachineCore } from '../../src/machine/core.ts';
import type { CoreOptions } from '../../src/machine/core-options.ts';
import type { Loan } from '../../src/memory/loan.ts';
import type { PageSource } from '../../src/memory/page-source.ts';
import { ReplayRunner } from '../../src/run/replay-runner.ts';
import { assemble } from '../jit/assembly.ts';
import { CALLS_NEXT_PAGE, NEXT_PAGE, programMachine } from '../jit/program.ts';
import { CopiedPages } from '../support/copied-pages.ts';
import { guestImages, guestOptions } from '../support/guest.ts';
import { randomNumbers } from '../support/random.ts';

const FRAME_BYTES = 4096;
const MIB = 1024 ** 2;
const RAM = 0x8000_0000n;
const SEEDS = [1, 2];
const STEPS = 60;
/** Odd, so that it falls anywhere. */
const STEP_BRANCHES = 234_567n;
const THRESHOLDS = [1, 2500];

/** Counts in a word of the page behind its own, for ever. */
const COUNTS = `
          auipc s2,0x0
          lui t0,0x1
          add s3,s2,t0
  again:  ld t1,0(s3)
          addi t1,t1,1
          sd t1,0(s3)
          jal zero,again
`;

/** Pages that the test changes under the machine, as those of a machine that still runs elsewhere. */
class ChangingPages implements PageSource {
  readonly hotPages = [];
  readonly pages = new Map<number, Uint8Array>();

  read(page: number, into: Uint8Array): boolean {
    const content = this.pages.get(page);
    if (content) into.set(content);
    return content !== undefined;
  }

  storedPages(): Iterable<number> {
    return [...this.pages.keys()].sort((a, b) => a - b);
  }

  close(): void {}
}

function runOn(core: MachineCore, branches: bigint): void {
  new ReplayRunner(core, []).run(core.current.branches + branches);
}

describe.each(THRESHOLDS)('a program (translated after %i visits)', (threshold) => {
  const translation = { threshold };

  it('writes to a copy of what is lent, wherever its hart had the page already', async () => {
    const core = await programMachine(COUNTS, { translation });
    for (let round = 0; round < 20; round++) {
      core.run(core.current.branches + 5000n);
      const loan = core.ram.lend(NEXT_PAGE, 8)!;
      const word = () => core.engine.arena.longs[loan.spans[0]!.offset / 8];
      const then = core.ram.readU64(NEXT_PAGE);
      expect(word()).toBe(then);
      core.run(core.current.branches + 5000n);
      expect(word()).toBe(then);
      expect(core.ram.readU64(NEXT_PAGE)).toBe(then! + 5000n);
      loan.giveBack();
    }
    expect(core.ram.loans).toEqual({ lentFrames: 0, copiedPages: 20 });
  });

  it('is stopped at many pages at once, as at one', async () => {
    const core = await programMachine(COUNTS, { translation });
    core.run(5000n);
    for (let page = 0n; page < 100n; page++) core.ram.writeU32(RAM + (page + 100n) * 4096n, 1);
    const loan = core.ram.lend(RAM, 256 * FRAME_BYTES)!;
    const then = core.ram.readU64(NEXT_PAGE);
    core.run(core.current.branches + 5000n);
    expect(core.engine.arena.longs[loan.spans[1]!.offset / 8]).toBe(then);
    expect(core.ram.loans.copiedPages).toBe(1);
    loan.giveBack();
  });

  it.each([1, 300])('runs and reads what is in the source now when %i pages are forgotten', async (count) => {
    const original = await programMachine(CALLS_NEXT_PAGE, { translation });
    const source = new ChangingPages();
    const adding = (adds: number) => {
      const page = new Uint8Array(FRAME_BYTES);
      page.set(assemble(`addi a0,a0,${adds}\n jalr zero,0(ra)`).bytes);
      return page;
    };
    source.pages.set(0, original.ram.copyOut(RAM, FRAME_BYTES)!);
    source.pages.set(1, adding(1));
    const options: CoreOptions = { memoryBytes: 2 * MIB, seed: new Uint8Array(32), load: () => {}, translation };
    const core = await MachineCore.restore(options, original.save(), source);
    core.run(20_000n);
    expect(core.current.x(10)).toBeGreaterThan(1000n);
    const frames = core.engine.arena.frameCount;
    for (let adds = 2; adds < 20; adds++) {
      source.pages.set(1, adding(adds));
      core.ram.forget(Array.from({ length: count }, (_, i) => 1 + i));
      const before = core.current.x(10);
      core.run(core.current.branches + 20_000n);
      const calls = (core.current.x(10) - before) / BigInt(adds);
      // The call that was under way may have been in the page already.
      expect(Number(calls)).toBeGreaterThan(4000);
      expect((core.current.x(10) - before) % BigInt(adds)).toBe(0n);
      expect(core.engine.arena.frameCount).toBe(frames);
    }
  });

  it('counts from zero again when its word is discarded', async () => {
    const core = await programMachine(COUNTS, { translation });
    const snapshots = [];
    for (let round = 0; round < 10; round++) {
      core.run(core.current.branches + 5000n);
      snapshots.push({ memory: core.snapshot().memory, word: core.ram.readU64(NEXT_PAGE) });
      core.ram.discard([1]);
      core.run(core.current.branches + 1000n);
      expect(core.ram.readU64(NEXT_PAGE)).toBe(1000n);
    }
    for (const { memory, word } of snapshots) {
      const page = new Uint8Array(FRAME_BYTES);
      memory.readPage(1, page);
      expect(new DataView(page.buffer).getBigUint64(0, true)).toBe(word);
      memory.release();
    }
  });
});

describe('Linux', async () => {
  const images = await guestImages();
  const reason = 'reason' in images ? images.reason : undefined;

  const options = (): CoreOptions => guestOptions(images, { reservedBytes: 512 * MIB });

  const undisturbed = async () => {
    const core = await MachineCore.create(options());
    for (let step = 0; step < STEPS; step++) runOn(core, STEP_BRANCHES);
    return { digest: core.digest(), frames: core.engine.arena.frameCount };
  };

  /** Bytes that are lent and must stay as they were. */
  interface Lent {
    readonly loan: Loan;
    readonly copies: Uint8Array[];
  }

  it.skipIf(reason)('does not notice that its pages are lent', async () => {
    const alone = await undisturbed();
    for (const seed of SEEDS) {
      const random = randomNumbers(seed);
      const core = await MachineCore.create(options());
      const { ram } = core;
      const lent: Lent[] = [];
      const giveBack = ({ loan, copies }: Lent): void => {
        loan.spans.forEach(({ offset, length }, i) => {
          const now = ram.bytes.subarray(offset, offset + length);
          if (Buffer.compare(now, copies[i]!) !== 0) throw new Error(`what was lent has changed (seed ${seed})`);
        });
        loan.giveBack();
      };
      for (let step = 0; step < STEPS; step++) {
        runOn(core, STEP_BRANCHES);
        const written = [...ram.presentPages()];
        for (let i = 0; i < 20; i++) {
          const page = written[random(written.length)]!;
          const loan = ram.lend(RAM + BigInt(page * FRAME_BYTES), FRAME_BYTES)!;
          lent.push({ loan, copies: loan.spans.map(({ offset, length }) => ram.bytes.slice(offset, offset + length)) });
        }
        if (random(4) === 0) core.snapshot().memory.release();
        while (lent.length > random(400)) giveBack(lent.splice(random(lent.length), 1)[0]!);
      }
      expect(core.digest()).toBe(alone.digest);
      expect(ram.loans.copiedPages).toBeGreaterThan(50);
      for (const each of lent) giveBack(each);
      expect(core.engine.arena.frameCount).toBe(alone.frames);
    }
  });

  it.skipIf(reason)('does not notice that pages are forgotten which the source has as they are', async () => {
    const first = await MachineCore.create(options());
    for (let step = 0; step < STEPS / 2; step++) runOn(first, STEP_BRANCHES);
    const { state, memory } = first.snapshot();
    const pages = new CopiedPages(memory);
    for (let step = STEPS / 2; step < STEPS; step++) runOn(first, STEP_BRANCHES);
    for (const seed of SEEDS) {
      const random = randomNumbers(seed);
      const core = await MachineCore.restore(options(), state, pages);
      const written = new Set<number>();
      let forgotten = 0;
      for (let step = STEPS / 2; step < STEPS; step++) {
        const watched = core.ram.restartWatch(undefined);
        runOn(core, STEP_BRANCHES);
        core.ram.unwatch(watched);
        for (const page of watched.pages()) written.add(page);
        // Few at a time, or many.
        const chance = random(2) === 0 ? 200 : 2;
        const unwritten = [...core.ram.presentPages()].filter((page) => !written.has(page) && random(chance) === 0);
        core.ram.forget(unwritten);
        forgotten += unwritten.length;
      }
      expect(forgotten).toBeGreaterThan(1000);
      expect(core.digest()).toBe(first.digest());
    }
  });
});
