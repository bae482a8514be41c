import { describe, expect, it } from 'vitest';
import { findBlocks } from '../../src/execute/jit/blocks.ts';
import { TranslationCache } from '../../src/execute/jit/cache.ts';
import { type CompiledBatch, compileBatch, DirectCompiler, type RegionBatch } from '../../src/execute/jit/compiler.ts';
import { type CodeOptions, optimizationsWithout } from '../../src/execute/jit/options.ts';
import { decodePlan, encodePlan } from '../../src/execute/jit/plan.ts';
import { MachineCore } from '../../src/machine/core.ts';
import { Engine, TRANSLATION_DEFAULTS } from '../../src/machine/engine.ts';
import { bootImages } from '../../src/machine/linux.ts';
import { guestImages } from '../support/guest.ts';
import { assemble } from './assembly.ts';
import { pageCode } from './page-code.ts';
import { programMachine, runTo } from './program.ts';

/** One page alone, at address 0. */
const HERE = (distance: number) => (distance === 0 ? 0 : undefined);

const OPTIONS: CodeOptions = { shared: false, optimizations: optimizationsWithout() };

/** Two loops, of which the inner one calls a function. */
const PROGRAM = `
          addi s0,zero,0
outer:    addi s1,zero,50
inner:    jal ra,work
          addi s1,s1,-1
          bne s1,zero,inner
          addi s0,s0,1
          jal zero,outer
work:     add a0,a0,s1
          xor a1,a1,a0
          jalr zero,0(ra)
`;

/** A page in memory of its own, with what a loop that adds `step` is translated to. */
function loopPage(step: number) {
  const { bytes } = assemble(`loop: addi a0,a0,${step}\nbne a0,a1,loop\njal zero,loop`);
  const view = new DataView(new ArrayBuffer(4096));
  bytes.forEach((byte, i) => {
    view.setUint8(i, byte);
  });
  const plan = encodePlan(findBlocks(pageCode(bytes), 0), 0, (offset) => view.getInt32(offset, true));
  return { view, plan };
}

function compiled(step: number, options = OPTIONS): CompiledBatch {
  return compileBatch({ id: 1, plans: [loopPage(step).plan], options }, () => 0);
}

describe('plans of regions', () => {
  it('hold all that a region is made from', () => {
    const { bytes } = assemble(PROGRAM);
    const blocks = findBlocks(pageCode(bytes), 4);
    const view = new DataView(bytes.buffer);
    const plan = encodePlan(blocks, 4, (offset) => view.getInt32(offset, true));
    expect(decodePlan(plan)).toEqual(blocks);
    expect(plan[0]).toBe(4);
  });
});

describe('the translation cache', () => {
  it('finds a region by the content of a page alone', () => {
    const cache = new TranslationCache();
    const one = cache.add(compiled(1));
    expect(cache.find(loopPage(1).view, HERE, 0, OPTIONS)?.owner).toBe(one);
    expect(cache.find(loopPage(2).view, HERE, 0, OPTIONS)).toBeUndefined();
    expect(cache.find(loopPage(1).view, HERE, 4, OPTIONS)).toBeUndefined();
  });

  it('compares every instruction, not only the first', () => {
    const cache = new TranslationCache();
    cache.add(compiled(1));
    const { view } = loopPage(1);
    view.setInt32(8, 0x0000_0013, true); // a nop in place of the last jump
    expect(cache.find(view, HERE, 0, OPTIONS)).toBeUndefined();
    const apart = loopPage(1);
    apart.view.setInt32(12, -1, true); // behind the region
    expect(cache.find(apart.view, HERE, 0, OPTIONS)).toBeDefined();
  });

  it('keeps code of different options apart', () => {
    const cache = new TranslationCache();
    cache.add(compiled(1));
    for (const options of [
      { ...OPTIONS, shared: true },
      { ...OPTIONS, optimizations: optimizationsWithout(['linking']) },
    ])
      expect(cache.find(loopPage(1).view, HERE, 0, options)).toBeUndefined();
  });

  it('forgets what was used longest ago', () => {
    const cache = new TranslationCache({ bytes: 1e9, modules: 3 });
    for (const step of [1, 2, 3]) cache.add(compiled(step));
    expect(cache.find(loopPage(1).view, HERE, 0, OPTIONS)).toBeDefined();
    cache.add(compiled(4));
    const kept = [1, 2, 3, 4].filter((step) => cache.find(loopPage(step).view, HERE, 0, OPTIONS));
    expect(kept).toEqual([1, 3, 4]);
    expect(cache.stats).toMatchObject({ modules: 3, forgotten: 1 });
  });

  it('is bounded in bytes', () => {
    const { bytes } = compiled(1);
    const cache = new TranslationCache({ bytes: 2 * bytes, modules: 1000 });
    for (let step = 1; step <= 20; step++) cache.add(compiled(step));
    expect(cache.stats).toMatchObject({ modules: 2, bytes: 2 * bytes, forgotten: 18 });
  });
});

/** A compiler that counts what it is asked for. */
class CountingCompiler extends DirectCompiler {
  regions = 0;
  override submit(batch: RegionBatch): void {
    this.regions += batch.plans.length;
    super.submit(batch);
  }
}

describe('machines that share a cache', () => {
  const run = async (cache: TranslationCache, without: Parameters<typeof optimizationsWithout>[0] = []) => {
    const compiler = new CountingCompiler();
    const core = await programMachine(PROGRAM, {
      compiler,
      cache,
      translation: { threshold: 20, optimizations: optimizationsWithout(without) },
    });
    runTo(core, 400_000n);
    return { core, compiler, digest: core.digest() };
  };

  it('compile nothing that another one has compiled', async () => {
    const cache = new TranslationCache();
    const first = await run(cache);
    expect(first.compiler.regions).toBeGreaterThan(1);
    expect(first.core.engine.translator.stats.cached).toBe(0);
    const second = await run(cache);
    expect(second.digest).toBe(first.digest);
    expect(second.compiler.regions).toBe(0);
    expect(second.core.engine.translator.stats).toMatchObject({ compiled: 0, bytes: 0 });
    expect(second.core.engine.translator.stats.cached).toBe(second.core.engine.translator.stats.translated);
    expect(second.core.engine.translator.stats.cached).toBeGreaterThan(1);
  });

  it('compile everything themselves without it', async () => {
    const cache = new TranslationCache();
    const first = await run(cache, ['cache']);
    const second = await run(cache, ['cache']);
    expect(second.digest).toBe(first.digest);
    expect(second.compiler.regions).toBe(first.compiler.regions);
    expect(cache.stats.modules).toBe(0);
  });

  it('find their code again after a page was written and written back', async () => {
    const cache = new TranslationCache();
    const { core, compiler } = await run(cache);
    const before = compiler.regions;
    const code = core.ram.copyOut(0x8000_0000n, 64)!;
    core.ram.copyIn(0x8000_0000n, new Uint8Array(64));
    core.ram.copyIn(0x8000_0000n, code);
    const { dropped, cached } = core.engine.translator.stats;
    expect(dropped).toBeGreaterThan(0);
    runTo(core, 800_000n);
    expect(core.engine.translator.stats.cached).toBeGreaterThan(cached);
    expect(compiler.regions).toBe(before);
  });

  it('find their code again after their decoded page was given up', async () => {
    const cache = new TranslationCache();
    const compiler = new CountingCompiler();
    const engine = await Engine.create({
      memory: { bytes: 1024 ** 2, shared: false },
      floatFastPaths: true,
      decodedPageLimit: 2,
      translation: TRANSLATION_DEFAULTS,
      compiler,
      cache,
    });
    const frame = engine.arena.allocateFrame();
    engine.arena.bytes.set(assemble(PROGRAM).bytes, frame);
    const translate = () => {
      const page = engine.decoded.take(frame)!;
      engine.translator.hot(page, page + 16, () => undefined);
      engine.translator.translatePending();
    };
    translate();
    expect(engine.translator.stats).toMatchObject({ regions: 1, modules: 1 });
    engine.decoded.clear();
    expect(engine.translator.stats).toMatchObject({ regions: 0, modules: 1 });
    engine.translator.evict();
    expect(engine.translator.stats).toMatchObject({ regions: 0, modules: 0, evictions: 1 });
    translate();
    expect(engine.translator.stats).toMatchObject({ regions: 1, modules: 1, compiled: 1, cached: 1 });
    expect(compiler.regions).toBe(1);
  });
});

describe('a second machine with the same kernel', async () => {
  const images = await guestImages();
  const reason = 'reason' in images ? images.reason : undefined;

  it.skipIf(reason)(
    `compiles almost nothing${reason ? ` (skipped: ${reason})` : ''}`,
    async () => {
      if ('reason' in images) throw new Error(images.reason);
      const cache = new TranslationCache();
      const boot = async (seed: number) => {
        const core = await MachineCore.create({
          memoryBytes: 128 * 1024 ** 2,
          // Another one shuffles the kernel's structures, and with them what is hot when.
          seed: new Uint8Array(32).fill(seed),
          load: bootImages({ ...images, bootArguments: 'console=ttyS0 quiet cryptomgr.notests' }),
          cache,
        });
        while (core.current.branches < 15_000_000n) {
          const outcome = core.run(core.current.branches + 200_000n);
          if (outcome.kind === 'waiting') core.skipTo(outcome.deadline!);
        }
        return core.engine.translator.stats;
      };
      const first = await boot(1);
      expect(first.compiled).toBeGreaterThan(100);
      const second = await boot(2);
      expect(second.compiled).toBeLessThan(first.compiled / 10);
      expect(second.cached).toBeGreaterThan(first.compiled / 2);
    },
    120_000,
  );
});
