/** Forks through the library: machines of their own, over the same memory and disks. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { QUICK_BOOT_PARAMETERS } from '../../src/guest/index.ts';
import { Machine } from '../../src/platform/node/machine.ts';
import { createDisk, openDisk } from '../../src/platform/node/open-disk.ts';
import { guestImages } from '../support/guest.ts';

const images = await guestImages();
const skipped = 'reason' in images ? images.reason : undefined;
const PROMPT = '~# ';

describe('forks of a running machine', () => {
  const boot = async (disks: { path: string }[] = []): Promise<Machine> => {
    const append = ['console=ttyS0', ...QUICK_BOOT_PARAMETERS].join(' ');
    const machine = await Machine.create({ ...images, append, memory: '128M', disks });
    await machine.start();
    await machine.console.waitFor(PROMPT);
    await machine.console.write('stty -echo\n');
    await machine.console.waitFor(PROMPT);
    return machine;
  };

  const ask = async (machine: Machine, command: string, answer: RegExp | string): Promise<string> => {
    await machine.console.write(`${command}\n`);
    return await machine.console.waitFor(answer);
  };

  it.skipIf(skipped)('go on by themselves, and end by themselves', async () => {
    const machine = await boot();
    try {
      await ask(machine, 'here=common; echo set', 'set');
      const forks = await Promise.all([machine.fork(), machine.fork(), machine.fork()]);
      expect(forks.map(({ status }) => status)).toEqual(['running', 'running', 'running']);
      await Promise.all(forks.map((fork, i) => ask(fork, `here=$here-${i}; echo "[$here]"`, `[common-${i}]`)));
      await ask(machine, 'echo "[$here]"', '[common]');
      await ask(forks[0]!, 'exit 3', /reboot|Power|\[/).catch(() => {});
      expect(await forks[0]!.finished).toMatchObject({ exitCode: 3 });
      await forks[1]!.stop();
      await ask(forks[2]!, 'echo "still [$here]"', 'still [common-2]');
      await machine.stop();
      // The fork outlives its parent.
      const grandchild = await forks[2]!.fork();
      await ask(grandchild, 'echo "grandchild [$here]"', 'grandchild [common-2]');
      await grandchild.kill();
      await ask(forks[2]!, 'echo "after all [$here]"', 'after all [common-2]');
      await forks[2]!.stop();
    } finally {
      await machine.stop();
    }
  });

  it.skipIf(skipped)('have the same disk, and each its own from there', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'godwit-fork-test-'));
    const path = join(folder, 'disk.qcow2');
    await createDisk(path, { sizeBytes: 8 * 1024 ** 2 });
    const machine = await boot([{ path }]);
    try {
      await ask(machine, 'echo before the fork | dd of=/dev/vda conv=notrunc; sync; echo wrote', 'wrote');
      const fork = await machine.fork();
      await ask(fork, 'head -n 1 /dev/vda', 'before the fork');
      await ask(fork, 'echo of the forks own. | dd of=/dev/vda conv=notrunc; sync; echo wrote', 'wrote');
      await ask(fork, 'echo 3 > /proc/sys/vm/drop_caches; head -n 1 /dev/vda', 'of the forks own.');
      await ask(machine, 'echo 3 > /proc/sys/vm/drop_caches; head -n 1 /dev/vda', 'before the fork');
      await fork.stop();
      await machine.stop();
      const disk = await openDisk(path, { readonly: true });
      const content = new Uint8Array(15);
      await disk.read(0, content);
      await disk.close();
      expect(new TextDecoder().decode(content)).toBe('before the fork');
    } finally {
      await machine.stop();
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it.skipIf(skipped)('are refused of a machine that has not been started or has ended', async () => {
    const machine = await Machine.create({ ...images, memory: '128M' });
    await expect(machine.fork()).rejects.toMatchObject({ code: 'state' });
    await machine.stop();
    await expect(machine.fork()).rejects.toMatchObject({ code: 'state' });
  });
});
