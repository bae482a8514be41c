import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { bootImages, type Images } from '../../src/machine/linux.ts';
import { guestImages } from '../support/guest.ts';
import { SimulatedMachine } from '../support/simulated.ts';
import { patient, tierUnderTest } from '../support/tiers.ts';

const OPENSBI = '/usr/lib/riscv64-linux-gnu/opensbi/generic/fw_dynamic.elf';
const UBOOT_SUPERVISOR = '/usr/lib/u-boot/qemu-riscv64_smode/u-boot.bin';
const UBOOT_MACHINE = '/usr/lib/u-boot/qemu-riscv64/u-boot.bin';

const missing = [OPENSBI, UBOOT_SUPERVISOR, UBOOT_MACHINE].find((path) => !existsSync(path));
const reason = missing === undefined ? '' : ` (skipped: the Debian packages opensbi and u-boot-qemu are not installed)`;

function machine(images: Images): Promise<SimulatedMachine> {
  return SimulatedMachine.create({
    memoryBytes: 256 * 1024 ** 2,
    seed: new Uint8Array(32),
    load: bootImages(images),
    translation: tierUnderTest(),
  });
}

function leaveUboot(guest: SimulatedMachine): void {
  guest.runUntil('=> ', 2_000_000_000n);
  guest.type('version\n');
  guest.runUntil('GNU ld', 200_000_000n);
  guest.runUntil('=> ', 200_000_000n);
  guest.type('poweroff\n');
  guest.runUntil('power-off', 200_000_000n);
}

describe(`Debian's firmware in M-mode${reason}`, () => {
  it.skipIf(missing)(
    'OpenSBI starts U-Boot, which comes to its prompt',
    async () => {
      const guest = await machine({ bios: readFileSync(OPENSBI), kernel: readFileSync(UBOOT_SUPERVISOR) });
      leaveUboot(guest);
      expect(guest.transcript).toContain('Platform Name');
      expect(guest.transcript).toContain('U-Boot');
    },
    patient(180_000),
  );

  it.skipIf(missing)(
    'U-Boot alone comes to its prompt',
    async () => {
      const guest = await machine({ bios: readFileSync(UBOOT_MACHINE) });
      leaveUboot(guest);
      expect(guest.transcript).toContain('U-Boot');
    },
    patient(180_000),
  );

  it.skipIf(missing)(
    'OpenSBI starts Linux, which comes to its shell',
    async (context) => {
      const images = await guestImages();
      if ('reason' in images) return context.skip(images.reason);
      const guest = await machine({
        ...images,
        bios: readFileSync(OPENSBI),
        bootArguments: 'console=ttyS0 quiet cryptomgr.notests',
      });
      guest.runUntil('~# ', 2_000_000_000n);
      guest.type('dmesg | grep -i "sbi implementation"; poweroff\n');
      guest.runUntil('power-off', 1_000_000_000n);
      expect(guest.transcript).toMatch(/SBI implementation ID=0x1 /);
    },
    patient(180_000),
  );
});
