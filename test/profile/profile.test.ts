import { describe, expect, it } from 'vitest';
import { Random } from '../../src/isa/generate/random.ts';
import { MachineCore } from '../../src/machine/core.ts';
import { bootImages } from '../../src/machine/linux.ts';
import {
  readElfSymbols,
  readKallsyms,
  readSystemMap,
  Sampler,
  type SamplerOptions,
  SymbolTable,
  speedscopeFile,
} from '../../src/profile/index.ts';
import { guestImages } from '../support/guest.ts';
import { elfProgram } from './elf.ts';
import { expectSpeedscope, shareOf } from './format.ts';
import { hotAndCold } from './programs.ts';

const RAM = 0x8000_0000n;
const NO_SYMBOLS = new SymbolTable([]);

async function machine(enabled = true): Promise<MachineCore> {
  const { code } = hotAndCold(RAM);
  return await MachineCore.create({
    memoryBytes: 2 * 1024 ** 2,
    seed: new Uint8Array(32),
    translation: { enabled, threshold: 100 },
    load: (core) => {
      core.ram.copyIn(RAM, code);
      core.current.pc = RAM;
    },
  });
}

/** Time is instructions, so that the result is the same each time. */
function sample(core: MachineCore, options: Partial<SamplerOptions> = {}): Sampler {
  return new Sampler(core, { nowMs: () => Number(core.instructionsRetired), everyBranches: 499, ...options });
}

function run(core: MachineCore, branches: bigint): void {
  while (core.current.branches < branches) {
    const aim = core.current.branches + 10_000n;
    expect(core.run(aim < branches ? aim : branches).kind).toBe('slice');
    expect(core.acceptsEvents).toBe(true);
  }
}

describe('samples of a machine', () => {
  it('fall where its time goes', async () => {
    for (const enabled of [false, true]) {
      const core = await machine(enabled);
      const sampler = sample(core);
      run(core, 1_000_000n);
      const kernel = new SymbolTable(
        hotAndCold(RAM).symbols.map((symbol) => ({ ...symbol, bytes: BigInt(symbol.bytes) })),
      );
      const file = expectSpeedscope(speedscopeFile('test', sampler.samples, { kernel, user: NO_SYMBOLS }));
      expect(sampler.samples.length).toBeGreaterThan(1500);
      // 9 times 41 instructions of about 400 in each round.
      expect(shareOf(file, 'hot')).toBeGreaterThan(0.6);
      expect(shareOf(file, 'hot')).toBeGreaterThan(10 * shareOf(file, 'cold'));
      expect(shareOf(file, 'cold')).toBeGreaterThan(0);
      expect(shareOf(file, 'machine mode')).toBe(1);
      if (enabled) expect(shareOf(file, 'translated')).toBeGreaterThan(0.9);
      else expect(shareOf(file, 'interpreted')).toBe(1);
    }
  });

  it('end when they are told to, with several at a time, and the machine goes on', async () => {
    const [plain, sampled] = [await machine(), await machine()];
    const first = sample(sampled);
    const second = sample(sampled, { everyBranches: 333 });
    run(sampled, 50_000n);
    first.stop();
    const count = first.samples.length;
    run(sampled, 100_000n);
    second.stop();
    expect(count).toBeGreaterThan(50);
    expect(first.samples.length).toBe(count);
    const total = second.samples.length;
    expect(total).toBeGreaterThan(150);
    run(sampled, 150_000n);
    expect(second.samples.length).toBe(total);
    run(plain, sampled.current.branches);
    expect(sampled.point).toEqual(plain.point);
    expect(sampled.digest()).toBe(plain.digest());
  });

  it('change nothing', async () => {
    const [plain, sampled] = [await machine(), await machine()];
    const sampler = sample(sampled);
    for (const branches of [1n, 40_000n, 123_457n, 400_000n]) {
      run(sampled, branches);
      run(plain, sampled.current.branches);
      expect(sampled.point).toEqual(plain.point);
      expect(sampled.digest()).toBe(plain.digest());
    }
    expect(sampler.samples.length).toBeGreaterThan(500);
  });

  it('are the same in each run, and take all the time there is', async () => {
    const samples = async () => {
      const core = await machine();
      const sampler = sample(core);
      run(core, 300_000n);
      return sampler.samples;
    };
    const first = await samples();
    const where = first.map(({ pc, privilege }) => `${pc} ${privilege}`);
    expect((await samples()).map(({ pc, privilege }) => `${pc} ${privilege}`)).toEqual(where);
  });

  it('are bounded: when there are too many they get coarser', async () => {
    const core = await machine();
    const sampler = sample(core, { samplesMaximum: 100 });
    run(core, 500_000n);
    expect(sampler.samples.length).toBeLessThan(100);
    expect(sampler.samples.length).toBeGreaterThan(30);
    const time = sampler.samples.reduce((sum, { milliseconds }) => sum + milliseconds, 0);
    expect(time).toBeGreaterThan(0.9 * Number(core.instructionsRetired));
    expect(time).toBeLessThanOrEqual(Number(core.instructionsRetired));
  });

  it('without names stand for pages', () => {
    const sampleAt = { pc: 0x2a_1234_5678n, privilege: 0, translated: false, milliseconds: 2 };
    const file = expectSpeedscope(speedscopeFile('test', [sampleAt], { kernel: NO_SYMBOLS, user: NO_SYMBOLS }));
    expect(file.shared.frames.map(({ name }) => name)).toEqual(['user', 'user page 0x2a12345000', 'interpreted']);
  });
});

describe('a profile of Linux', async () => {
  const images = await guestImages();
  const reason = 'reason' in images ? images.reason : undefined;

  it.skipIf(reason)(
    `has the kernel's own names${reason ? ` (skipped: ${reason})` : ''}`,
    async () => {
      if ('reason' in images) throw new Error(images.reason);
      const core = await MachineCore.create({
        memoryBytes: 128 * 1024 ** 2,
        seed: new Uint8Array(32).fill(3),
        load: bootImages({ ...images, bootArguments: 'console=ttyS0 quiet cryptomgr.notests' }),
      });
      const sampler = sample(core, { everyBranches: 20_011 });
      while (core.current.branches < 12_000_000n) {
        const outcome = core.run(core.current.branches + 500_000n);
        if (outcome.kind === 'waiting') core.skipTo(outcome.deadline!);
      }
      const found = readKallsyms(core.ram.copyOut(RAM, core.ram.sizeBytes)!);
      expect(found.length).toBeGreaterThan(20_000);
      const kernel = new SymbolTable(found);
      const byName = new Map(found.map((symbol) => [symbol.name, symbol.address]));
      for (const name of ['handle_exception', 'schedule', 'memset', 'vfs_read']) {
        expect(kernel.find(byName.get(name)! + 2n)?.name).toBeDefined();
      }
      const file = expectSpeedscope(speedscopeFile('boot', sampler.samples, { kernel, user: NO_SYMBOLS }));
      expect(file.shared.frames.length).toBeGreaterThan(50);
      expect(shareOf(file, 'kernel')).toBeGreaterThan(0.5);
      const nameless = file.shared.frames.filter(({ name }) => name.startsWith('kernel page'));
      const share = nameless.reduce((sum, { name }) => sum + shareOf(file, name), 0);
      expect(share).toBeLessThan(0.1);
    },
    120_000,
  );
});

describe('symbols', () => {
  it('of an ELF file', () => {
    const { code, symbols } = hotAndCold(0x8020_0000n);
    const found = readElfSymbols(elfProgram(code, 0x8020_0000n, symbols));
    expect(found).toEqual(symbols.map((symbol) => ({ ...symbol, bytes: BigInt(symbol.bytes) })));
    const table = new SymbolTable(readElfSymbols(elfProgram(code, 0x8020_0000n, symbols), 0x1000n));
    const hot = symbols.at(-1)!;
    expect(table.find(hot.address + 0x1000n)?.name).toBe('hot');
    expect(table.find(hot.address + 0x1000n + BigInt(hot.bytes) - 1n)?.name).toBe('hot');
    expect(table.find(hot.address + 0x1000n + BigInt(hot.bytes))).toBeUndefined();
    expect(table.find(0x8020_0fffn)).toBeUndefined();
  });

  it('of a System.map', () => {
    const text = 'ffffffff80000000 T _start\nffffffff80000040 t local\nffffffff80001000 D data\nnonsense\n';
    expect(readSystemMap(text)).toEqual([
      { address: 0xffff_ffff_8000_0000n, name: '_start' },
      { address: 0xffff_ffff_8000_0040n, name: 'local' },
    ]);
  });

  it('of damaged files are none, or fewer', () => {
    const { code, symbols } = hotAndCold(0x8020_0000n);
    const sound = elfProgram(code, 0x8020_0000n, symbols);
    const random = new Random(7);
    for (let i = 0; i < 3000; i++) {
      const file = sound.slice(0, random.below(4) === 0 ? random.below(sound.length) : sound.length);
      for (let changes = 1 + random.below(4); changes > 0 && file.length > 0; changes--) {
        const at = random.below(2) === 0 ? random.below(Math.min(64, file.length)) : random.below(file.length);
        file[at] = random.below(256);
      }
      expect(readElfSymbols(file).length).toBeLessThanOrEqual(file.length / 24);
      expect(readKallsyms(file)).toEqual([]);
    }
  });
});
