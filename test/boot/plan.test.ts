import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { type ErrorCode, GodwitError } from '../../src/common/errors.ts';
import { type BootPlan, type BootRequest, loadBoot, planBoot } from '../../src/machine/boot/index.ts';
import { ArrayGuestMemory, RAM_BASE } from '../device/array-guest-memory.ts';
import { forSeeds, type Random } from '../device/doubles.ts';
import { cellsOf, findNode, readFdt, stringsOf } from './support/fdt-reader.ts';
import { elfFile, linuxImage } from './support/images.ts';

const MIB = 1024 * 1024;
const KERNEL = linuxImage(10_000, 0x5000n);
const INITRD = new Uint8Array(5_000).fill(0x77);
const CODE = Uint8Array.of(0x13, 0, 0, 0, 0x6f, 0, 0, 0);

function planned(request: BootRequest): { plan: BootPlan; memory: ArrayGuestMemory } {
  const plan = planBoot(request);
  expectSound(plan, request.memoryBytes);
  const memory = new ArrayGuestMemory(request.memoryBytes);
  loadBoot(plan, memory);
  return { plan, memory };
}

/** No piece overlaps another or leaves RAM; addresses are aligned. */
function expectSound(plan: BootPlan, memoryBytes: number): void {
  const ranges = plan.pieces.map((piece) => ({ start: piece.address, end: piece.address + BigInt(piece.sizeBytes) }));
  ranges.sort((a, b) => (a.start < b.start ? -1 : 1));
  let end = RAM_BASE;
  for (const range of ranges) {
    if (range.start < end) throw new Error(`a piece at 0x${range.start.toString(16)} overlaps`);
    end = range.end;
  }
  if (end > RAM_BASE + BigInt(memoryBytes)) throw new Error('a piece leaves RAM');
  if (plan.deviceTreeAddress % 8n !== 0n) throw new Error('the device tree is not aligned');
  if (plan.initrd !== undefined && plan.initrd.start % 4096n !== 0n) throw new Error('the initrd is not aligned');
}

function error(request: BootRequest): GodwitError {
  try {
    planBoot(request);
  } catch (thrown) {
    if (thrown instanceof GodwitError) return thrown;
    throw thrown;
  }
  throw new Error('nothing was thrown');
}

describe('a Linux kernel', () => {
  const request = { memoryBytes: 16 * MIB, kernel: KERNEL, initrd: INITRD, bootArguments: 'quiet' };
  const { plan, memory } = planned(request);

  it('is started in S-mode, 2 MiB into RAM', () => {
    expect(plan).toMatchObject({ mode: 'supervisor', entry: 0x8020_0000n, bootHart: 0 });
    expect(memory.copyOut(0x8020_0000n, KERNEL.length)).toEqual(KERNEL);
  });

  it('finds the device tree through a1, 2 MiB-aligned at the top of RAM', () => {
    expect(plan.registers).toEqual({ a0: 0n, a1: plan.deviceTreeAddress, a2: 0n });
    expect(plan.deviceTreeAddress).toBe(0x80e0_0000n);
    const tree = readFdt(memory.copyOut(plan.deviceTreeAddress, plan.deviceTree.length)!);
    expect(stringsOf(findNode(tree, '/chosen'), 'bootargs')).toEqual(['quiet']);
    expect(cellsOf(findNode(tree, '/memory@80000000'), 'reg')).toEqual([0, 0x8000_0000, 0, 16 * MIB]);
  });

  it('finds the initrd through the device tree', () => {
    const chosen = findNode(readFdt(plan.deviceTree), '/chosen');
    const [, start, , end] = [...cellsOf(chosen, 'linux,initrd-start'), ...cellsOf(chosen, 'linux,initrd-end')];
    expect(plan.initrd).toEqual({ start: BigInt(start!), end: BigInt(end!) });
    expect(memory.copyOut(BigInt(start!), end! - start!)).toEqual(INITRD);
    expect(start).toBe(0x80e0_0000 - 8192);
  });

  it('may be packed, and moved to a multiple of 2 MiB', () => {
    expect(planned({ ...request, kernel: Uint8Array.from(gzipSync(KERNEL)) }).plan.entry).toBe(0x8020_0000n);
    expect(planned({ ...request, kernel: linuxImage(4096, 0n, 0x20_1000n) }).plan.entry).toBe(0x8040_0000n);
    expect(planned({ ...request, kernel: linuxImage(4096, 0n, 0n) }).plan.entry).toBe(0x8000_0000n);
  });

  it('has its cleared memory left alone by the rest', () => {
    const { plan: tight } = planned({
      ...request,
      memoryBytes: 4 * MIB,
      kernel: linuxImage(4096, BigInt(2 * MIB - 0x20000)),
    });
    expect(tight.deviceTreeAddress).toBeGreaterThanOrEqual(RAM_BASE + BigInt(4 * MIB - 0x20000));
  });

  it('has device tree and initrd within 32 bits and the first GiB, however large RAM is', () => {
    const large = planBoot({ ...request, memoryBytes: 3 * 1024 * MIB });
    expect(large.deviceTreeAddress).toBe(0xbfe0_0000n);
    expect(large.initrd!.end).toBeLessThan(large.deviceTreeAddress);
    expectSound(large, 3 * 1024 * MIB);
  });

  it('is told apart from hart 0 where another hart boots', () => {
    const { plan: other } = planned({ ...request, hartCount: 4, bootHart: 2 });
    expect(other).toMatchObject({ bootHart: 2, registers: { a0: 2n } });
    expect(readFdt(other.deviceTree).bootHart).toBe(2);
  });
});

describe('other kernels', () => {
  it('of raw instructions go where Linux would', () => {
    const { plan, memory } = planned({ memoryBytes: 16 * MIB, kernel: CODE });
    expect(plan).toMatchObject({ mode: 'supervisor', entry: 0x8020_0000n, initrd: undefined });
    expect(memory.copyOut(0x8020_0000n, CODE.length)).toEqual(CODE);
  });

  it('of ELF segments go where those say, with zeros behind them', () => {
    const kernel = elfFile(0x8010_0004n, [
      { address: 0x8010_0000n, bytes: CODE, memoryBytes: 5000n },
      { address: 0x8030_0003n, bytes: INITRD },
    ]);
    const plan = planBoot({ memoryBytes: 16 * MIB, kernel });
    const memory = new ArrayGuestMemory(16 * MIB);
    memory.copyIn(RAM_BASE, new Uint8Array(16 * MIB).fill(0xaa));
    loadBoot(plan, memory);
    expect(plan.entry).toBe(0x8010_0000n);
    const expected = new Uint8Array(5002).fill(0xaa);
    expected.set(CODE, 1);
    expected.fill(0, 1 + CODE.length, 5001);
    expect(memory.copyOut(0x800f_ffffn, 5002)).toEqual(expected);
    expect(memory.copyOut(0x8030_0003n, INITRD.length)).toEqual(INITRD);
  });

  const code = (address: bigint, flags = 7) => ({ address, bytes: CODE, flags });
  const magic = { address: 0x8020_0000n, bytes: Uint8Array.of(0x7f, 0x45, 0x4c, 0x46, 0, 0, 0, 0) };

  it('of ELF are entered at their lowest address, as by QEMU, or by an old board where they say', () => {
    const kernel = elfFile(0x8030_0004n, [code(0x8030_0000n), code(0x8020_0000n)]);
    const request = { memoryBytes: 16 * MIB, kernel };
    expect(planBoot(request).entry).toBe(0x8020_0000n);
    expect(planBoot({ ...request, elfEntry: 'lowest-address' }).entry).toBe(0x8020_0000n);
    expect(planBoot({ ...request, elfEntry: 'entry-point' }).entry).toBe(0x8030_0004n);
  });

  it('of ELF are entered where they say if their own header or data lies lowest', () => {
    for (const lowest of [magic, code(0x8020_0000n, 4)]) {
      const kernel = elfFile(0x8030_0004n, [lowest, code(0x8030_0000n)]);
      expect(planBoot({ memoryBytes: 16 * MIB, kernel }).entry).toBe(0x8030_0004n);
    }
  });

  it('of ELF that run anywhere and ask for no RAM go where others go', () => {
    const kernel = elfFile(0x10n, [code(0x10n), code(0x2000n)], 3);
    const { plan, memory } = planned({ memoryBytes: 16 * MIB, kernel });
    expect(plan.entry).toBe(0x8020_0010n);
    expect(memory.copyOut(0x8020_0010n, CODE.length)).toEqual(CODE);
    expect(memory.copyOut(0x8020_2000n, CODE.length)).toEqual(CODE);
    const inRam = elfFile(0x8040_0000n, [code(0x8040_0000n)], 3);
    expect(planned({ memoryBytes: 16 * MIB, kernel: inRam }).plan.entry).toBe(0x8040_0000n);
  });
});

describe('firmware', () => {
  const bios = elfFile(0x8000_0000n, [{ address: 0x8000_0000n, bytes: CODE, memoryBytes: 0x4_5ac8n }]);

  it('is started in M-mode, with the structure of fw_dynamic behind a2', () => {
    const { plan, memory } = planned({ memoryBytes: 64 * MIB, bios, kernel: KERNEL, initrd: INITRD });
    expect(plan).toMatchObject({ mode: 'machine', entry: 0x8000_0000n });
    expect(plan.registers).toMatchObject({ a0: 0n, a1: plan.deviceTreeAddress });
    const info = Array.from({ length: 6 }, (_, index) => memory.readU64(plan.registers.a2 + BigInt(8 * index)));
    expect(info).toEqual([0x4942534fn, 2n, 0x8020_0000n, 1n, 0n, 0n]);
    expect(memory.copyOut(0x8020_0000n, KERNEL.length)).toEqual(KERNEL);
  });

  it('of raw instructions goes to the start of RAM, and needs no kernel', () => {
    const { plan, memory } = planned({ memoryBytes: 64 * MIB, bios: CODE });
    expect(plan.entry).toBe(0x8000_0000n);
    expect(memory.copyOut(0x8000_0000n, CODE.length)).toEqual(CODE);
    expect(memory.readU64(plan.registers.a2 + 16n)).toBe(0n);
  });

  it('that is large moves the kernel', () => {
    const { plan, memory } = planned({
      memoryBytes: 64 * MIB,
      bios: new Uint8Array(3 * MIB).fill(0x13),
      kernel: KERNEL,
    });
    expect(memory.readU64(plan.registers.a2 + 16n)).toBe(0x8040_0000n);
    expect(memory.copyOut(0x8040_0000n, KERNEL.length)).toEqual(KERNEL);
  });

  it('that runs anywhere goes to the start of RAM, and an ELF kernel that does so behind it', () => {
    const anywhere = (bytes: Uint8Array) => elfFile(0n, [{ address: 0n, bytes }], 3);
    const firmware = new Uint8Array(3 * MIB).fill(0x13);
    const { plan, memory } = planned({ memoryBytes: 64 * MIB, bios: anywhere(firmware), kernel: anywhere(CODE) });
    expect(plan.entry).toBe(0x8000_0000n);
    expect(memory.copyOut(0x8000_0000n, firmware.length)).toEqual(firmware);
    expect(memory.readU64(plan.registers.a2 + 16n)).toBe(0x8040_0000n);
    expect(memory.copyOut(0x8040_0000n, CODE.length)).toEqual(CODE);
  });

  it('starts an ELF kernel at its lowest address', () => {
    const kernel = elfFile(0x8080_0004n, [{ address: 0x8080_0000n, bytes: CODE }]);
    const { plan, memory } = planned({ memoryBytes: 64 * MIB, bios, kernel });
    expect(memory.readU64(plan.registers.a2 + 16n)).toBe(0x8080_0000n);
  });

  it('that only starts a kernel is refused without one', () => {
    const banner = new TextEncoder().encode('\0\0OOpenSBI v%d.%d\n');
    const payload = new Uint8Array(0x20_0000 + 4);
    payload.set(banner, 100);
    const memoryBytes = 64 * MIB;
    const jump = payload.slice(0, 0x20_0000);
    for (const alone of [jump, elfFile(0x8000_0000n, [{ address: 0x8000_0000n, bytes: jump }])]) {
      const refused = error({ memoryBytes, bios: alone });
      expect(refused).toMatchObject({ code: 'usage', message: 'The firmware starts a kernel, and there is none.' });
      expect(planned({ memoryBytes, bios: alone, kernel: KERNEL }).plan.entry).toBe(0x8000_0000n);
    }
    expect(planned({ memoryBytes, bios: payload }).plan.entry).toBe(0x8000_0000n);
  });

  it('runs in memory too small for alignment', () => {
    planned({ memoryBytes: 64 * 1024, bios: CODE });
    planned({ memoryBytes: 8192, bios: CODE });
  });
});

describe('what cannot boot', () => {
  const memoryBytes = 16 * MIB;
  it.each<[string, BootRequest, ErrorCode, RegExp]>([
    ['nothing', { memoryBytes }, 'usage', /nothing to boot/],
    ['an empty kernel', { memoryBytes, kernel: new Uint8Array(0) }, 'damaged', /kernel is an empty file/],
    ['an empty initrd', { memoryBytes, kernel: KERNEL, initrd: new Uint8Array(0) }, 'damaged', /initrd is an empty/],
    ['half a page of memory', { memoryBytes: 2048, kernel: KERNEL }, 'usage', /pages of 4096/],
    ['a kernel larger than memory', { memoryBytes, kernel: linuxImage(4096, 15n << 20n) }, 'limit', /up to 0x81100000/],
    ['a kernel with a wild size', { memoryBytes, kernel: linuxImage(4096, 2n ** 64n - 1n) }, 'limit', /needs memory/],
    [
      'a kernel with a wild offset',
      { memoryBytes, kernel: linuxImage(4096, 0n, 2n ** 64n - 1n) },
      'unsupported',
      /no RAM/,
    ],
    [
      'an initrd larger than memory',
      { memoryBytes, kernel: KERNEL, initrd: new Uint8Array(15 * MIB) },
      'limit',
      /no room/,
    ],
    [
      'an ELF file below RAM',
      { memoryBytes, kernel: elfFile(0n, [{ address: 0n, bytes: CODE }]) },
      'unsupported',
      /at 0x0, where there is no RAM/,
    ],
    ['Linux as firmware', { memoryBytes, bios: KERNEL }, 'usage', /does not run in M-mode/],
    [
      'a kernel in the firmware',
      { memoryBytes, bios: CODE, kernel: elfFile(0x8000_0000n, [{ address: 0x8000_0000n, bytes: CODE }]) },
      'unsupported',
      /The kernel and the firmware want the same memory/,
    ],
    ['a long command line', { memoryBytes, kernel: KERNEL, bootArguments: 'x'.repeat(1024) }, 'limit', /1024 bytes/],
    ['a boot hart that is not there', { memoryBytes, kernel: KERNEL, bootHart: 1 }, 'usage', /boot hart of 1/],
  ])('is said: %s', (_, request, code, message) => {
    const thrown = error(request);
    expect(thrown.message).toMatch(message);
    expect(thrown.code).toBe(code);
  });

  it('loads nothing outside a memory smaller than planned for', () => {
    const plan = planBoot({ memoryBytes, kernel: KERNEL });
    expect(() => loadBoot(plan, new ArrayGuestMemory(8 * MIB))).toThrow(GodwitError);
  });
});

describe('any request', () => {
  it('either gives a sound plan or says how much memory gives one', () => {
    forSeeds(300, (random) => {
      const request = randomRequest(random);
      try {
        expectSound(planBoot(request), request.memoryBytes);
      } catch (thrown) {
        if (!(thrown instanceof GodwitError) || thrown.code !== 'limit') throw thrown;
        const needed = Number(/at least (\d+) MiB/.exec(thrown.hint!)![1]);
        expect(needed * MIB).toBeGreaterThan(request.memoryBytes);
        expectSound(planBoot({ ...request, memoryBytes: needed * MIB }), needed * MIB);
      }
    });
  });

  it('from spoilt files is refused or loaded inside RAM', () => {
    const originals = [
      KERNEL,
      elfFile(0x8000_0000n, [
        { address: 0x8000_0000n, bytes: CODE, memoryBytes: 0x3000n },
        { address: 0x8001_0000n, bytes: INITRD },
      ]),
    ];
    forSeeds(400, (random) => {
      const file = Uint8Array.from(random.pick(originals));
      for (let count = 1 + random.below(3); count > 0; count--) {
        file[random.below(Math.min(file.length, 176))] = random.pick([0, 1, 0x10, 0x80, 0xff]);
      }
      const memoryBytes = 4 * MIB;
      try {
        const plan = planBoot({ memoryBytes, ...(random.chance(2) ? { kernel: file } : { bios: file }) });
        expectSound(plan, memoryBytes);
        loadBoot(plan, new ArrayGuestMemory(memoryBytes));
      } catch (thrown) {
        if (!(thrown instanceof GodwitError)) throw thrown;
      }
    });
  });
});

function randomRequest(random: Random): BootRequest {
  const image = linuxImage(64 + random.below(100_000), BigInt(random.below(8 * MIB)));
  const shared = {
    memoryBytes: 4096 * (1 + random.below(4096)),
    hartCount: 1 + random.below(8),
    bootArguments: 'x'.repeat(random.below(1000)),
  };
  const initrd = random.chance(2) ? { initrd: new Uint8Array(1 + random.below(6 * MIB)) } : {};
  const bios = random.chance(2) ? { bios: new Uint8Array(1 + random.below(3 * MIB)) } : {};
  return { ...shared, ...initrd, ...bios, kernel: image };
}
