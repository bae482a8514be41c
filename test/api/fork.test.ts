/** Forks through the library: machines of their own, over the same memory and disks. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createDisk, openDisk } from '../../src/backend/disk/live/open-disk.ts';
import { QUICK_BOOT_PARAMETERS } from '../../src/guest/index.ts';
import { Machine } from '../../src/service/machine/machine.ts';
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

  interface Inside {
    readonly threads: { terminate(): Promise<void> }[];
    readonly lock: Int32Array;
  }

  /** A fork in another thread; those serve forks when they have started. The ones made on the way are in `all`, too. */
  const forkElsewhere = async (machine: Machine, all: Machine[]): Promise<Machine> => {
    for (;;) {
      const fork = await machine.fork();
      all.push(fork);
      if (fork.thread !== machine.thread) return fork;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
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

  it.skipIf(skipped || availableParallelism() < 2 ? (skipped ?? 'one processor') : undefined)(
    'are spread over threads, whose machines come and go by themselves',
    async () => {
      const machine = await boot();
      const forks: Machine[] = [];
      const forkUntil = async (wanted: (fork: Machine) => boolean): Promise<Machine> => {
        // The other threads serve forks when they have started.
        for (let tries = 0; tries < 200; tries++) {
          const fork = await machine.fork();
          forks.push(fork);
          if (wanted(fork)) return fork;
          await fork.stop();
          await new Promise((resolve) => setTimeout(resolve, 20));
        }
        throw new Error('no fork came to that thread');
      };
      try {
        await ask(machine, 'here=common; echo set', 'set');
        const elsewhere = await forkUntil(({ thread }) => thread !== machine.thread);
        const more = await Promise.all([machine.fork(), machine.fork(), elsewhere.fork(), elsewhere.fork()]);
        forks.push(...more);
        expect(new Set(more.map(({ thread }) => thread)).size).toBeGreaterThan(1);
        const all = [machine, elsewhere, ...more];
        const sum = 'sum=$(dd if=/dev/zero bs=1M count=4 2>/dev/null | md5sum)';
        const sums = await Promise.all(
          all.map((each, i) => ask(each, `${sum}; echo "$here-${i} $sum."`, /common-\d [0-9a-f]{32}/)),
        );
        expect(new Set(sums.map((text) => text.slice('common-0'.length))).size).toBe(1);
        await elsewhere.kill();
        await Promise.all(more.map((each, i) => ask(each, `echo "on $here ${i}."`, `on common ${i}.`)));
        // All that is left is elsewhere, and has children still.
        await machine.stop();
        const last = more.find(({ thread }) => thread !== machine.thread)!;
        await Promise.all(more.filter((each) => each !== last).map((each) => each.stop()));
        const grandchild = await last.fork();
        forks.push(grandchild);
        await ask(grandchild, 'echo "grandchild $here"', 'grandchild common');
        await last.kill();
        await ask(grandchild, 'echo "alone $here"', 'alone common');
        expect(await grandchild.stats()).toMatchObject({ resets: 0 });
      } finally {
        await Promise.all([machine, ...forks].map((each) => each.stop()));
      }
    },
  );

  it.skipIf(skipped || availableParallelism() < 2 ? (skipped ?? 'one processor') : undefined)(
    'of other threads go on when one of the threads dies',
    async () => {
      const machine = await boot();
      const forks: Machine[] = [];
      try {
        const lost = await forkElsewhere(machine, forks);
        const { forkGroup } = machine as unknown as { forkGroup: Inside };
        await forkGroup.threads[lost.thread]!.terminate();
        await expect(lost.finished).rejects.toMatchObject({ code: 'state' });
        await ask(machine, 'echo "$((6 * 7)) still"', '42 still');
        const next = await machine.fork();
        forks.push(next);
        await ask(next, 'echo "$((7 * 8)) too"', '56 too');
      } finally {
        await Promise.all([machine, ...forks].map((each) => each.stop()));
      }
    },
  );

  it.skipIf(skipped || availableParallelism() < 2 ? (skipped ?? 'one processor') : undefined)(
    'all end when a thread dies in the middle of a change to what they share, and nobody waits for ever',
    async () => {
      const machine = await boot();
      const forks: Machine[] = [];
      const lost = await forkElsewhere(machine, forks);
      const { forkGroup } = machine as unknown as { forkGroup: Inside };
      const held = (lost.thread + 1) << 1;
      // Taken as a thread takes it: whoever has it now would else set it free when done.
      while (Atomics.compareExchange(forkGroup.lock, 0, 0, held) !== 0) await new Promise(setImmediate);
      await forkGroup.threads[lost.thread]!.terminate();
      for (const each of [machine, lost]) await expect(each.finished).rejects.toMatchObject({ code: 'state' });
    },
  );

  it.skipIf(skipped || availableParallelism() < 2 ? (skipped ?? 'one processor') : undefined)(
    'of a restored machine read in every thread what nobody has read, and its disk',
    async () => {
      const folder = mkdtempSync(join(tmpdir(), 'godwit-fork-test-'));
      const path = join(folder, 'disk.qcow2');
      const store = join(folder, 'store');
      await createDisk(path, { sizeBytes: 8 * 1024 ** 2 });
      const machine = await boot([{ path }]);
      await ask(machine, 'echo from the first | dd of=/dev/vda conv=notrunc; sync; echo wrote', 'wrote');
      const digest = 'find /usr /lib -type f | sort | xargs cat | head -c 8000000 | md5sum';
      const sum = await ask(machine, digest, /[0-9a-f]{32}/);
      await machine.checkpoint({ name: 'here', store });
      await machine.stop();
      const restored = await Machine.restore('here', { store });
      await restored.start();
      const forks: Machine[] = [];
      try {
        while (!forks.some(({ thread }) => thread !== restored.thread)) {
          forks.push(await restored.fork());
          await new Promise((resolve) => setTimeout(resolve, 20));
        }
        const [first, elsewhere] = [forks[0]!, forks.at(-1)!];
        // The one that they come from ends first.
        await restored.stop();
        for (const fork of [elsewhere, first]) {
          expect(await ask(fork, digest, /[0-9a-f]{32}/)).toBe(sum);
          await ask(fork, 'head -n 1 /dev/vda', 'from the first');
        }
      } finally {
        await Promise.all([restored, ...forks].map((each) => each.stop()));
        rmSync(folder, { recursive: true, force: true });
      }
      // Its temporary images are gone, and nobody else's.
      for (const fork of forks) expect(fork.status).toBe('ended');
    },
  );

  it.skipIf(skipped)('are heard from the first thing that they print', async () => {
    const machine = await boot();
    const all: Machine[] = [machine];
    try {
      await forkElsewhere(machine, all);
      await Promise.all(all.splice(1).map((early) => early.stop()));
      const count = '(n=0; while :; do n=$((n + 1)); echo "n=$n="; usleep 5000; done) & n=; echo go"es"';
      await ask(machine, count, 'goes');
      const listen = async (fork: Machine): Promise<string> => {
        let text = '';
        for await (const bytes of fork.console) {
          text += new TextDecoder().decode(bytes);
          if (text.length > 200) break;
        }
        return text;
      };
      for (let made = 0; made < 4; made++) {
        const fork = await machine.fork();
        all.push(fork);
        // All that it has printed is all that is read.
        const text = await listen(fork);
        expect(fork.console.transcript.startsWith(text)).toBe(true);
      }
      const still = await machine.fork({ start: false });
      const copy = await still.fork({ start: false });
      all.push(still, copy);
      expect([still.status, copy.status]).toEqual(['created', 'created']);
      const texts = [still, copy].map(listen);
      await Promise.all([still.start(), copy.start()]);
      const [first, second] = await Promise.all(texts);
      expect(first!.slice(0, 200)).toBe(second!.slice(0, 200));
      const waiting = await machine.fork({ start: false });
      all.push(waiting);
      await expect(waiting.fork({ identity: 'same', clock: 'keep' })).rejects.toMatchObject({ code: 'state' });
      await waiting.start();
      all.push(await waiting.fork({ identity: 'same', clock: 'keep' }));
    } finally {
      await Promise.all(all.map((each) => each.stop()));
    }
  });

  it.skipIf(skipped)('are refused of a machine that has not been started or has ended', async () => {
    const machine = await Machine.create({ ...images, memory: '128M' });
    await expect(machine.fork()).rejects.toMatchObject({ code: 'state' });
    await machine.stop();
    await expect(machine.fork()).rejects.toMatchObject({ code: 'state' });
  });
});

/** In a process of its own, which must end by itself: no thread may be left. */
const RACES = `
  import { ensureGuest, Machine, QUICK_BOOT_PARAMETERS } from ${JSON.stringify(new URL('../../dist/node.js', import.meta.url).href)};
  const { kernelPath, initramfsPath } = await ensureGuest();
  for (const end of ['stop', 'kill']) {
    for (const wait of [0, 1, 300]) {
      const options = { kernel: kernelPath, initrd: initramfsPath, append: QUICK_BOOT_PARAMETERS.join(' '), memory: '128M' };
      const machine = await Machine.create(options);
      await machine.start();
      const first = machine.fork();
      if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
      const forks = Promise.allSettled([first, machine.fork(), machine.fork()]);
      await machine[end]();
      for (const result of await forks) if (result.status === 'fulfilled') await result.value[end]();
    }
  }
  console.log('all ended');
`;

describe('forks that are asked for while their machine ends', () => {
  it.skipIf(skipped)('leave nothing that keeps the process', () => {
    const { stdout, status, signal } = spawnSync(process.execPath, ['--input-type=module', '-e', RACES], {
      encoding: 'utf8',
      timeout: 100_000,
    });
    expect({ stdout, status, signal }).toEqual({ stdout: 'all ended\n', status: 0, signal: null });
  });
});
