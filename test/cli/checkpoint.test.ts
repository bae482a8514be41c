import { once } from 'node:events';
import { createWriteStream, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import * as qemu from '../disk/support/qemu-img.ts';
import { Random } from '../disk/support/random.ts';
import { guestImages } from '../support/guest.ts';
import { type Ended, MAIN, Run } from './support.ts';

const images = await guestImages();
const skipped = 'reason' in images ? images.reason : undefined;

let folder: string;
let env: NodeJS.ProcessEnv;
const runs = new Set<Run>();

function start(...args: string[]): Run {
  const run = new Run(process.execPath, [MAIN, ...args], env);
  runs.add(run);
  void run.ended.then(() => runs.delete(run));
  return run;
}

async function godwit(...args: string[]): Promise<Ended> {
  const run = start(...args);
  run.child.stdin.end();
  return await run.ended;
}

async function works(...args: string[]): Promise<string> {
  const { status, stdout, stderr } = await godwit(...args);
  expect({ status, stderr }, args.join(' ')).toEqual({ status: 0, stderr: '' });
  return stdout;
}

const at = (name: string): string => join(folder, name);
const store = (): string => at('data/godwit/checkpoints');
/** All but locks. */
const filesOf = (path: string): string[] => readdirSync(path).filter((name) => !name.startsWith('.godwit-lock'));

async function boot(name: string, ...args: string[]): Promise<Run> {
  const run = start('run', '--name', name, '--memory', '128M', ...args);
  await run.shows('~# ');
  // Without the echo, what is typed is not taken for an answer.
  run.type('stty -echo; echo qui""et\n');
  await run.shows('quiet');
  return run;
}

async function ask(run: Run, command: string, answer: string): Promise<void> {
  run.type(`${command}\n`);
  await run.shows(answer);
}

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'godwit-cli-checkpoint-'));
  env = { ...process.env, XDG_RUNTIME_DIR: folder, XDG_DATA_HOME: at('data') };
});
afterEach(async () => {
  for (const run of runs) run.child.kill('SIGKILL');
  for (const run of runs) await run.ended;
  rmSync(folder, { recursive: true, force: true });
});

describe.skipIf(skipped)('machines and checkpoints from the command line', () => {
  test('a machine that writes is kept, and new ones go on from there', async () => {
    await works('disk', 'create', at('d.qcow2'), '16M');
    const web = await boot('web1', '--disk', at('d.qcow2'));
    const loop =
      'i=0; while true; do i=$((i+1)); echo "count $i" > /tmp/count; dd if=/tmp/count of=/dev/vda conv=notrunc,sync';
    await ask(web, `(${loop} 2>/dev/null; sync; done) & echo mark > /tmp/mark; echo go""ing`, 'going');
    expect(await works('ps')).toMatch(
      /^NAME +PID +STATUS +MEMORY +UPTIME\nweb1 +\d+ +running +128 MiB +\d\d:\d\d:\d\d\n$/,
    );

    const made =
      /^first \([0-9a-f]{8}\): .* of memory in .* s; the machine stood still for \d+\.\d\d ms\.\n(?: {2}(?:disk|kernel|initrd) .*: (?:copied|pinned, .*)\n){3}$/;
    expect(await works('checkpoint', 'create', 'first')).toMatch(made);
    expect(filesOf(folder).sort()).toEqual(['d.qcow2', 'data', 'godwit']);
    const report = JSON.parse(
      await works('checkpoint', 'create', 'second', '--machine', 'web1', '--keep-disk', '--json'),
    );
    expect(report).toMatchObject({ name: 'second', pauseMs: expect.any(Number) });
    expect(filesOf(folder)).toHaveLength(4);
    await ask(web, 'echo 1 > /tmp/later; echo st""ill here', 'still here');

    await works('pause', 'web1');
    expect(JSON.parse(await works('ps', '--json'))).toMatchObject([
      { name: 'web1', status: 'paused', disks: [at('d.qcow2')] },
    ]);
    await works('checkpoint', 'create', 'third', '--paused', '--full');
    expect(JSON.parse(await works('ps', '--json'))).toMatchObject([{ status: 'paused' }]);
    await works('resume', 'web1');
    await ask(web, 'echo go""es on', 'goes on');
    await works('stop', 'web1');
    expect((await web.ended).status).toBe(0);
    expect(await godwit('ps')).toMatchObject({ status: 0, stdout: '', stderr: 'No machine is running.\n' });

    const list = await works('checkpoint', 'list');
    expect(list).toMatch(/^NAME +ID +CREATED +MEMORY +SIZE\nfirst +\S+ .*\n└─ second +\S+ .*\n {3}└─ third +\S+ .*\n$/);
    expect(await works('checkpoint', 'show', 'second')).toMatch(/\nParent +first\nChildren +third\n/);
    expect(await works('checkpoint', 'verify')).toMatch(/^first: whole .*\nsecond: whole .*\nthird: whole .*\n$/);

    // Without a disk of its own the machine of each checkpoint goes on over that of the checkpoint.
    for (const [name, later] of [
      ['first', 'no'],
      ['second', 'no'],
      ['third', 'yes'],
    ]) {
      const restored = start('checkpoint', 'restore', name!, '--name', 'again');
      await ask(
        restored,
        'cat /tmp/mark; dd if=/dev/vda bs=512 count=1 2>/dev/null | head -n 1; echo dis""k read',
        'mark',
      );
      await restored.shows('count ');
      await restored.shows('disk read');
      await ask(restored, 'test -e /tmp/later && echo later: y""es || echo later: n""o', `later: ${later}`);
      restored.type('poweroff\n');
      expect(await restored.ended, name).toMatchObject({ status: 0, stderr: '' });
    }

    await works('checkpoint', 'export', 'second', at('second.godwit'));
    const id = (await works('checkpoint', 'import', at('second.godwit'), '--store', at('other'))).trim();
    expect(JSON.parse(await works('checkpoint', 'list', '--store', at('other'), '--json'))).toMatchObject([
      { id, name: 'second', parent: null },
    ]);
    const elsewhere = start('checkpoint', 'restore', 'second', '--store', at('other'), '--disks', at('elsewhere'));
    await ask(elsewhere, 'cat /tmp/mark', 'mark');
    elsewhere.type('poweroff\n');
    expect(await elsewhere.ended).toMatchObject({ status: 0, stderr: '' });
    expect(readdirSync(at('elsewhere'))).toEqual(['disk0.qcow2']);

    await works('checkpoint', 'delete', 'first', 'third');
    expect(await works('checkpoint', 'commit', 'second', '--merge')).toContain(
      'd.qcow2 is copied into the checkpoint, and is one file again.',
    );
    expect(await works('checkpoint', 'commit', 'second')).toBe('The checkpoint has all its disks already.\n');
    await works('checkpoint', 'rename', 'second', 'only');
    expect(await works('checkpoint', 'verify')).toMatch(/^only: whole .*\n$/);
    expect(filesOf(folder).filter((name) => name.startsWith('d.qcow2'))).toEqual(['d.qcow2']);
    if (qemu.hasQemuImg) qemu.expectClean(at('d.qcow2'));
    await works('checkpoint', 'delete', 'only');
    expect(filesOf(store()).filter((name) => name !== '.lock')).toEqual([]);
  });

  test('several machines go on from one checkpoint, each with an identity of its own', async () => {
    const web = await boot('parent');
    // For ever: whatever the moment of the checkpoint is, there is more to come.
    await ask(
      web,
      '(while sleep 0.1; do echo uuid=$(cat /proc/sys/kernel/random/uuid)=; done) & echo la""ter',
      'later',
    );
    await works('checkpoint', 'create', 'many');
    await works('stop', 'parent');
    const fork = start('checkpoint', 'fork', 'many', '--count', '3', '--name', 'child');
    const names = ['child-1', 'child-2', 'child-3'];
    const uuids = (name: string) => [...fork.output.matchAll(new RegExp(`^${name} \\| uuid=([0-9a-f-]{36})=$`, 'gm'))];
    while (names.some((name) => uuids(name).length < 5)) await fork.shows('\n');
    const machines = JSON.parse(await works('ps', '--json')) as { name: string; status: string }[];
    expect(machines.map(({ name }) => name)).toEqual(names);
    for (const name of names) await works('stop', name);
    const { status, stderr } = await fork.ended;
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    // The first may have been made before the checkpoint, and only been printed after it.
    const all = names.flatMap((name) =>
      uuids(name)
        .slice(1)
        .map(([, uuid]) => uuid),
    );
    expect(new Set(all).size).toBe(all.length);
    await works('checkpoint', 'delete', 'many');
  });

  test('all go on from the checkpoint itself, and nothing that they print is missed', async () => {
    const web = await boot('parent');
    await ask(web, '(n=0; while :; do n=$((n + 1)); echo "n=$n="; usleep 1000; done) & echo go""es', 'goes');
    await works('checkpoint', 'create', 'counting');
    await works('stop', 'parent');
    const fork = start('checkpoint', 'fork', 'counting', '--count', '3', '--name', 'child');
    const names = ['child-1', 'child-2', 'child-3'];
    const numbers = (name: string): number[] =>
      [...fork.output.matchAll(new RegExp(`^${name} \\| n=(\\d+)=$`, 'gm'))].map(([, n]) => Number(n));
    while (names.some((name) => numbers(name).length < 20)) await fork.shows('\n');
    const [first, ...others] = names.map((name) => numbers(name).slice(0, 20));
    expect(first).toEqual(first!.map((_, i) => first![0]! + i));
    for (const other of others) expect(other).toEqual(first);
    for (const name of names) await works('stop', name);
    await fork.ended;
    // Wherever it is, on the first signal.
    for (const ms of [400, 700, 1000]) {
      const stopped = start('checkpoint', 'fork', 'counting', '--count', '200');
      await new Promise((resolve) => setTimeout(resolve, ms));
      stopped.child.kill('SIGINT');
      const { status, stderr } = await stopped.ended;
      // Before the program has begun, the signal itself ends it.
      expect([130, null]).toContain(status);
      expect(stderr).toBe('');
    }
    expect((await godwit('ps')).stdout).toBe('');
  });

  test('forks of a damaged checkpoint fail by name, and leave nothing', async () => {
    const web = await boot('web1');
    await works('checkpoint', 'create', 'spoilt', '--machine', 'web1');
    web.type('poweroff\n');
    await web.ended;
    const id = filesOf(store()).find((name) => !name.startsWith('.'));
    const path = join(store(), id!, 'machine.godwit');
    const bytes = readFileSync(path);
    // Stored pages are in the middle of the file: what says where they are is at its ends.
    for (let at = 60_000; at < bytes.length * 0.9; at += 20_000) bytes[at] = bytes[at]! ^ 0xff;
    writeFileSync(path, bytes);
    const { status, stderr } = await godwit('checkpoint', 'fork', 'spoilt', '--count', '2', '--name', 'child');
    expect(status).toBe(1);
    expect(stderr).toMatch(/^godwit: child-[12]: .* is damaged: chunk \d+ of its section PDAT is wrong\.\n$/);
    expect((await godwit('ps')).stdout).not.toContain('child');
    expect(readdirSync(join(folder, 'godwit')).filter((name) => name.endsWith('.sock'))).toEqual([]);
  });

  test('a running machine is forked, and its history has nothing of that', async () => {
    await works('disk', 'create', at('f.qcow2'), '16M');
    const web = await boot('parent', '--disk', at('f.qcow2'));
    await works('checkpoint', 'create', 'before');
    await ask(
      web,
      'echo kept > /tmp/kept; (while sleep 1; do echo for""ked $(cat /tmp/kept); done) & echo there',
      'there',
    );
    const forks = start('checkpoint', 'fork', '--machine', 'parent', '--count', '2');
    for (const name of ['parent-1', 'parent-2']) await forks.shows(`${name} | forked kept`);
    await web.shows('forked kept');
    const machines = JSON.parse(await works('ps', '--json')) as { name: string }[];
    expect(machines.map(({ name }) => name).sort()).toEqual(['parent', 'parent-1', 'parent-2']);
    await works('checkpoint', 'create', 'after', '--machine', 'parent');
    for (const name of ['parent-1', 'parent-2']) await works('stop', name);
    expect(await forks.ended).toMatchObject({ status: 0, stderr: '' });
    const [before, after, ...more] = JSON.parse(await works('checkpoint', 'list', '--json')) as Record<
      string,
      unknown
    >[];
    expect(more).toEqual([]);
    expect(after).toMatchObject({ name: 'after', parent: before!.id });
    await ask(web, 'echo un""harmed', 'unharmed');
    await works('stop', 'parent');
    await works('checkpoint', 'verify');
    expect(filesOf(folder).filter((name) => name.startsWith('f.qcow2'))).toEqual(['f.qcow2']);
    await works('checkpoint', 'delete', 'before', 'after');
  });

  test('a checkpoint that is interrupted leaves nothing, and the machine goes on', async () => {
    // Enough to take a while.
    const disk = createWriteStream(at('big.img'));
    const piece = new Random(1).bytes(2 ** 20);
    for (let written = 0; written < 300; written++) if (!disk.write(piece)) await once(disk, 'drain');
    disk.end();
    await once(disk, 'close');
    const web = await boot('big', '--disk', `${at('big.img')},format=raw`);
    const create = start('checkpoint', 'create', 'never');
    const isCopying = (): boolean => existsSync(`${at('big.img')}.parent`);
    while (!isCopying() && create.child.exitCode === null) await new Promise((resolve) => setTimeout(resolve, 1));
    create.child.kill('SIGINT');
    const { status, stdout, stderr } = await create.ended;
    expect({ status, stdout }).toEqual({ status: 130, stdout: '' });
    expect(stderr).toMatch(/^godwit: .*(cancelled|called off)/);
    expect(filesOf(store()).filter((name) => name !== '.lock')).toEqual([]);
    expect(filesOf(folder).filter((name) => name.startsWith('big'))).toEqual(['big.img']);
    await ask(web, 'echo un""harmed', 'unharmed');
    // And a process that is killed in the middle: its machine's disk is whole when it is opened next.
    const second = start('checkpoint', 'create', 'never');
    while (!isCopying() && second.child.exitCode === null) await new Promise((resolve) => setTimeout(resolve, 1));
    web.child.kill('SIGKILL');
    expect(await second.ended).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(/^godwit: The machine "big" ended/),
    });
    expect(await godwit('ps')).toMatchObject({ stdout: '' });
    expect(await works('disk', 'commit', at('big.img'))).toContain('is one file again');
    expect(filesOf(folder).filter((name) => name.startsWith('big'))).toEqual(['big.img']);
    await works('checkpoint', 'list', '--json');
  });

  test.each<[string[], number, RegExp]>([
    [['checkpoint', 'create', 'x'], 1, /^godwit: No machine is running\.\nStart one with "godwit run"\.\n$/],
    [['checkpoint', 'create', 'x', '--machine', 'nobody'], 1, /^godwit: No machine "nobody" is running\.\n/],
    [['checkpoint', 'create', '--keep-disk', '--copy-disk'], 2, /cannot be used with option '--copy-disk'/],
    [['checkpoint', 'restore', 'absent'], 1, /^godwit: There is no checkpoint "absent"\.\n/],
    [['checkpoint', 'fork', 'absent'], 1, /^godwit: There is no checkpoint "absent"\.\n/],
    [['checkpoint', 'fork'], 2, /^godwit: Either a checkpoint is forked, or a running machine\.\n/],
    [['checkpoint', 'fork', 'absent', '--machine', 'nobody'], 2, /^godwit: Either a checkpoint is forked/],
    [['checkpoint', 'fork', '--machine', 'nobody'], 1, /^godwit: No machine "nobody" is running\.\n/],
    [['checkpoint', 'fork', 'absent', '--count', '0'], 2, /It is a number from 1 to 1000/],
    [['checkpoint', 'show', 'absent'], 1, /^godwit: There is no checkpoint "absent"\.\n/],
    [['checkpoint', 'delete', 'absent'], 1, /^godwit: There is no checkpoint "absent"\.\n/],
    [['checkpoint', 'commit', 'absent'], 1, /^godwit: There is no checkpoint "absent"\.\n/],
    [['checkpoint', 'export', 'absent', 'f'], 1, /^godwit: There is no checkpoint "absent"\.\n/],
    [['checkpoint', 'import', '/no/such/file'], 1, /^godwit: .*\/no\/such\/file.*does not exist/],
    [['checkpoint', 'explode'], 2, /unknown command 'explode'/],
    [['stop', 'nobody'], 1, /^godwit: No machine "nobody" is running\.\n"godwit ps" lists those that are\.\n$/],
    [['pause', '../x'], 2, /^godwit: "\.\.\/x" cannot be the name of a machine\.\n/],
    [['run', '--name', 'a b', '--kernel', '/dev/null'], 2, /cannot be the name of a machine/],
    [['disk', 'commit', '/no/such/file'], 1, /^godwit: .*\/no\/such\/file.*does not exist/],
  ])('%j ends with status %i', async (args, status, message) => {
    const ended = await godwit(...args);
    expect(ended).toMatchObject({ status, stdout: '' });
    expect(ended.stderr).toMatch(message);
  });
});
