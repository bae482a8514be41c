import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  linkSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import { build } from 'vite';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { NodeByteFile } from '../../src/platform/node/byte-file.ts';
import { nodeFiles } from '../../src/platform/node/files.ts';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

const locked = { name: 'GodwitError', code: 'locked' };

let programs: string;
let holderProgram: string;
let folder: string;
let path: string;
const children = new Set<ChildProcessWithoutNullStreams>();

beforeAll(async () => {
  programs = mkdtempSync(join(tmpdir(), 'godwit-holder-'));
  holderProgram = join(programs, 'holder.mjs');
  await build({
    configFile: false,
    logLevel: 'silent',
    build: {
      ssr: join(import.meta.dirname, 'support/holder.ts'),
      outDir: programs,
      rollupOptions: { output: { entryFileNames: 'holder.mjs' } },
    },
  });
});
afterAll(() => rmSync(programs, { recursive: true }));

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'godwit-lock-'));
  path = join(folder, 'disk.img');
  writeFileSync(path, new Uint8Array(4096));
});
afterEach(async () => {
  for (const child of children) await end(child);
  rmSync(folder, { recursive: true });
});

type Mode = 'shared' | 'exclusive';

/** Starts a process and gives what it said: "held" or the code of an error. */
async function holdElsewhere(mode: Mode): Promise<{ child: ChildProcessWithoutNullStreams; said: string }> {
  const child = spawn(process.execPath, [holderProgram, path, mode]);
  children.add(child);
  const [said] = (await once(child.stdout, 'data')) as [Buffer];
  return { child, said: said.toString().trim() };
}

async function end(child: ChildProcessWithoutNullStreams, signal?: 'SIGKILL'): Promise<void> {
  children.delete(child);
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  if (signal === undefined) child.stdin.end();
  else child.kill(signal);
  await ended;
}

function lockFiles(): string[] {
  return readdirSync(folder).filter((name) => name.startsWith('.godwit'));
}

function openHere(mode: Mode, at = path): Promise<NodeByteFile> {
  return NodeByteFile.open(at, { readonly: mode === 'shared' });
}

describe('in one process', () => {
  test.each<[Mode, Mode, boolean]>([
    ['exclusive', 'exclusive', false],
    ['exclusive', 'shared', false],
    ['shared', 'exclusive', false],
    ['shared', 'shared', true],
  ])('%s and then %s', async (first, second, allowed) => {
    const one = await openHere(first);
    if (allowed) await (await openHere(second)).close();
    else await expect(openHere(second)).rejects.toMatchObject(locked);
    await one.close();
    await (await openHere(second)).close();
    expect(lockFiles()).toEqual([]);
  });

  test('other names of the same file are the same lock', async () => {
    const hardLink = join(folder, 'hard');
    const symbolicLink = join(folder, 'symbolic');
    const elsewhere = mkdtempSync(join(tmpdir(), 'godwit-lock-'));
    linkSync(path, hardLink);
    linkSync(path, join(elsewhere, 'hard'));
    symlinkSync(path, symbolicLink);
    const file = await openHere('exclusive');
    for (const name of [hardLink, symbolicLink, join(elsewhere, 'hard')]) {
      await expect(openHere('shared', name)).rejects.toMatchObject(locked);
    }
    renameSync(path, join(folder, 'renamed'));
    await expect(openHere('shared', join(folder, 'renamed'))).rejects.toMatchObject(locked);
    await file.close();
    rmSync(elsewhere, { recursive: true });
  });

  test('of many at once at most one writes', async () => {
    const attempts = await Promise.allSettled(Array.from({ length: 12 }, () => openHere('exclusive')));
    const opened = attempts.filter((attempt) => attempt.status === 'fulfilled');
    expect(opened.length).toBeLessThanOrEqual(1);
    for (const attempt of opened) await attempt.value.close();
    await (await openHere('exclusive')).close();
    expect(lockFiles()).toEqual([]);
  });

  test('a thread that is gone holds nothing', async () => {
    const worker = new Worker(pathToFileURL(holderProgram), { argv: [path, 'exclusive'], stdin: true, stdout: true });
    const [said] = (await once(worker.stdout, 'data')) as [Buffer];
    expect(said.toString()).toBe('held\n');
    await expect(openHere('shared')).rejects.toMatchObject(locked);
    await worker.terminate();
    await (await openHere('exclusive')).close();
  });

  test('no trace is left when opening fails', async () => {
    await expect(openHere('exclusive', join(folder, 'absent'))).rejects.toMatchObject({ code: 'not-found' });
    await expect(openHere('shared', folder)).rejects.toMatchObject({ code: 'usage' });
    await expect(openHere('shared', `${path}\0`)).rejects.toMatchObject({ code: 'usage' });
    expect(lockFiles()).toEqual([]);
  });
});

describe('between processes', () => {
  test('a writer excludes all others until it ends', async () => {
    const writer = await holdElsewhere('exclusive');
    expect(writer.said).toBe('held');
    await expect(openHere('exclusive')).rejects.toMatchObject(locked);
    await expect(openHere('shared')).rejects.toThrow(`process ${writer.child.pid} writes to it`);
    expect((await holdElsewhere('shared')).said).toBe('locked');
    await end(writer.child);
    await (await openHere('exclusive')).close();
  });

  test('readers share, and exclude writers', async () => {
    const reader = await holdElsewhere('shared');
    const other = await openHere('shared');
    expect((await holdElsewhere('exclusive')).said).toBe('locked');
    await other.close();
    await expect(openHere('exclusive')).rejects.toMatchObject(locked);
    await end(reader.child);
    expect((await holdElsewhere('exclusive')).said).toBe('held');
  });

  test('a writer that was killed holds nothing', async () => {
    const writer = await holdElsewhere('exclusive');
    await end(writer.child, 'SIGKILL');
    expect(lockFiles()).toHaveLength(1);
    await (await openHere('exclusive')).close();
    expect(lockFiles()).toEqual([]);
  });

  test('of processes at once at most one writes', async () => {
    const all = await Promise.all(Array.from({ length: 4 }, () => holdElsewhere('exclusive')));
    expect(all.filter(({ said }) => said === 'held').length).toBeLessThanOrEqual(1);
    for (const { said } of all) expect(['held', 'locked']).toContain(said);
  });
});

describe('those who wait', () => {
  test('get it in the order in which they asked, and all get it', async () => {
    const first = await nodeFiles.lock(path, 'exclusive');
    const order: number[] = [];
    const waiting: Promise<void>[] = [];
    for (let i = 0; i < 5; i++) {
      const before = lockFiles().length;
      waiting.push(
        nodeFiles.lock(path, 'exclusive', { waitMs: 60_000 }).then(async (lock) => {
          order.push(i);
          await lock.release();
        }),
      );
      await vi.waitFor(() => expect(lockFiles().filter((name) => !name.includes('asks'))).toHaveLength(before + 1));
    }
    await first.release();
    await Promise.all(waiting);
    expect(order).toEqual([0, 1, 2, 3, 4]);
    expect(lockFiles()).toEqual([]);
  });

  test('of processes at once each gets it', async () => {
    const children = Array.from({ length: 12 }, () => spawn(process.execPath, [holderProgram, path, 'wait', '60000']));
    const said = await Promise.all(children.map(async ({ stdout }) => String((await once(stdout, 'data'))[0])));
    expect(said).toEqual(children.map(() => 'held\n'));
  });

  test('do not wait for the dead', async () => {
    const first = await holdElsewhere('exclusive');
    const second = spawn(process.execPath, [holderProgram, path, 'wait', '60000']);
    await vi.waitFor(() => expect(lockFiles()).toHaveLength(2));
    const third = nodeFiles.lock(path, 'exclusive', { waitMs: 60_000 });
    second.kill('SIGKILL');
    await end(first.child, 'SIGKILL');
    await (await third).release();
    // What the dead had asked for goes when somebody comes who would have to wait for it: the third may have drawn the
    // same ticket.
    await (await nodeFiles.lock(path, 'exclusive')).release();
    expect(lockFiles()).toEqual([]);
  });
});

describe('locks that the kernel keeps for other programs', () => {
  /** Resolves when the program has said something. */
  async function holdBy(program: string, args: readonly string[]): Promise<ChildProcessWithoutNullStreams> {
    const child = spawn(program, args);
    children.add(child);
    child.stdin.write('length\n');
    await once(child.stdout, 'data');
    return child;
  }

  const python = (call: string): Promise<ChildProcessWithoutNullStreams> =>
    holdBy('python3', [
      '-c',
      `import fcntl, struct, sys; file = open(${JSON.stringify(path)}, "r+b"); ${call}; print("held", flush=True); sys.stdin.read()`,
    ]);
  /** fcntl(2): F_OFD_SETLK with a struct flock; 0 is F_RDLCK, 1 is F_WRLCK. */
  const ofd = (type: number, first: number, bytes: number): string =>
    `fcntl.fcntl(file, 37, struct.pack("hhqqi4x", ${type}, 0, ${first}, ${bytes}, 0))`;

  test.skipIf(!has('qemu-io'))('QEMU that writes lets nobody in', async () => {
    const qemu = await holdBy('qemu-io', ['-f', 'raw', path]);
    await expect(openHere('exclusive')).rejects.toThrow(`qemu-io, process ${qemu.pid}, writes to it`);
    await expect(openHere('shared')).rejects.toMatchObject(locked);
    await end(qemu);
    await (await openHere('exclusive')).close();
  });

  test.skipIf(!has('qemu-io'))('QEMU that reads lets readers in', async () => {
    const qemu = await holdBy('qemu-io', ['-r', '-f', 'raw', path]);
    await expect(openHere('exclusive')).rejects.toThrow(`qemu-io, process ${qemu.pid}, reads it`);
    await (await openHere('shared')).close();
    await end(qemu);
    await (await openHere('exclusive')).close();
  });

  test.skipIf(!has('python3')).each([
    ['flock', 'fcntl.flock(file, fcntl.LOCK_EX)', false],
    ['flock for reading', 'fcntl.flock(file, fcntl.LOCK_SH)', true],
    ['lockf', 'fcntl.lockf(file, fcntl.LOCK_EX)', false],
    ['an open file description lock', ofd(1, 0, 0), false],
    ['one for reading', ofd(0, 0, 100), true],
    ['the bytes of a QEMU that reads', `${ofd(0, 100, 1)}; ${ofd(0, 201, 1)}`, true],
    ['the bytes of a QEMU that writes', ofd(0, 100, 2), false],
    ['the bytes of a QEMU that lets nobody read', ofd(0, 200, 1), false],
  ])('%s', async (_, call, letsReadersIn) => {
    const holder = await python(call);
    await expect(openHere('exclusive')).rejects.toThrow(`process ${holder.pid}`);
    if (letsReadersIn) await (await openHere('shared')).close();
    else await expect(openHere('shared')).rejects.toMatchObject(locked);
    await end(holder);
    await (await openHere('exclusive')).close();
  });
});

function has(program: string): boolean {
  return existsSync('/proc/locks') && spawnSync(program, ['--version']).status === 0;
}

describe('entries that others left', () => {
  async function leaveEntry(change: Record<string, unknown>): Promise<string> {
    const file = await openHere('exclusive');
    const name = lockFiles()[0]!;
    const content = JSON.parse(readFileSync(join(folder, name), 'utf8')) as Record<string, unknown>;
    await file.close();
    const entry = join(folder, `.godwit-lock-${statSync(path).ino}-left`);
    writeFileSync(entry, JSON.stringify({ ...content, ...change }));
    return entry;
  }

  test.each([
    ['of a process that had our number', { startTicks: '1' }],
    ['of an earlier boot', { boot: 'another' }],
    ['of a number that no process has', { pid: 2 ** 22 + 1 }],
  ])('%s do not block and go away', async (_, change) => {
    const entry = await leaveEntry(change);
    await (await openHere('exclusive')).close();
    expect(existsSync(entry)).toBe(false);
  });

  test.each([
    ['of another machine', { machine: 'another' }],
    ['of another container', { pidNamespace: 'pid:[1]' }],
  ])('%s block, and the error says which file to remove', async (_, change) => {
    const entry = await leaveEntry(change);
    const error = await openHere('exclusive').catch((reason: unknown) => reason);
    expect(error).toMatchObject(locked);
    expect((error as { hint: string }).hint).toContain(entry);
    expect(existsSync(entry)).toBe(true);
  });

  test('for files that are gone do not pile up', async () => {
    const before = process.env.TMPDIR;
    const left = join(folder, 'godwit-locks');
    process.env.TMPDIR = folder;
    try {
      const file = await openHere('exclusive');
      const [name] = readdirSync(left);
      const content = JSON.parse(readFileSync(join(left, name!), 'utf8')) as Record<string, unknown>;
      for (let i = 0; i < 400; i++) {
        const entry = `1-${i}-1-00000000-0000-0000-0000-000000000000`;
        writeFileSync(
          join(left, entry),
          JSON.stringify({ ...content, startTicks: i % 4 === 0 ? content.startTicks : '1' }),
        );
      }
      await file.close();
      for (let i = 0; i < 20; i++) await (await openHere('exclusive')).close();
      expect(readdirSync(left).length).toBeLessThan(400);
    } finally {
      if (before === undefined) delete process.env.TMPDIR;
      else process.env.TMPDIR = before;
    }
  });

  test.each(['', '{', '[]', '{"pid": "x"}', '\0\0\0'])('torn content %j does not block', async (text) => {
    writeFileSync(join(folder, `.godwit-lock-${statSync(path).ino}-torn`), text);
    await (await openHere('exclusive')).close();
    expect(lockFiles()).toEqual([]);
  });
});
