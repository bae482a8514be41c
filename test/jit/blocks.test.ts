import { describe, expect, it } from 'vitest';
import { findBlocks, linkOf, pageDistance } from '../../src/execute/jit/blocks.ts';
import { compileBatch } from '../../src/execute/jit/compiler.ts';
import { ALL_OPTIMIZATIONS } from '../../src/execute/jit/options.ts';
import { encodePlan, otherDistances } from '../../src/execute/jit/plan.ts';
import { assemble } from './assembly.ts';
import { pageCode } from './page-code.ts';
import { programMachine, runTo } from './program.ts';

function planOf(source: string, entry = 'entry') {
  const { bytes, labels } = assemble(source);
  const view = new DataView(bytes.buffer);
  const start = labels.get(entry)!;
  const blocks = findBlocks(pageCode(bytes), start);
  return { blocks, plan: encodePlan(blocks, start, (offset) => view.getInt32(offset, true)) };
}

describe('what a region has code of', () => {
  const farCalls = (distances: readonly number[]) => `
    entry:  ${distances.map((distance) => `jal ra,far${distance}`).join('\n')}
            jal zero,entry
    ${[...distances]
      .sort((a, b) => a - b)
      .map((distance) => `.org ${distance * 4096}\nfar${distance}: addi a0,a0,1\njalr zero,0(ra)`)
      .join('\n')}
  `;

  it('is its page and a few others', () => {
    expect(otherDistances(planOf(farCalls([1, 2, 3])).plan)).toEqual([1, 2, 3]);
    expect(otherDistances(planOf(farCalls([1, 2, 3, 4, 5, 6])).plan)).toEqual([1, 2, 3, 4]);
  });

  it('is no two pages that would have one link', () => {
    expect(linkOf(1)).toBe(linkOf(17));
    expect(otherDistances(planOf(farCalls([1, 18, 17])).plan)).toEqual([1, 18]);
  });

  it('is no page of which nothing would be translated', () => {
    const { plan } = planOf(`
      entry:  addi a0,a0,1
              beq a0,zero,trap
              jal zero,entry
              .org 0x800
      trap:   jal zero,stop
              .org 0x1000
      stop:   ecall
    `);
    expect(otherDistances(plan)).toEqual([]);
  });

  it('is small callees only, if they lie in another page', () => {
    const callee = (size: number) => `
      entry:  jal ra,callee
              jal zero,entry
              .org 0x1000
      callee: ${'addi a0,a0,1\n'.repeat(size)}
              jalr zero,0(ra)
    `;
    const pages = (size: number) => planOf(callee(size)).blocks.map(({ start }) => pageDistance(start));
    expect(pages(10)).toContain(1);
    expect(pages(100)).not.toContain(1);
  });
});

describe('branches that go to the next instruction anyway', () => {
  it('do not double what follows', () => {
    const size = (branches: number) => {
      const row = Array.from({ length: branches }, (_, i) => `next${i}: beq a0,a1,next${i + 1}`).join('\n');
      const { plan } = planOf(`entry: addi a0,a0,1\n${row}\nnext${branches}: jal zero,entry`);
      const options = { shared: false, optimizations: ALL_OPTIMIZATIONS };
      return compileBatch({ id: 1, plans: [plan], options }, () => 0).bytes;
    };
    expect(size(20)).toBeLessThan(2 * size(10));
    expect(size(100)).toBeLessThan(20 * size(10));
  });
});

describe('regions of more instructions than a side exit can add', () => {
  const repeated = (count: number, instruction: string) => `${instruction}\n`.repeat(count);
  const reference = { enabled: false };

  it.each([
    [
      'one block behind another',
      `loop:   ${repeated(250, 'addi a1,a1,1')}
              beq a1,zero,out
              ${repeated(280, 'addi a2,a2,1')}
              csrrs a3,minstret,zero
              jal zero,loop
      out:    jal zero,out`,
    ],
    [
      'over the end of a page',
      `        lui s2,0x10000          # the UART
              jal zero,loop
              .org ${4096 - 4 * 251}
      loop:   ${repeated(251, 'addi a1,a1,1')}
              ${repeated(270, 'addi a2,a2,1')}
              lbu a3,5(s2)
              jal zero,loop`,
    ],
  ])('count them all: %s', async (_, source) => {
    const states = await Promise.all(
      [reference, { threshold: 1 }, { threshold: 40 }].map(async (translation) => {
        const core = await programMachine(source, { translation });
        runTo(core, 2000n, 200n);
        return { instructions: core.instructionsRetired, a3: core.current.x(13), digest: core.digest() };
      }),
    );
    for (const state of states) expect(state).toEqual(states[0]);
  });
});
