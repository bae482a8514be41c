import { describe, expect, it } from 'vitest';
import { findBlocks, isThreaded } from '../../src/execute/jit/blocks.ts';
import { TranslationCache } from '../../src/execute/jit/cache.ts';
import { makeGraph } from '../../src/execute/jit/graph.ts';
import { Random } from '../../src/isa/generate/index.ts';
import { seedOf } from '../differential/seed.ts';
import { assemble } from './assembly.ts';
import { pageCode } from './page-code.ts';
import { programMachine, runTo } from './program.ts';

/**
 * An interpreter in the guest: every operation ends with an indirect jump to the next, and any can follow any other.
 */

const NEXT = `
          ld a1,0(a0)
          addi a0,a0,8
          jalr zero,0(a1)
`;
const OPERATIONS = {
  add: 'add a2,a2,a3',
  mix: 'xor a3,a3,a2',
  shift: 'slli a2,a2,0x1',
  step: 'addi a3,a3,7',
  subtract: 'sub a2,a2,a3',
  multiply: 'mul a3,a3,a2',
  spill: 'sd a2,-16(s0)',
  fill: 'ld a3,-16(s0)',
  restart: 'addi a0,s0,0',
};
const NAMES = Object.keys(OPERATIONS);
const PROGRAM = `
          auipc s2,0x0
          lui t0,0x2
          add s0,s2,t0
          addi a0,s0,0
          ${NEXT}
          ${Object.entries(OPERATIONS)
            .map(([name, code]) => `${name}: ${code}\n${NEXT}`)
            .join('\n')}
`;
const { bytes, labels } = assemble(PROGRAM);
const RAM = 0x8000_0000n;
const LIST = RAM + 0x2000n;
const LENGTH = 200;
const LAST_BRANCHES = 100_000n;
const SEEDS = 4;
const THRESHOLDS = [1, 20, 300];

/** The same after `restart` as before, but for what is in the registers. */
function operations(random: Random): Uint8Array {
  const names = Array.from({ length: LENGTH }, () => random.pick(NAMES.slice(0, -1)));
  const addresses = [...names, 'restart'].map((name) => RAM + BigInt(labels.get(name)!));
  return new Uint8Array(BigUint64Array.from(addresses).buffer);
}

describe('threaded code', () => {
  it('keeps all its operations in one region', () => {
    const targets = NAMES.map((name) => labels.get(name)!);
    const entry = labels.get('mix')!;
    const blocks = findBlocks(pageCode(bytes, { indirectTargets: targets }), entry);
    expect(isThreaded(blocks)).toBe(true);
    const graph = makeGraph(blocks, entry);
    expect(graph.blocks.length).toBe(NAMES.length + 1);
    expect(graph.dispatched.length).toBeGreaterThan(NAMES.length / 2);
    graph.blocks.forEach((_, from) => {
      graph.blocks.forEach((_other, to) => {
        expect(graph.isCut(from, to)).toBe(false);
      });
    });
  });

  it.each(THRESHOLDS)('does the same translated (after %i visits) and interpreted', async (threshold) => {
    const { seed, note } = seedOf('threaded code', 73);
    for (let i = 0; i < SEEDS; i++) {
      const list = operations(new Random(seed + i));
      const states = async (translation: { enabled?: boolean; threshold?: number }) => {
        // What was translated before all operations had run is not to be found again.
        const core = await programMachine(PROGRAM, { translation, cache: new TranslationCache() });
        core.ram.copyIn(LIST, list);
        const random = new Random(seed + i);
        const seen: unknown[] = [];
        while (core.current.branches < LAST_BRANCHES) {
          runTo(core, core.current.branches + BigInt(random.between(1, 4000)));
          seen.push({ ...core.point, instructions: core.instructionsRetired, digest: core.digest() });
        }
        return { seen, translated: core.engine.statistics(core.current.address).translatedInstructions };
      };
      const reference = await states({ enabled: false });
      const { seen, translated } = await states({ threshold });
      expect(seen, note).toEqual(reference.seen);
      expect(translated).toBeGreaterThan(Number(LAST_BRANCHES));
    }
  });
});
