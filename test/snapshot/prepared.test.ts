/** Machines that are made before it is known what they will be. */
import { describe, expect, it } from 'vitest';
import { MachineCore } from '../../src/machine/core.ts';
import type { CoreOptions } from '../../src/machine/core-options.ts';
import type { PageSource } from '../../src/memory/page-source.ts';
import { CALLS_NEXT_PAGE, programMachine, runTo } from '../jit/program.ts';
import { CopiedPages } from '../support/copied-pages.ts';

const MIB = 1024 ** 2;
const OPTIONS: CoreOptions = { memoryBytes: 2 * MIB, seed: new Uint8Array(32), load: () => {} };

async function saved() {
  const core = await programMachine(CALLS_NEXT_PAGE);
  core.ram.writeU32(0x8000_1000n, 0x0015_0513); // addi a0,a0,1
  core.ram.writeU32(0x8000_1004n, 0x0000_8067); // jalr zero,0(ra)
  runTo(core, 20_000n);
  const { state, memory } = core.snapshot();
  const pages = new CopiedPages(memory);
  const digest = core.digest();
  runTo(core, 40_000n);
  return { state, memory, pages, digest, later: core.digest() };
}

describe('a prepared machine', () => {
  it('is what a restored one is', async () => {
    const { state, pages, digest, later } = await saved();
    const prepared = await MachineCore.prepare(OPTIONS);
    const core = prepared.begin(state, pages);
    expect(core.digest()).toBe(digest);
    runTo(core, 40_000n);
    expect(core.digest()).toBe(later);
    expect(() => prepared.begin(state, pages)).toThrow('begun or disposed of once');
  });

  it('keeps the pages that were put there ahead, and asks for no others than those that are missing', async () => {
    const { state, memory, later } = await saved();
    const prepared = await MachineCore.prepare(OPTIONS);
    const touched = [...memory.touchedPages()];
    const [last] = touched.slice(-1);
    for (let page = 0; page < memory.pageCount; page++) {
      if (page === last) continue;
      const content = new Uint8Array(4096);
      expect(prepared.ram.place(page, memory.readPage(page, content) ? content : undefined)).toBe(true);
      expect(prepared.ram.place(page, new Uint8Array(4096).fill(1))).toBe(false);
    }
    const asked: number[] = [];
    const rest: PageSource = {
      read: (page, into) => {
        asked.push(page);
        return memory.readPage(page, into);
      },
      hotPages: [],
      close: () => {},
    };
    const core = prepared.begin(state, rest);
    const written = core.ram.watchWrites();
    runTo(core, 40_000n);
    expect(core.digest()).toBe(later);
    expect(asked).toEqual([last]);
    // What came in is as the source has it.
    expect(written.size).toBeLessThan(touched.length);
  });

  it('says so when its memory is read before it is known', async () => {
    const prepared = await MachineCore.prepare(OPTIONS);
    expect(() => prepared.ram.readU32(0x8000_0000n)).toThrow('has not begun');
    prepared.dispose();
    expect(() => prepared.dispose()).toThrow('disposed');
  });

  it('leaves nothing behind when its state is damaged', async () => {
    const { pages } = await saved();
    const prepared = await MachineCore.prepare(OPTIONS);
    prepared.ram.place(3, new Uint8Array(4096).fill(3));
    expect(() => prepared.begin({}, pages)).toThrow(expect.objectContaining({ code: 'damaged' }));
  });
});
