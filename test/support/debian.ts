import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'vitest';
import { createMachineDisk, findDebianDisk } from '../../src/guest/index.ts';
import type { Machine } from '../../src/node.ts';

/** Of the shell on Debian's root disk. */
const DEBIAN_PROMPT = /root@\S+:~# /;
const TIMEOUT_MS = 400_000;
const BOOT_TIMEOUT_MS = 200_000;

/**
 * A test with a machine at the prompt of Debian on a disk of its own, and a folder that is gone afterwards. Building
 * Debian's disk takes minutes, so only CI does that for its tests; without one they are skipped.
 */
export async function itWithDebian(
  name: string,
  machines: () => Promise<Pick<typeof Machine, 'create'>>,
  body: (machine: Machine, folder: string) => Promise<void>,
): Promise<void> {
  const debian = await findDebianDisk().catch(() => undefined);
  const title = debian ? name : `${name} (skipped: no Debian disk yet; "godwit guest --debian" builds it)`;
  it.skipIf(!debian)(
    title,
    async () => {
      if (!debian) return;
      const folder = mkdtempSync(join(tmpdir(), 'godwit-debian-'));
      try {
        const path = join(folder, 'machine.qcow2');
        await createMachineDisk(path, debian);
        const machine = await (await machines()).create({
          kernel: debian.guest.kernelPath,
          initrd: debian.guest.initramfsPath,
          append: 'console=ttyS0 quiet cryptomgr.notests root=/dev/vda',
          memory: '512M',
          disks: [{ path }],
        });
        await machine.start();
        await machine.console.waitFor(DEBIAN_PROMPT, { timeoutMs: BOOT_TIMEOUT_MS });
        await body(machine, folder);
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    },
    TIMEOUT_MS,
  );
}
