import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { boardDeviceTree } from '../../src/machine/boot/index.ts';

const OPENSBI = '/usr/lib/riscv64-linux-gnu/opensbi/generic/fw_dynamic.bin';
const U_BOOT = '/usr/lib/u-boot/qemu-riscv64_smode/u-boot.bin';
const available =
  existsSync(OPENSBI) && existsSync(U_BOOT) && spawnSync('qemu-system-riscv64', ['--version']).status === 0;
const TIMEOUT_MS = 60_000;

/** Runs QEMU's board with our device tree; `answers` are typed when the text before them has come. Gives all output. */
function runQemu(deviceTree: string, answers: [string, string][]): Promise<{ output: string; status: number | null }> {
  const arguments_ = [
    '-M',
    'virt',
    '-m',
    '128M',
    '-nographic',
    '-dtb',
    deviceTree,
    '-bios',
    OPENSBI,
    '-kernel',
    U_BOOT,
  ];
  return new Promise((resolve, reject) => {
    const qemu = spawn('qemu-system-riscv64', arguments_, { stdio: ['pipe', 'pipe', 'inherit'] });
    const timer = setTimeout(() => qemu.kill('SIGKILL'), TIMEOUT_MS - 5_000);
    let output = '';
    qemu.stdout.on('data', (data: Buffer) => {
      output += data.toString('latin1');
      while (answers[0] !== undefined && output.includes(answers[0][0])) qemu.stdin.write(answers.shift()![1]);
    });
    qemu.on('error', reject);
    qemu.on('close', (status) => {
      clearTimeout(timer);
      resolve({ output, status });
    });
  });
}

it.skipIf(!available)(
  'OpenSBI and U-Boot find the devices of QEMU’s board through our tree (skipped without qemu-system-riscv64, opensbi and u-boot-qemu)',
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'godwit-firmware-'));
    try {
      const file = join(folder, 'board.dtb');
      // What QEMU 7.2's hart can do.
      const isa = ['i', 'm', 'a', 'f', 'd', 'c', 'zicsr', 'zifencei'];
      writeFileSync(file, boardDeviceTree({ memoryBytes: 128 * 1024 * 1024, isa }));
      const { output, status } = await runQemu(file, [
        ['Hit any key', '\n'],
        ['=> ', 'poweroff\n'],
      ]);
      expect(output).toMatch(/Platform Name +: riscv-virtio,godwit/);
      expect(output).toMatch(/Platform Timer Device +: aclint-mtimer @ 10000000Hz/);
      expect(output).toMatch(/Platform Console Device +: uart8250/);
      expect(output).toMatch(/Platform Shutdown Device +: sifive_test/);
      expect(output).toMatch(/Boot HART Base ISA +: rv64imafdc/);
      expect(output).toMatch(/DRAM: +128 MiB/);
      expect(output).toMatch(/In: +serial@10000000/);
      expect(status).toBe(0);
    } finally {
      rmSync(folder, { recursive: true });
    }
  },
  TIMEOUT_MS,
);
