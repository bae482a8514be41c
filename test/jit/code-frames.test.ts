import { describe, expect, it } from 'vitest';
import type { BlockSubmission } from '../../src/device/virtio/block/backend.ts';
import { TranslationCache } from '../../src/execute/jit/cache.ts';
import { Random } from '../../src/isa/generate/index.ts';
import { VIRTIO_MMIO_BASE } from '../../src/machine/boot/memory-map.ts';
import type { MachineCore } from '../../src/machine/core.ts';
import type { Image } from '../differential/image.ts';
import { assemble } from './assembly.ts';
import * as P from './graph-layout.ts';
import { CALLS_NEXT_PAGE, NEXT_PAGE, programMachine, runTo } from './program.ts';
import { TierMachine } from './tiers.ts';

/** Translations belong to frames: what is mapped where may change without losing any, and a device may write one. */

const LAST_BRANCHES = 300_000n;
const COMPARE_EVERY = 30_000n;
const THRESHOLDS = [20, 2500];

/** Pages of a program of two: the second holds a function, another one in each variant. */
function variants(main: string): [Uint8Array, Uint8Array] {
  const page = (adds: number): Uint8Array => {
    const bytes = new Uint8Array(2 * 4096);
    bytes.set(assemble(main).bytes);
    bytes.set(assemble(`addi a0,a0,${adds}\n xor a1,a1,a0\n jalr zero,0(ra)`).bytes, 4096);
    return bytes;
  };
  return [page(3), page(1000)];
}

/** `values` gives registers that the program starts with. */
function mappedProgram(main: string, values: (frames: P.CodeFrames) => Readonly<Record<number, bigint>>): Image {
  const frames = P.placeFrames(new Random(5), 2);
  const x = new Array<bigint>(32).fill(0n);
  for (const [register, value] of Object.entries(values(frames))) x[Number(register)] = value;
  return {
    segments: [...P.frameProgram({ x, f: new Array<bigint>(32).fill(0n) }), ...P.mapCode(frames, variants(main))],
    resultAddress: P.RESULT,
    resultBytes: 4096,
  };
}

describe('pages that are mapped elsewhere while their code is hot', () => {
  const SWITCHING = `
    outer:  addi s1,zero,50
    call:   jal ra,0x1000
            addi s1,s1,-1
            bne s1,zero,call
            xor s3,s3,s4
            csrrw zero,satp,s3
            jal zero,outer
  `;
  const REMAPPING = `
    outer:  addi s1,zero,50
    call:   jal ra,0x1000
            addi s1,s1,-1
            bne s1,zero,call
            xor s3,s3,s4
            sd s3,0(s5)
            sfence.vma s6,zero
            jal zero,outer
  `;
  const cases = [
    {
      name: 'by address spaces of their own',
      image: mappedProgram(SWITCHING, () => ({
        19: P.spaceSatp(0, 1),
        20: P.spaceSatp(0, 1) ^ P.spaceSatp(1, 2),
      })),
    },
    {
      name: 'by other entries in the page table',
      image: mappedProgram(REMAPPING, ({ variants: pages }) => ({
        19: P.leafOf(pages[1]![0]),
        20: P.leafOf(pages[1]![0]) ^ P.leafOf(pages[1]![1]),
        21: BigInt(P.codeEntry(0, 1)),
        22: BigInt(P.VIRTUAL_CODE + 4096),
      })),
    },
  ];

  const statesOf = (machine: TierMachine, image: Image): unknown[] => {
    machine.load(image);
    const seen: unknown[] = [];
    for (let branches = COMPARE_EVERY; branches <= LAST_BRANCHES; branches += COMPARE_EVERY) {
      runTo(machine.core, branches);
      seen.push(machine.snapshot);
    }
    return seen;
  };

  it.each(cases)('$name do the same, and lose no translation', async ({ image }) => {
    const reference = statesOf(await TierMachine.create({ translation: { enabled: false } }), image);
    for (const threshold of THRESHOLDS) {
      const machine = await TierMachine.create({ translation: { threshold } });
      expect(statesOf(machine, image), `threshold ${threshold}`).toEqual(reference);
      const { dropped, translated, acrossPages } = machine.core.engine.translator.stats;
      expect(dropped).toBe(0);
      expect(acrossPages).toBeGreaterThan(0);
      expect(translated).toBeGreaterThan(2);
      // Each of the few hot places once, for each frame that it lies in.
      expect(translated).toBeLessThanOrEqual(12);
    }
  });
});

/** A driver for one read at a time into one place (virtio 1.2, 2.7 and 4.2.3). */
class DiskReader {
  private readonly core: MachineCore;
  private requests = 0;
  static readonly QUEUE = 0x8001_0000n;
  static readonly DATA_BYTES = 512;

  constructor(core: MachineCore) {
    this.core = core;
    for (const status of [0, 1, 3]) this.set(0x70, status);
    this.set(0x24, 1);
    this.set(0x20, 1); // VIRTIO_F_VERSION_1
    this.set(0x70, 0xb);
    this.set(0x30, 0);
    this.set(0x38, 4);
    for (const [register, offset] of [
      [0x80, 0],
      [0x90, 0x100],
      [0xa0, 0x200],
    ] as const) {
      this.set(register, Number(DiskReader.QUEUE) + offset);
      this.set(register + 4, 0);
    }
    this.set(0x44, 1);
    this.set(0x70, 0xf);
  }

  private set(register: number, value: number): void {
    this.core.board.bus.write(VIRTIO_MMIO_BASE + register, 4, value >>> 0);
  }

  /** Asks for the first sector; what it holds is for whoever completes the request. */
  read(target: bigint): void {
    const { ram } = this.core;
    const { QUEUE, DATA_BYTES } = DiskReader;
    const header = QUEUE + 0x300n;
    const descriptor = (index: number, address: bigint, length: number, flags: number, next: number) => {
      const at = QUEUE + BigInt(16 * index);
      ram.writeU64(at, address);
      ram.writeU32(at + 8n, length);
      ram.writeU16(at + 12n, flags);
      ram.writeU16(at + 14n, next);
    };
    ram.writeU64(header, 0n);
    ram.writeU64(header + 8n, 0n);
    descriptor(0, header, 16, 1, 1);
    descriptor(1, target, DATA_BYTES, 3, 2);
    descriptor(2, header + 16n, 1, 2, 0);
    ram.writeU16(QUEUE + 0x104n + BigInt(2 * (this.requests & 3)), 0);
    this.requests++;
    ram.writeU16(QUEUE + 0x102n, this.requests);
    this.set(0x50, 0);
  }
}

describe('code that comes from a disk', () => {
  const sector = (adds: number): Uint8Array => {
    const data = new Uint8Array(DiskReader.DATA_BYTES);
    data.set(assemble(`addi a0,a0,${adds}\n xor a1,a1,a0\n jalr zero,0(ra)`).bytes);
    return data;
  };

  const states = async (translation: { enabled?: boolean; threshold?: number }) => {
    const submitted: BlockSubmission[] = [];
    const backend = { submit: (submission: BlockSubmission) => submitted.push(submission), fence: () => {} };
    const disks = [{ sizeBytes: 4096, readonly: true, serial: '', backend }];
    const core = await programMachine(CALLS_NEXT_PAGE, { translation, disks, cache: new TranslationCache() });
    core.ram.copyIn(NEXT_PAGE, sector(1));
    const reader = new DiskReader(core);
    const seen: unknown[] = [];
    for (let branches = COMPARE_EVERY; branches <= LAST_BRANCHES; branches += COMPARE_EVERY) {
      runTo(core, branches);
      reader.read(NEXT_PAGE);
      const { id } = submitted.pop()!;
      core.deliver({
        kind: 'block',
        disk: 0,
        id,
        completion: { status: 'ok', data: [sector(Number(branches % 997n))] },
      });
      seen.push({ ...core.point, a0: core.current.x(10), digest: core.digest() });
    }
    return { seen, stats: core.engine.translator.stats };
  };

  it('while the old code is hot is what runs next', async () => {
    const reference = await states({ enabled: false });
    // Each function adds another number, half as often as there are branches between two reads.
    const sums = reference.seen.map((state) => (state as { a0: bigint }).a0);
    expect(new Set(sums.map((sum, i) => sum - (sums[i - 1] ?? 0n))).size).toBe(sums.length);
    for (const threshold of THRESHOLDS) {
      const { seen, stats } = await states({ threshold });
      expect(seen, `threshold ${threshold}`).toEqual(reference.seen);
      expect(stats.acrossPages).toBeGreaterThan(0);
      expect(stats.dropped).toBeGreaterThan(0);
      // The function, and the loop that has it too.
      expect(stats.dropped).toBeLessThanOrEqual(2 * seen.length);
    }
  });
});
