/** Shared folders in Debian's Linux: what its users see, recordings, checkpoints and forks. */
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ShareOptions } from '../../src/api/options.ts';
import { QUICK_BOOT_PARAMETERS } from '../../src/guest/index.ts';
import { Replayer } from '../../src/recording/replayer.ts';
import { Machine } from '../../src/service/machine/machine.ts';
import { openRecording } from '../../src/service/recording/open-recording.ts';
import { refuseShares } from '../../src/service/replay/replay-shares.ts';
import { guestImages } from '../support/guest.ts';

const images = await guestImages();
const skipped = process.platform === 'linux' ? ('reason' in images ? images.reason : undefined) : 'not on Linux';

describe.skipIf(skipped)(`a folder of the host in a guest ${skipped ?? ''}`, { timeout: 600_000 }, () => {
  let base = '';
  let shared = '';
  const machines: Machine[] = [];
  beforeEach(() => {
    base = mkdtempSync(join(tmpdir(), 'godwit-share-'));
    shared = join(base, 'work');
    mkdirSync(join(shared, 'sub'), { recursive: true });
    writeFileSync(join(shared, 'hello'), 'hello from the host\n');
  });
  afterEach(async () => {
    await Promise.all(machines.splice(0).map((machine) => machine.stop()));
    rmSync(base, { recursive: true, force: true });
  });

  const create = async (shares: readonly ShareOptions[]): Promise<Machine> => {
    if ('reason' in images) throw new Error(images.reason);
    const append = ['console=ttyS0', ...QUICK_BOOT_PARAMETERS].join(' ');
    const machine = await Machine.create({ ...images, append, memory: '128M', shares });
    machines.push(machine);
    return machine;
  };
  const toShell = async (machine: Machine): Promise<Machine> => {
    await machine.start();
    await machine.console.waitFor('~# ');
    await machine.console.write('stty -echo; echo qui""et\n');
    await machine.console.waitFor('quiet');
    return machine;
  };
  let marks = 0;
  /** What the command prints. */
  const run = async (machine: Machine, command: string): Promise<string> => {
    const mark = `end-${marks++}:`;
    const before = machine.console.transcript.length;
    await machine.console.write(`${command}; echo ${mark}$?:\n`);
    await machine.console.waitFor(new RegExp(`${mark}\\d+:`));
    return machine.console.transcript.slice(before).replaceAll('\r', '');
  };

  it('is mounted, read, written and changed by both sides', async () => {
    const machine = await toShell(await create([{ path: shared }]));
    expect(await run(machine, 'cat /mnt/work/hello')).toContain('hello from the host');
    expect(await run(machine, 'ls /mnt/work')).toMatch(/hello\s+sub/);
    await run(
      machine,
      'cd /mnt/work; echo from the guest > sub/new; mv sub/new sub/newer; mkdir -p a/b/c; rmdir a/b/c',
    );
    expect(readFileSync(join(shared, 'sub/newer'), 'utf8')).toBe('from the guest\n');
    expect(readdirSync(join(shared, 'a'))).toEqual(['b']);
    // What one side writes the other has at once, also in an open file.
    await run(machine, 'exec 3< hello; read line <&3');
    appendFileSync(join(shared, 'hello'), 'and more\n');
    expect(await run(machine, 'read line <&3; echo "<$line>"')).toContain('<and more>');
    renameSync(join(shared, 'hello'), join(shared, 'renamed'));
    expect(await run(machine, 'cat renamed; cat hello 2>&1')).toMatch(/and more\n.*No such file/s);
    // A large file, there and back.
    const large = Buffer.alloc(3_000_001, 'some text that is somewhat long, and of no period that computers like. ');
    writeFileSync(join(shared, 'large'), large);
    const sum = createHash('md5').update(large).digest('hex');
    expect(await run(machine, 'md5sum large; cp large copy')).toContain(sum);
    expect(
      createHash('md5')
        .update(readFileSync(join(shared, 'copy')))
        .digest('hex'),
    ).toBe(sum);
    // Programs can be run from there.
    expect(await run(machine, 'cp /bin/busybox sub/busybox; sub/busybox echo it-runs')).toContain('it-runs');
    expect(await run(machine, 'rm -r sub a && ls')).not.toContain('sub');
    expect(existsSync(join(shared, 'sub'))).toBe(false);
  });

  it('gives a guest nothing that is outside', async () => {
    writeFileSync(join(base, 'secret'), 'top secret');
    symlinkSync('../secret', join(shared, 'up'));
    symlinkSync(join(base, 'secret'), join(shared, 'absolute'));
    symlinkSync('..', join(shared, 'parent'));
    symlinkSync('hello', join(shared, 'inside'));
    const machine = await toShell(await create([{ path: shared, mount: '/mnt/own/place' }]));
    const text = await run(
      machine,
      'cd /mnt/own/place; cat up absolute parent/secret ../secret inside 2>&1; ls -l; ln -s /etc/hostname made; echo x > parent/made 2>&1',
    );
    expect(text).not.toContain('top secret');
    // Links are the guest's: this one stays in the folder.
    expect(text).toContain('hello from the host');
    expect(text).toMatch(/up -> \.\.\/secret/);
    expect(readdirSync(base).sort()).toEqual(['secret', 'work']);
    expect(readFileSync(join(base, 'secret'), 'utf8')).toBe('top secret');
  });

  it('can be read-only, and there can be several', async () => {
    mkdirSync(join(base, 'other'));
    const machine = await toShell(
      await create([
        { path: shared, readonly: true },
        { path: join(base, 'other'), mount: '/srv/other' },
      ]),
    );
    const text = await run(
      machine,
      'cat /mnt/work/hello; echo x > /mnt/work/new; rm /mnt/work/hello; echo y > /srv/other/y',
    );
    expect(text).toContain('hello from the host');
    expect(text.match(/Read-only file system/g)).toHaveLength(2);
    expect(readdirSync(shared).sort()).toEqual(['hello', 'sub']);
    expect(readFileSync(join(base, 'other', 'y'), 'utf8')).toBe('y\n');
  });

  it.skipIf(spawnSync('mke2fs', ['-V']).status !== 0)(
    'is below the root that a disk has, too (needs mke2fs)',
    async () => {
      if ('reason' in images) return;
      // busybox comes from the guest.
      const first = await toShell(await create([{ path: shared }]));
      await run(first, 'cp /bin/busybox /mnt/work/busybox');
      await first.stop();
      const tree = join(base, 'tree');
      for (const name of ['bin', 'sbin', 'proc', 'sys', 'dev', 'mnt']) mkdirSync(join(tree, name), { recursive: true });
      renameSync(join(shared, 'busybox'), join(tree, 'bin/busybox'));
      const init = '#!/bin/busybox sh\n/bin/busybox cat /mnt/work/hello\n/bin/busybox poweroff -f\n';
      writeFileSync(join(tree, 'sbin/init'), init, { mode: 0o755 });
      const disk = join(base, 'root.img');
      execFileSync('mke2fs', ['-q', '-t', 'ext4', '-d', tree, disk, '16M']);
      const append = ['console=ttyS0', ...QUICK_BOOT_PARAMETERS, 'root=/dev/vda'].join(' ');
      const disks = [{ path: disk, format: 'raw' as const }];
      const second = await Machine.create({ ...images, append, memory: '128M', disks, shares: [{ path: shared }] });
      machines.push(second);
      await second.start();
      expect((await second.finished).exitCode).toBe(0);
      expect(second.console.transcript).toContain('hello from the host');
    },
  );

  it('is in a recording, which replays without it', async () => {
    const machine = await create([{ path: shared }]);
    const path = join(base, 'boot.rec');
    await machine.record({ path });
    await toShell(machine);
    writeFileSync(join(shared, 'large'), Buffer.alloc(300_000, 'recorded '));
    await run(machine, 'cd /mnt/work; cat hello; md5sum large; echo x > sub/x; ls -l sub; exec 5< large');
    await machine.stopRecording(path);
    await machine.stop();
    rmSync(shared, { recursive: true });
    const recording = await openRecording(path);
    try {
      expect(recording.start.shares).toEqual([{ tag: '/mnt/work' }]);
      const printed: Buffer[] = [];
      const replayer = await Replayer.open(recording, { output: (_, bytes) => void printed.push(Buffer.from(bytes)) });
      expect(replayer.runToEnd().kind).toBe('end');
      expect(replayer.checkedDigests).toBe(recording.digests.length);
      expect(replayer.checkedDigests).toBeGreaterThan(0);
      expect(Buffer.concat(printed).toString()).toContain('hello from the host');
      expect([...replayer.core.board.shares[0]!.session.entries()].some(([, fid]) => fid.path?.[0] === 'large')).toBe(
        true,
      );
      replayer.detach().dispose();
      expect(() => refuseShares(recording.start, 'going on live')).toThrow(/shares a folder at \/mnt\/work/);
    } finally {
      recording.close();
    }
  });

  it('goes on in forks and after a restore, with open files, when it is common', async () => {
    const machine = await toShell(await create([{ path: shared, common: true }]));
    await run(machine, 'cd /mnt/work; exec 3< hello; exec 4> out; read word rest <&3; echo first >&4; mkdir made');
    // Requests on their way at that moment are done once, whoever goes on.
    await machine.console.write(
      'i=0; while [ $i -lt 400 ]; do mkdir d$i || echo fail""ed; i=$((i+1)); done; echo do""ne\n',
    );
    await new Promise((resolve) => setTimeout(resolve, 700));
    const { id } = await machine.checkpoint({ name: 'shared', store: join(base, 'store') });
    expect(id).toMatch(/^[0-9a-f]{16}$/);
    await machine.console.waitFor('done');
    expect(machine.console.transcript).not.toContain('failed');
    await machine.stop();
    for (const name of readdirSync(shared)) if (/^d\d+$/.test(name)) rmSync(join(shared, name), { recursive: true });
    const restored = await Machine.restore('shared', { store: join(base, 'store') });
    machines.push(restored);
    await restored.start();
    await restored.console.waitFor('done');
    expect(restored.console.transcript).not.toContain('failed');
    appendFileSync(join(shared, 'hello'), 'appended\n');
    expect(await run(restored, 'cat <&3; echo second >&4; ls -d made')).toContain('appended');
    expect(readFileSync(join(shared, 'out'), 'utf8')).toBe('first\nsecond\n');
    const fork = await restored.fork();
    machines.push(fork);
    await run(fork, 'echo fork >&4; echo fork > by-fork');
    expect(readFileSync(join(shared, 'out'), 'utf8')).toBe('first\nsecond\nfork\n');
    expect(await run(restored, 'cat by-fork')).toContain('fork');
    await Promise.all([restored.stop(), fork.stop()]);
    renameSync(shared, join(base, 'elsewhere'));
    await expect(Machine.restore('shared', { store: join(base, 'store') })).rejects.toMatchObject({
      code: 'not-found',
      message: expect.stringContaining(shared),
      hint: expect.stringContaining('the same folder'),
    });
  });

  it('is in no checkpoint unless it is common, and what is no folder is refused', async () => {
    const machine = await create([{ path: shared }]);
    await machine.start();
    await expect(machine.checkpoint({ store: join(base, 'store') })).rejects.toMatchObject({
      code: 'state',
      message: expect.stringContaining(shared),
      hint: expect.stringContaining(',common'),
    });
    await expect(create([{ path: join(shared, 'hello') }])).rejects.toMatchObject({ code: 'usage' });
    await expect(create([{ path: join(shared, 'missing') }])).rejects.toMatchObject({ code: 'not-found' });
  });
});
