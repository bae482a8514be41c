import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
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
