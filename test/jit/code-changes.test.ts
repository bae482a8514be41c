import { describe, expect, it } from 'vitest';
import { TranslationCache } from '../../src/execute/jit/cache.ts';
import { DirectCompiler } from '../../src/execute/jit/compiler.ts';
import type { TranslatorStatistics } from '../../src/execute/jit/translator.ts';
import type { MachineCore } from '../../src/machine/core.ts';
import type { CoreOptions } from '../../src/machine/core-options.ts';
import { collectGarbage } from '../../src/platform/node/garbage.ts';
import { programMachine, runTo } from './program.ts';

/**
 * Code that changes while it is hot. What it does is compared with the interpreter; what it costs is asserted as counts
 * of translations, never as time.
 */

/** Knows how many of the modules that it made there still are. */
class RememberingCompiler extends DirectCompiler {
  private readonly modules: WeakRef<WebAssembly.Module>[] = [];

  get made(): number {
    return this.modules.length;
  }

  alive(): number {
    return this.modules.filter((module) => module.deref() !== undefined).length;
  }

  override take() {
    const finished = super.take();
    for (const { module } of finished) this.modules.push(new WeakRef(module));
    return finished;
  }
}

const LAST_BRANCHES = 400_000n;
const COMPARE_EVERY = 50_000n;
const USUAL_THRESHOLD = 2500;
const THRESHOLDS = [20, USUAL_THRESHOLD];

type Prepare = (core: MachineCore, branches: bigint) => void;

async function statesOf(source: string, options: Partial<CoreOptions>, between: Prepare) {
  const core = await programMachine(source, { cache: new TranslationCache(), ...options });
  const seen: unknown[] = [];
  for (let branches = COMPARE_EVERY; branches <= LAST_BRANCHES; branches += COMPARE_EVERY) {
    runTo(core, branches);
    seen.push({ ...core.point, instructions: core.instructionsRetired, digest: core.digest() });
    between(core, branches);
  }
  return { core, seen };
}

/** Runs a program interpreted, then translated at several thresholds. Gives what the usual one did. */
async function compared(
  source: string,
  between: Prepare = () => {},
): Promise<{ core: MachineCore; stats: TranslatorStatistics }> {
  const { seen } = await statesOf(source, { translation: { enabled: false } }, between);
  let usual: MachineCore | undefined;
  for (const threshold of THRESHOLDS) {
    const { core, seen: translated } = await statesOf(source, { translation: { threshold } }, between);
    expect(translated, `threshold ${threshold}`).toEqual(seen);
    usual = core;
  }
  return { core: usual!, stats: usual!.engine.translator.stats };
}

describe('data among code', () => {
  const layouts: readonly (readonly [name: string, source: string])[] = [
    [
      'behind an instruction of 4 bytes',
      `
            auipc s2,0x0
      loop: addi s1,s1,1
            sw s1,24(s2)
            lw s3,24(s2)
            xor a0,a0,s3
            jal zero,loop
            .4byte 0x0
      `,
    ],
    [
      'behind an instruction of 2 bytes',
      `
            auipc s2,0x0
      loop: addi s1,s1,1
            sh s1,18(s2)
            xor a0,a0,s1
            c.j loop
            .2byte 0x0
      `,
    ],
    [
      'before an instruction',
      `
            auipc s2,0x0
            jal zero,loop
            .4byte 0x0
      loop: addi s1,s1,1
            sw s1,8(s2)
            xor a0,a0,s1
            jal zero,loop
      `,
    ],
    [
      'elsewhere in the page',
      `
            auipc s2,0x0
      loop: addi s1,s1,1
            sd s1,2040(s2)
            addi s3,s2,1024
            amoadd.w a1,s1,(s3)
            xor a0,a0,s1
            jal zero,loop
      `,
    ],
  ];
  it.each(layouts)('%s is stored to without any translation being lost', async (_name, source) => {
    const { stats } = await compared(source);
    expect(stats.translated).toBeGreaterThan(0);
    expect(stats.dropped).toBe(0);
    expect(stats.translated).toBeLessThanOrEqual(4);
  });

  it('is stored to directly where there is no code any more', async () => {
    const source = `
              auipc s2,0x0
              lui t0,0x2
              add s3,s2,t0
              lui s7,0x100
              lui s8,0x50
              addi s8,s8,1299       # addi a0,a0,0
              lui s9,0x8
              addi s9,s9,103        # jalr zero,0(ra)
      again:  add s8,s8,s7          # another function each time
              sw s8,0(s3)
              sw s9,4(s3)
              fence.i
              jalr ra,0(s3)
              addi s5,s5,1
              addi s4,s3,0
              lui t1,0x1
              add t1,s4,t1
      clear:  sd zero,0(s4)
              addi s4,s4,8
              bne s4,t1,clear
              addi s6,zero,1000
      fill:   sd s6,16(s3)
              addi s6,s6,-1
              bne s6,zero,fill
              jal zero,again
    `;
    const pages: number[] = [];
    const { core, stats } = await compared(source, (one) => {
      pages.push(one.engine.decoded.stats.pages);
    });
    // Each function added one more than the one before; the last may have returned just now.
    const calls = [core.current.x(21), core.current.x(21) + 1n];
    expect(calls.map((count) => (count * (count + 1n)) / 2n)).toContain(core.current.x(10));
    expect(calls[0]).toBeGreaterThan(100n);
    // The program's own page, and that of the function, until it is cleared.
    expect(pages).toContain(1);
    expect(Math.max(...pages)).toBeLessThanOrEqual(2);
    expect(stats.translated).toBeLessThanOrEqual(20);
  });
});

/** `s4` is added to the instruction at `work`, which adds to its immediate. */
function patching(callsBetween: number): string {
  return `
            auipc s2,0x0
            lui s4,0x100
    outer:  addi s1,zero,${callsBetween}
    inner:  jal ra,work
            addi s1,s1,-1
            bne s1,zero,inner
            lw t1,64(s2)
            add t1,t1,s4
            sw t1,64(s2)
            fence.i
            jal zero,outer
            .4byte 0x0
            .4byte 0x0
            .4byte 0x0
            .4byte 0x0
            .4byte 0x0
    work:   addi a0,a0,1
            xor a1,a1,a0
            jalr zero,0(ra)
  `;
}

describe('code that changes itself', () => {
  it.each([1, 10, 200, 2000])('every %i calls does the same, and costs few translations', async (calls) => {
    const { stats } = await compared(patching(calls));
    // A place must be visited so often again after each change.
    const places = 4;
    expect(stats.translated).toBeLessThanOrEqual((places * Number(LAST_BRANCHES)) / USUAL_THRESHOLD);
    expect(stats.compiled).toBeLessThanOrEqual(stats.translated + places);
  });

  it('on one page with a hot loop, as a compiler in the guest would, does the same', async () => {
    // Writes a function of three instructions, other ones each time, calls it 40 times, and goes on 64 bytes further.
    const source = `
              auipc s2,0x0
              lui s4,0x100
              lui s6,0x50
              addi s6,s6,1299       # addi a0,a0,0
              lui s7,0xb54
              addi s7,s7,1459       # xor a1,a0,a1 or the like
              lui s8,0x8
              addi s8,s8,103        # jalr zero,0(ra)
              lui t0,0x1
              add s3,s2,t0          # the page of the functions
      make:   add s6,s6,s4
              sw s6,0(s3)
              sw s7,4(s3)
              sw s8,8(s3)
              fence.i
              addi s1,zero,40
      call:   jalr ra,0(s3)
              addi s1,s1,-1
              bne s1,zero,call
              addi s3,s3,64
              slli t1,s3,0x34
              bne t1,zero,make
              lui t0,0x1
              sub s3,s3,t0
              jal zero,make
    `;
    const { stats } = await compared(source);
    expect(stats.translated).toBeLessThanOrEqual((3 * Number(LAST_BRANCHES)) / USUAL_THRESHOLD);
  });

  it('without fence.i runs the new instruction at once, in every tier', async () => {
    const { core } = await compared(patching(1).replace('fence.i', 'addi zero,zero,0'));
    expect(core.current.x(10)).not.toBe(0n);
  });
});

describe('more hot places than may be translated at once', () => {
  /** So many functions of two instructions from the next page on. */
  const FUNCTIONS = 4500;
  const source = `
            auipc s2,0x0
            lui t0,0x1
            add s3,s2,t0
            lui s5,0x9
            add s5,s5,s3            # ${FUNCTIONS} * 8 = 36000 = 0x9000 - 864
            addi s5,s5,-864
    again:  addi s4,s3,0
    call:   jalr ra,0(s4)
            addi s4,s4,8
            bne s4,s5,call
            jal zero,again
  `;
  const fill = (core: MachineCore): void => {
    for (let i = 0; i < FUNCTIONS; i++) {
      const at = 0x8000_1000n + BigInt(8 * i);
      core.ram.writeU32(at, (((i & 1023) << 20) | 0x0005_0513) >>> 0); // addi a0,a0,i
      core.ram.writeU32(at + 4n, 0x0000_8067); // jalr zero,0(ra)
    }
  };

  it('are given up together, again and again, and do the same', async () => {
    const states = async (translation: { enabled?: boolean; threshold?: number }) => {
      const core = await programMachine(source, { cache: new TranslationCache(), translation });
      fill(core);
      const seen: unknown[] = [];
      for (let branches = 30_000n; branches <= 150_000n; branches += 30_000n) {
        runTo(core, branches, 500n);
        seen.push({ ...core.point, digest: core.digest() });
      }
      return { seen, stats: core.engine.translator.stats };
    };
    const reference = await states({ enabled: false });
    const { seen, stats } = await states({ threshold: 2 });
    expect(seen).toEqual(reference.seen);
    expect(stats.evictions).toBeGreaterThan(0);
    expect(stats.regions).toBeLessThanOrEqual(3071);
    expect(stats.modules).toBeLessThanOrEqual(250);
  });

  it('are given up when there is too much WebAssembly of few', async () => {
    const functions = 1000;
    // Each access has a base register of its own making, so each is looked up in the TLB.
    const words = Array.from({ length: 126 }, () => [0x000b_0b13, 0x000b_4503]).flat(); // addi s6,s6,0; lbu a0,0(s6)
    const far = `
            auipc s2,0x0
            lui t0,0x1
            add s3,s2,t0
            addi s6,s3,0
            lui s5,0x${(functions / 4).toString(16)}
            add s5,s5,s3
    again:  addi s4,s3,0
    call:   jalr ra,0(s4)
            addi s4,s4,1024
            bne s4,s5,call
            jal zero,again
    `;
    const core = await programMachine(far, { cache: new TranslationCache(), translation: { threshold: 2 } });
    for (let i = 0; i < functions; i++) {
      const at = 0x8000_1000n + BigInt(1024 * i);
      // addi a1,zero,i, so that no two are alike; and jalr zero,0(ra).
      const code = [((i << 20) | 0x593) >>> 0, ...words, 0x0000_8067];
      for (const [k, word] of code.entries()) core.ram.writeU32(at + BigInt(4 * k), word);
    }
    let most = 0;
    for (let branches = 1000n; branches <= 20_000n; branches += 1000n) {
      runTo(core, branches, 500n);
      most = Math.max(most, core.engine.translator.stats.liveBytes);
    }
    const { evictions, translated, dropped, regions } = core.engine.translator.stats;
    expect(evictions).toBeGreaterThan(0);
    expect(regions).toBe(translated - dropped);
    // The modules of a few batches come at once.
    expect(most).toBeLessThan(8 * 1024 ** 2);
  });

  it('are freed by the host when they are given up', async () => {
    const compiler = new RememberingCompiler();
    const kept = 3;
    const cache = new TranslationCache({ bytes: 1e9, modules: kept });
    const core = await programMachine(source, { cache, compiler, collectGarbage, translation: { threshold: 2 } });
    fill(core);
    runTo(core, 60_000n, 500n);
    const { evictions, modules } = core.engine.translator.stats;
    expect(evictions).toBeGreaterThan(0);
    // What has been looked at through a weak reference stays until the next turn.
    await new Promise((resolve) => setImmediate(resolve));
    collectGarbage();
    expect(compiler.alive()).toBeLessThanOrEqual(modules + kept);
    expect(compiler.made).toBeGreaterThan(modules + kept);
  });
});
