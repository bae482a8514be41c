/** Checkpoints through the library, on a Linux that goes on working. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ContinueOptions } from '../../src/api/checkpoint.ts';
import { configureRestore } from '../../src/api/options.ts';
import { createDisk } from '../../src/backend/disk/live/open-disk.ts';
import { ensureGuest, QUICK_BOOT_PARAMETERS } from '../../src/guest/index.ts';
import { MachineCore } from '../../src/machine/core.ts';
import { platform } from '../../src/platform/platform.ts';
import { ReplayRunner } from '../../src/run/replay-runner.ts';
import { readMachine } from '../../src/service/checkpoint/checkpointed-machine.ts';
import { type CheckpointNode, CheckpointStore } from '../../src/service/checkpoint/store/store.ts';
import { Machine } from '../../src/service/machine/machine.ts';
import { takeWarmedUp, warmUp } from '../../src/service/warm/warm-up.ts';
import { guestImages } from '../support/guest.ts';

const images = await guestImages();
const skipped = 'reason' in images ? images.reason : undefined;
const PROMPT = '~# ';

describe('checkpoints of a running machine', () => {
  let folder = '';
  const machines: Machine[] = [];
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'godwit-checkpoints-'));
  });
  afterEach(async () => {
    await Promise.all(machines.splice(0).map((machine) => machine.stop()));
    rmSync(folder, { recursive: true, force: true });
  });

  const boot = async (disks: { path: string }[] = []): Promise<Machine> => {
    const { kernelPath, initramfsPath } = await ensureGuest();
    const append = ['console=ttyS0', ...QUICK_BOOT_PARAMETERS].join(' ');
    const machine = await Machine.create({ kernel: kernelPath, initrd: initramfsPath, append, memory: '128M', disks });
    machines.push(machine);
    await machine.start();
    await machine.console.waitFor(PROMPT);
    await ask(machine, 'stty -echo; echo quiet', 'quiet');
    return machine;
  };
  const restore = async (name: string, options: Parameters<typeof Machine.restore>[1] = {}): Promise<Machine> => {
    const machine = await Machine.restore(name, { store: folder, ...options });
    machines.push(machine);
    await machine.start();
    return machine;
  };
  const ask = async (machine: Machine, command: string, answer: RegExp | string): Promise<string> => {
    await machine.console.write(`${command}\n`);
    return await machine.console.waitFor(answer);
  };

  it.skipIf(skipped)(
    'are restored with all that was in the guest, any number of times, one on top of the other',
    async () => {
      const machine = await boot();
      await ask(
        machine,
        'i=0; while true; do i=$((i+1)); echo $i > /tmp/count; done & head -c 3000000 /dev/urandom > /tmp/data; md5sum < /tmp/data; echo ready',
        'ready',
      );
      const sum = (await ask(machine, 'md5sum < /tmp/data', /[0-9a-f]{32}/)).match(/[0-9a-f]{32}/)![0];
      const first = await machine.checkpoint({ name: 'first', store: folder });
      expect(first.fileBytes).toBeGreaterThan(1_000_000);
      await ask(machine, 'echo more > /tmp/more; echo wrote', 'wrote');
      const second = await machine.checkpoint({ name: 'second', store: folder });
      expect(second.fileBytes).toBeLessThan(first.fileBytes);
      await machine.stop();

      const a = await restore('first');
      const b = await restore('second');
      await ask(a, 'md5sum < /tmp/data; ls /tmp', sum);
      await ask(b, 'md5sum < /tmp/data; cat /tmp/more', sum);
      await ask(a, 'test -e /tmp/more || echo "not yet"', 'not yet');
      await ask(b, 'cat /tmp/more', 'more');
      await ask(b, 'echo third > /tmp/third; echo wrote', 'wrote');
      const third = await b.checkpoint({ name: 'third', store: folder });
      expect(third.fileBytes).toBeLessThan(first.fileBytes);
      const store = await CheckpointStore.open({ folder });
      await store.delete('second');
      expect(await store.verify('third')).toMatchObject({ problems: [] });
      const c = await restore('third');
      await ask(c, 'cat /tmp/third /tmp/more; md5sum < /tmp/data', sum);
      const [tree] = await store.tree();
      expect(tree?.checkpoint.name).toBe('first');
      expect(tree?.children.map(({ checkpoint }) => checkpoint.name)).toEqual(['third']);
      await store.close();
    },
  );

  it.skipIf(skipped).each(['keep', 'copy'] as const)('take the disk along: %s', async (disks) => {
    const path = join(folder, 'disk.qcow2');
    await createDisk(path, { sizeBytes: 16 * 1024 ** 2 });
    const machine = await boot([{ path }]);
    const write = (text: string, at: number) =>
      `echo ${text} | dd of=/dev/vda bs=512 seek=${at} conv=notrunc,sync 2>/dev/null`;
    const read = (at: number) => `dd if=/dev/vda bs=512 skip=${at} count=1 2>/dev/null | head -n 1`;
    await ask(
      machine,
      `${write('one', 0)}; sync; (while true; do dd if=/dev/urandom of=/dev/vda bs=64k count=20 seek=40 conv=notrunc 2>/dev/null; done) & echo going`,
      'going',
    );
    const store = join(folder, 'store');
    await machine.checkpoint({ name: 'with-disk', store, disks });
    await ask(machine, `${write('two', 0)}; sync; ${read(0)}`, 'two');
    const restored = await restore('with-disk', { store });
    await ask(restored, `echo 3 > /proc/sys/vm/drop_caches; ${read(0)}`, 'one');
    await ask(restored, `${write('three', 0)}; sync; echo 3 > /proc/sys/vm/drop_caches; ${read(0)}`, 'three');
    await restored.stop();
    await machine.stop();
    const check = execFileSync('qemu-img', ['check', path], { encoding: 'utf8' });
    expect(check).toContain('No errors');
    expect(readdirSync(folder).filter((name) => name.startsWith('disk.qcow2')).length).toBe(disks === 'keep' ? 2 : 1);
    // The one that it went on with has what was written since.
    const again = await restore('with-disk', { store });
    await ask(again, `echo 3 > /proc/sys/vm/drop_caches; ${read(0)}`, 'one');
  });

  it.skipIf(skipped)(
    'are children of the one that their machine comes from, also by a fork or after one that failed',
    async () => {
      const machine = await boot();
      await machine.checkpoint({ name: 'first', store: folder });
      const fork = await machine.fork();
      await fork.checkpoint({ name: 'of-the-fork', store: folder });
      const cancelled = machine.checkpoint({ name: 'cancelled', store: folder, full: true });
      cancelled.catch(() => {});
      await machine.cancelCheckpoint();
      await expect(cancelled).rejects.toMatchObject({ code: 'state' });
      await machine.checkpoint({ name: 'after', store: folder });
      const restored = await restore('of-the-fork');
      const grandchild = await restored.fork();
      await grandchild.checkpoint({ name: 'grandchild', store: folder });
      for (const each of [machine, fork, restored, grandchild]) await each.stop();
      const store = await CheckpointStore.open({ folder });
      const outline = (nodes: readonly CheckpointNode[]): unknown[] =>
        nodes.map(({ checkpoint, children }) => [checkpoint.name, ...outline(children)]);
      expect(outline(await store.tree())).toEqual([['first', ['of-the-fork', ['grandchild']], ['after']]]);
      await store.close();
    },
  );

  it.skipIf(skipped)('go on alike as the same machine, and differently otherwise', async () => {
    const machine = await boot();
    await machine.pause();
    await machine.checkpoint({ name: 'paused', store: folder });
    await machine.stop();
    const uuid = async (options: ContinueOptions) => {
      const restored = await restore('paused', options);
      const text = await ask(restored, 'cat /proc/sys/kernel/random/uuid', /[0-9a-f]{8}-[0-9a-f-]{27}/);
      return text.match(/[0-9a-f]{8}-[0-9a-f-]{27}/)![0];
    };
    const machines = [await uuid({}), await uuid({}), await uuid({ identity: 'same', clock: 'keep' })];
    expect(new Set(machines).size).toBe(3);
  });

  describe('warmed up by a thread that waits for its machine', () => {
    const warmItUp = async (checkpoint: string, isWanted: () => boolean = () => false): Promise<void> => {
      const request = configureRestore(checkpoint, { store: folder });
      await warmUp({ request, interpreter: await platform().interpreter() }, isWanted);
    };
    const open = async (checkpoint: string) => {
      const opened = await (await CheckpointStore.open({ folder })).openCheckpoint(checkpoint);
      const { memoryBytes, machine } = opened.meta;
      const { translation } = configureRestore(checkpoint, {});
      return { opened, configuration: readMachine(machine, { memoryBytes, translation }).configuration };
    };
    const files = () => readdirSync(folder, { recursive: true, withFileTypes: true }).map(({ name }) => name);

    it.skipIf(skipped)('go on bit for bit as otherwise', async () => {
      const machine = await boot();
      await ask(machine, 'i=0; while true; do i=$((i+1)); echo $i > /tmp/count; done & echo ready', 'ready');
      await machine.checkpoint({ name: 'first', store: folder });
      await machine.stop();
      await warmItUp('first');
      const { opened, configuration } = await open('first');
      const options = { ...configuration, disks: [], shared: true, load: () => {} };
      const warmedUp = takeWarmedUp(opened, configuration)!.makeCore(options);
      const restored = await MachineCore.restore(options, opened.state, opened.pages);
      expect(warmedUp.point).toEqual(restored.point);
      expect(warmedUp.digest()).toBe(restored.digest());
      const end = restored.current.branches + 1_000_000n;
      for (const core of [warmedUp, restored]) new ReplayRunner(core, []).run(end);
      expect(warmedUp.point).toEqual(restored.point);
      expect(warmedUp.digest()).toBe(restored.digest());
      expect(takeWarmedUp(opened, configuration)).toBeUndefined();
    });

    it.skipIf(skipped)(
      'leave nothing behind, whenever the thread is wanted, and serve only their own machine',
      async () => {
        const disk = join(folder, 'disk.qcow2');
        await createDisk(disk, { sizeBytes: 64 * 1024 ** 2 });
        const machine = await boot([{ path: disk }]);
        await machine.checkpoint({ name: 'first', store: folder });
        await machine.checkpoint({ name: 'second', store: folder });
        await machine.stop();
        const before = files();
        const { opened, configuration } = await open('first');
        const backend = { submit: () => {}, fence: () => {} };
        const disks = [{ sizeBytes: 64 * 1024 ** 2, readonly: false, serial: '', backend }];
        const options = { ...configuration, disks, shared: true, load: () => {} };
        const digest = (await MachineCore.restore(options, opened.state, opened.pages)).digest();
        const digests: (bigint | undefined)[] = [];
        for (const polls of [0, 1, 3, 30, 300, 1300, 1320, 1600]) {
          let left = polls;
          await warmItUp('first', () => left-- <= 0);
          digests.push(takeWarmedUp(opened, configuration)?.makeCore(options).digest());
        }
        expect(digests.filter((each) => each !== digest)).toEqual([undefined]);
        await warmItUp('first');
        expect(takeWarmedUp((await open('second')).opened, configuration)).toBeUndefined();
        expect(takeWarmedUp(opened, configuration)).toBeUndefined();
        await warmItUp('first');
        const translation = { ...configuration.translation, threshold: 1 };
        expect(takeWarmedUp(opened, { ...configuration, translation })).toBeUndefined();
        await warmItUp('none');
        expect(files()).toEqual(before);
      },
    );

    it.skipIf(skipped)('are restored again and again', async () => {
      const machine = await boot();
      const first = await machine.checkpoint({ name: 'first', store: folder });
      await machine.stop();
      for (const i of [1, 2, 3, 4]) {
        const restored = await restore('first');
        await ask(restored, `test -e /tmp/was || echo $((${i} * 7)); echo "was $((${i} * 9))" >> /tmp/was`, `${i * 7}`);
        const next = await restored.checkpoint({ name: `next-${i}`, store: folder });
        expect(next.fileBytes).toBeLessThan(first.fileBytes / 2);
        await restored.stop();
        await delay(1500);
      }
      for (const i of [1, 2, 3, 4]) await ask(await restore(`next-${i}`), 'cat /tmp/was', `was ${i * 9}\r\n`);
    });
  });

  it.skipIf(skipped)('give clear errors when they are damaged, gone or none', async () => {
    const machine = await boot();
    const { path } = await machine.checkpoint({ name: 'fine', store: folder });
    await expect(machine.checkpoint({ name: 'fine', store: folder })).rejects.toMatchObject({ code: 'usage' });
    await expect(machine.checkpoint({ name: '../../x', store: folder })).rejects.toMatchObject({ code: 'usage' });
    await expect(Machine.restore('absent', { store: folder })).rejects.toMatchObject({ code: 'not-found' });
    await expect(Machine.restore('', { store: folder })).rejects.toMatchObject({ code: 'usage' });
    const file = join(path, 'machine.godwit');
    const bytes = readFileSync(file);
    writeFileSync(file, bytes.subarray(0, bytes.length / 2));
    await expect(Machine.restore('fine', { store: folder })).rejects.toMatchObject({ code: 'damaged' });
    mkdirSync(join(folder, 'unrelated'));
    await ask(machine, 'echo unharmed', 'unharmed');
  });
});
