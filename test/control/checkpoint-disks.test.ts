import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createDisk } from '../../src/backend/disk/live/open-disk.ts';
import { ensureGuest, QUICK_BOOT_PARAMETERS } from '../../src/guest/index.ts';
import { CheckpointStore } from '../../src/service/checkpoint/store/store.ts';
import { Machine } from '../../src/service/machine/machine.ts';
import { guestImages } from '../support/guest.ts';

const images = await guestImages();
const skipped = 'reason' in images ? images.reason : undefined;

describe.skipIf(skipped)('the disks of checkpoints', () => {
  let folder = '';
  let machine: Machine;
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'godwit-checkpoint-disks-'));
  });
  afterEach(async () => {
    await machine.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const store = () => join(folder, 'store');
  const ask = async (command: string, answer: RegExp | string): Promise<void> => {
    await machine.console.write(`${command}\n`);
    await machine.console.waitFor(answer);
  };
  const write = async (text: string, at: number): Promise<void> => {
    await ask(
      `echo ${text} | dd of=/dev/vda bs=512 seek=${at} conv=notrunc,sync 2>/dev/null; sync; echo wro""te`,
      'wrote',
    );
  };
  const expectAt = async (text: string, at: number): Promise<void> => {
    await ask(
      `echo 3 > /proc/sys/vm/drop_caches; dd if=/dev/vda bs=512 skip=${at} count=1 2>/dev/null | head -n 1`,
      text,
    );
  };
  const boot = async (path: string): Promise<void> => {
    const { kernelPath, initramfsPath } = await ensureGuest();
    const append = ['console=ttyS0', ...QUICK_BOOT_PARAMETERS].join(' ');
    const disks = [{ path }];
    machine = await Machine.create({ kernel: kernelPath, initrd: initramfsPath, append, memory: '128M', disks });
    await machine.start();
    await machine.console.waitFor('~# ');
    await ask('stty -echo; echo qui""et', 'quiet');
  };
  /** The machine before is gone, and its temporary files with it. */
  const goOnFrom = async (name: string): Promise<void> => {
    await machine.stop();
    machine = await Machine.restore(name, { store: store() });
    await machine.start();
  };

  test('outlive the machines that they were made of, and each other', async () => {
    const path = join(folder, 'disk.qcow2');
    await createDisk(path, { sizeBytes: 8 * 1024 ** 2 });
    await boot(path);
    await write('first', 0);
    await machine.checkpoint({ name: 'one', store: store(), disks: 'copy' });
    await goOnFrom('one');
    await write('second', 1);
    // The disk of a restored machine is gone when it ends, so it is copied, whatever is asked for.
    await machine.checkpoint({ name: 'two', store: store(), disks: 'keep' });
    await write('third', 2);
    const fork = await machine.fork();
    await machine.checkpoint({ name: 'three', store: store() });
    await fork.stop();
    await machine.stop();
    const checkpoints = await CheckpointStore.open({ folder: store() });
    expect((await checkpoints.show('two')).meta?.disks[0]?.backing).toEqual([
      `${await checkpoints.resolve('one')}/disk0.qcow2`,
    ]);
    await checkpoints.delete('one');
    expect(await checkpoints.verify('two')).toMatchObject({ problems: [] });
    expect(await checkpoints.verify('three')).toMatchObject({ problems: [] });
    await goOnFrom('two');
    await expectAt('first', 0);
    await expectAt('second', 1);
    await expect(checkpoints.delete('two')).rejects.toMatchObject({ code: 'locked' });
    await machine.stop();
    await checkpoints.delete('two');
    await goOnFrom('three');
    await expectAt('first', 0);
    await expectAt('second', 1);
    await expectAt('third', 2);
    await machine.stop();
    await checkpoints.delete('three');
    expect(readdirSync(store()).filter((name) => !name.startsWith('.'))).toEqual([]);
    expect(existsSync(path)).toBe(true);
    await checkpoints.close();
  });

  test('serve forks that outlive the machine which they come from', async () => {
    const path = join(folder, 'disk.qcow2');
    await createDisk(path, { sizeBytes: 8 * 1024 ** 2 });
    await boot(path);
    await ask('mkdir -p /tmp/many; for i in $(seq 400); do echo $i > /tmp/many/$i; done; echo fil""led', 'filled');
    await write('first', 0);
    await machine.checkpoint({ name: 'one', store: store() });
    await goOnFrom('one');
    const first = machine;
    const child = await first.fork();
    await first.stop();
    machine = child;
    // Pages that nobody has touched come from the checkpoint.
    await ask('cat /tmp/many/* | md5sum; echo al""l', 'all');
    await expectAt('first', 0);
    await write('second', 1);
    const grandchild = await child.fork();
    await child.stop();
    machine = grandchild;
    await expectAt('second', 1);
    await machine.checkpoint({ name: 'two', store: store() });
    await goOnFrom('two');
    await expectAt('first', 0);
    await expectAt('second', 1);
  });
});
