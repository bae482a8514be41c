import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { GodwitError } from '../../src/common/errors.ts';
import { boardDeviceTree, canonicalExtensions, HART_EXTENSIONS, isaString } from '../../src/machine/boot/index.ts';
import { cellsOf, findNode, type ReadNode, readFdt, stringsOf } from './support/fdt-reader.ts';

const MIB = 1024 * 1024;
const FULL = {
  memoryBytes: 512 * MIB,
  bootArguments: 'console=ttyS0 root=/dev/vda',
  initrd: { start: 0x9f00_0000n, end: 0x9f50_0123n },
  hartCount: 2,
  seed: new Uint8Array(32).fill(7),
};

const hasDtc = spawnSync('dtc', ['--version']).status === 0;
const hasQemu = spawnSync('qemu-system-riscv64', ['--version']).status === 0;

/** The source text that dtc makes of a tree, and its warnings without file positions. */
function decompile(fdt: Uint8Array): { source: string; warnings: string[] } {
  const result = spawnSync('dtc', ['-I', 'dtb', '-O', 'dts', '-'], { input: fdt, encoding: 'utf8' });
  expect(result.status, result.stderr).toBe(0);
  return { source: result.stdout, warnings: result.stderr.split('\n').filter((line) => line !== '') };
}

function qemuTree(): Uint8Array {
  const folder = mkdtempSync(join(tmpdir(), 'godwit-dtb-'));
  try {
    const file = join(folder, 'virt.dtb');
    const result = spawnSync('qemu-system-riscv64', ['-M', `virt,dumpdtb=${file}`, '-smp', '2', '-m', '512M']);
    expect(result.status).toBe(0);
    return trimmed(readFileSync(file));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** QEMU's file may be longer than the tree in it. */
function trimmed(file: Uint8Array): Uint8Array {
  return Uint8Array.from(file.subarray(0, new DataView(file.buffer, file.byteOffset).getUint32(4)));
}

describe.skipIf(!hasDtc)('the device tree, by dtc (skipped without device-tree-compiler)', () => {
  it.each([
    ['everything', FULL],
    ['the least', { memoryBytes: 4 * MIB }],
    ['no virtio', { memoryBytes: 3072 * MIB, virtioSlots: 0, mmu: 'sv39' as const, isa: ['i', 'm', 'a', 'c'] }],
  ])('has no warning: %s', (_, board) => {
    expect(decompile(boardDeviceTree(board)).warnings).toEqual([]);
  });

  it('comes back the same from its source text', () => {
    const fdt = boardDeviceTree({ ...FULL, reservations: [{ address: 0x8000_0000n, sizeBytes: 0x20_0000n }] });
    const { source } = decompile(fdt);
    const again = spawnSync('dtc', ['-I', 'dts', '-O', 'dtb', '-'], { input: source });
    expect(again.status, again.stderr.toString()).toBe(0);
    expect(readFdt(trimmed(again.stdout))).toEqual(readFdt(fdt));
  });
});

describe.skipIf(!hasQemu)('the device tree beside QEMU’s (skipped without qemu-system-riscv64)', () => {
  it('describes each device that both have in the same words', () => {
    const [ours, theirs] = [readFdt(boardDeviceTree(FULL)), readFdt(qemuTree())];
    const shared = [
      'test@100000',
      'rtc@101000',
      'clint@2000000',
      'plic@c000000',
      'serial@10000000',
      ...Array.from({ length: 8 }, (_, slot) => `virtio_mmio@${(0x1000_1000 + 0x1000 * slot).toString(16)}`),
    ];
    const harts = ['cpus/cpu@0/interrupt-controller', 'cpus/cpu@1/interrupt-controller'];
    for (const path of [...shared.map((name) => `soc/${name}`), ...harts, 'memory@80000000', 'poweroff', 'reboot']) {
      const known = [resolved(ours.root, findNode(ours, path)), resolved(theirs.root, findNode(theirs, path))];
      for (const [property, value] of known[1]!) expect(known[0]!.get(property), `${path} ${property}`).toEqual(value);
    }
  });
});

/** Properties with phandles replaced by the paths that they stand for. */
function resolved(root: ReadNode, node: ReadNode): Map<string, string> {
  const paths = new Map<number, string>();
  const visit = (at: ReadNode, path: string): void => {
    if (at.properties.has('phandle')) paths.set(cellsOf(at, 'phandle')[0]!, path);
    for (const child of at.children) visit(child, `${path}/${child.name}`);
  };
  visit(root, '');
  const result = new Map<string, string>();
  for (const name of node.properties.keys()) {
    if (name === 'phandle') continue;
    const pairs = name === 'interrupts-extended';
    const single = name === 'interrupt-parent' || name === 'regmap';
    const value =
      pairs || single
        ? cellsOf(node, name).map((cell, index) => (single || index % 2 === 0 ? paths.get(cell) : cell))
        : [...node.properties.get(name)!];
    result.set(name, value.join(' '));
  }
  return result;
}

describe('the device tree', () => {
  const tree = readFdt(boardDeviceTree(FULL));

  it('says where memory is', () => {
    expect(cellsOf(findNode(tree, '/memory@80000000'), 'reg')).toEqual([0, 0x8000_0000, 0, 512 * MIB]);
    const large = readFdt(boardDeviceTree({ memoryBytes: 5 * 1024 * MIB }));
    expect(cellsOf(findNode(large, '/memory@80000000'), 'reg')).toEqual([0, 0x8000_0000, 1, 0x4000_0000]);
  });

  it('tells the kernel what it was started with', () => {
    const chosen = findNode(tree, '/chosen');
    expect(stringsOf(chosen, 'bootargs')).toEqual(['console=ttyS0 root=/dev/vda']);
    expect(stringsOf(chosen, 'stdout-path')).toEqual(['/soc/serial@10000000']);
    expect(cellsOf(chosen, 'linux,initrd-start')).toEqual([0, 0x9f00_0000]);
    expect(cellsOf(chosen, 'linux,initrd-end')).toEqual([0, 0x9f50_0123]);
    expect(chosen.properties.get('rng-seed')).toEqual(FULL.seed);
    expect([...findNode(readFdt(boardDeviceTree({ memoryBytes: MIB })), '/chosen').properties.keys()]).toEqual([
      'stdout-path',
    ]);
  });

  it('names what the harts can do, in the canonical order', () => {
    const isa = 'rv64imafdc_zicbom_zicboz_zicntr_zicond_zicsr_zifencei_zihintpause_zba_zbb_zbs_sstc_svadu_svinval';
    expect(isaString(HART_EXTENSIONS)).toBe(isa);
    expect(isaString([...HART_EXTENSIONS].reverse())).toBe(isa);
    expect(canonicalExtensions(['xgodwit', 'svnapot', 'zvbb', 'zfh', 'v', 'i'])).toEqual([
      ...['i', 'v', 'zfh', 'zvbb', 'svnapot', 'xgodwit'],
    ]);
    for (const hart of [0, 1]) {
      const cpu = findNode(tree, `/cpus/cpu@${hart}`);
      expect(stringsOf(cpu, 'riscv,isa')).toEqual([isa]);
      expect(stringsOf(cpu, 'riscv,isa-extensions')).toEqual(canonicalExtensions(HART_EXTENSIONS));
      expect(stringsOf(cpu, 'mmu-type')).toEqual(['riscv,sv48']);
      expect(cellsOf(cpu, 'riscv,cboz-block-size')).toEqual([64]);
      expect(cellsOf(cpu, 'reg')).toEqual([hart]);
    }
    expect(cellsOf(findNode(tree, '/cpus'), 'timebase-frequency')).toEqual([10_000_000]);
  });

  it('keeps reservations and the boot hart in the header', () => {
    const reservations = [
      { address: 0x8000_0000n, sizeBytes: 0x8_0000n },
      { address: 0x1_0000_0000n, sizeBytes: 1n },
    ];
    expect(readFdt(boardDeviceTree({ ...FULL, reservations, bootHart: 1 }))).toMatchObject({
      reservations,
      bootHart: 1,
    });
  });

  it.each([
    ['a negative size', { memoryBytes: -1 }],
    ['half a byte', { memoryBytes: 0.5 }],
    ['33 slots', { memoryBytes: MIB, virtioSlots: 33 }],
    ['no harts', { memoryBytes: MIB, hartCount: 0 }],
    ['a zero byte in the command line', { memoryBytes: MIB, bootArguments: 'a\0b' }],
    ['an extension that is none', { memoryBytes: MIB, isa: ['i', 'Zba'] }],
  ])('refuses %s', (_, board) => {
    expect(() => boardDeviceTree(board)).toThrow(GodwitError);
  });
});
