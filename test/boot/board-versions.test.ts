import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { boardVersionNamed, CURRENT_BOARD } from '../../src/machine/board-versions.ts';
import { boardDeviceTree } from '../../src/machine/boot/index.ts';
import { virtioSlotInterrupt, virtioSlotRegion } from '../../src/machine/boot/memory-map.ts';
import { MachineCore } from '../../src/machine/core.ts';
import type { CoreOptions } from '../../src/machine/core-options.ts';
import { cellsOf, findNode, readFdt } from './support/fdt-reader.ts';

const MIB = 1024 ** 2;
const SLOTS = Array.from({ length: 32 }, (_, slot) => slot);
const hasQemu = spawnSync('qemu-system-riscv64', ['--version']).status === 0;

function machine(diskCount: number): Promise<MachineCore> {
  const disk = { sizeBytes: 512, readonly: false, serial: '', backend: { submit: () => {}, fence: () => {} } };
  const options: CoreOptions = {
    memoryBytes: MIB,
    seed: new Uint8Array(32),
    load: () => {},
    disks: Array.from({ length: diskCount }, () => disk),
  };
  return MachineCore.create(options);
}

/** What the slot says that it has; undefined where nothing answers. */
function deviceIn({ board }: MachineCore, slot: number): number | undefined {
  return board.bus.read(virtioSlotRegion(slot).base + 8, 4) ? board.bus.low : undefined;
}

/** First and last addresses of QEMU's devices. */
function qemuRegions(): [number, number][] {
  const { stdout } = spawnSync('qemu-system-riscv64', ['-M', 'virt', '-display', 'none', '-monitor', 'stdio', '-S'], {
    input: 'info mtree -f\nquit\n',
    encoding: 'utf8',
  });
  return [...stdout.matchAll(/^ +([0-9a-f]{16})-([0-9a-f]{16}) \(prio/gm)].map(([, from, to]) => {
    return [Number.parseInt(from!, 16), Number.parseInt(to!, 16)];
  });
}

describe('the board virt-2', () => {
  it('is what new machines have, and is found by its name', () => {
    expect(boardVersionNamed('x', 'virt-2')).toBe(CURRENT_BOARD);
    expect(() => boardVersionNamed('x.rec', 'virt-3')).toThrow(
      'x.rec was made by a newer godwit: its board is "virt-3", which this one does not know.',
    );
  });

  it('has harts that set A and D bits themselves, and enters ELF files where they begin; virt-1 had not', () => {
    const before = boardVersionNamed('x', 'virt-1');
    const { isa, elfEntry, ...rest } = CURRENT_BOARD;
    expect(before).toMatchObject({ ...rest, name: 'virt-1', elfEntry: 'entry-point' });
    expect(before.isa).toEqual(isa.map((name) => (name === 'svadu' ? 'svade' : name)));
    expect(isa).toContain('svadu');
    expect(elfEntry).toBe('lowest-address');
  });

  it('has 32 virtio slots: disks, console, random numbers, and nothing in the others', async () => {
    for (const count of [0, 7, 30]) {
      const core = await machine(count);
      const ids = [...Array.from({ length: count }, () => 2), 3, 4];
      expect(SLOTS.map((slot) => deviceIn(core, slot))).toEqual(SLOTS.map((slot) => ids[slot] ?? 0));
      expect(deviceIn(core, 32)).toBeUndefined();
      core.dispose();
    }
    await expect(machine(31)).rejects.toMatchObject({ code: 'limit' });
  });

  it('shows eight slots to the guest, and more where there are more devices', async () => {
    for (const [count, shown] of [
      [0, 8],
      [6, 8],
      [7, 9],
      [30, 32],
    ] as const) {
      const core = await machine(count);
      expect(core.board.description.virtioSlots).toBe(shown);
      const tree = readFdt(boardDeviceTree({ memoryBytes: MIB, ...core.board.description }));
      const nodes = findNode(tree, '/soc').children.filter(({ name }) => name.startsWith('virtio_mmio@'));
      expect(nodes.map((node) => cellsOf(node, 'interrupts')[0])).toEqual(
        SLOTS.slice(0, shown).map(virtioSlotInterrupt),
      );
      core.dispose();
    }
  });

  it('has interrupts of its own for each slot, none of which QEMU uses for something else', () => {
    // UART, clock, generation id; PCIe, and the IOMMU of later ones; the platform bus.
    const others = [
      10,
      11,
      12,
      ...Array.from({ length: 8 }, (_, i) => 32 + i),
      ...Array.from({ length: 32 }, (_, i) => 64 + i),
    ];
    const sources = SLOTS.map(virtioSlotInterrupt);
    expect(new Set([...sources, ...others]).size).toBe(sources.length + others.length);
    expect(sources.slice(0, 8)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  });

  it.skipIf(!hasQemu)('has its further slots where QEMU’s machine has nothing', () => {
    const regions = qemuRegions();
    const occupied = (slot: number) => {
      const { base, sizeBytes } = virtioSlotRegion(slot);
      return regions.some(([first, last]) => first < base + sizeBytes && last >= base);
    };
    expect(SLOTS.map(occupied)).toEqual(SLOTS.map((slot) => slot < 8));
  });
});
