/** What a checkpoint rests on outside of its store is what it was, or nobody goes on from there. */
import {
  appendFileSync,
  closeSync,
  ftruncateSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createDisk } from '../../src/backend/disk/live/open-disk.ts';
import { changeOf, completePin, isPinned, pinFile, pinLook } from '../../src/service/checkpoint/file-pins.ts';
import { CheckpointStore } from '../../src/service/checkpoint/store/index.ts';
import { Machine } from '../../src/service/machine/machine.ts';
import { spinning } from '../api/programs.ts';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

let folder: string;
let store: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'godwit-rests-'));
  store = join(folder, 'store');
});
afterEach(() => rmSync(folder, { recursive: true }));

/** Puts other bytes into a file. */
function overwrite(path: string, text: string, at = 0): void {
  const file = openSync(path, 'r+');
  writeSync(file, text, at);
  closeSync(file);
}

async function checkpointed(disks: 'keep' | 'copy') {
  const kernel = join(folder, 'kernel');
  const base = join(folder, 'base.raw');
  const disk = join(folder, 'disk.qcow2');
  writeFileSync(kernel, spinning('x'));
  writeFileSync(base, Buffer.alloc(1_000_001, 'base'));
  await createDisk(disk, { backing: { path: base, format: 'raw' } });
  const machine = await Machine.create({ kernel, memory: '32M', disks: [{ path: disk }] });
  await machine.start();
  const report = await machine.checkpoint({ name: 'c', store, disks });
  await machine.stop();
  return { kernel, base, disk, report };
}

async function verified(name = 'c') {
  const opened = await CheckpointStore.open({ folder: store });
  const report = await opened.verify(name);
  await opened.close();
  return report;
}

async function problems(): Promise<readonly string[]> {
  const report = await verified();
  expect(report.notes).toEqual([]);
  return report.problems;
}

async function restoreAndEnd(): Promise<void> {
  const machine = await Machine.restore('c', { store });
  await machine.stop();
}

test.each(['keep', 'copy'] as const)('a base image that somebody else writes: %s', async (disks) => {
  const { base, kernel, report } = await checkpointed(disks);
  expect(report.restsOn.map(({ use, how }) => [use, how])).toEqual([
    ['disk', disks === 'keep' ? 'kept' : 'copied'],
    ['base', 'pinned'],
    ['kernel', 'pinned'],
  ]);
  expect(report.restsOn.map(({ path }) => path).slice(1)).toEqual([base, kernel]);
  expect(await problems()).toEqual([]);
  await restoreAndEnd();

  // Another time, the same content: a copy that was put back.
  const times = statSync(base);
  utimesSync(base, 1_000_000_000, 1_000_000_000);
  expect(await problems()).toEqual([]);
  await restoreAndEnd();

  overwrite(base, 'else', 500_000);
  expect(await problems()).toEqual([expect.stringContaining(`${base} was written since`)]);
  const refused = { code: 'damaged', message: expect.stringContaining(base), hint: expect.any(String) };
  await expect(Machine.restore('c', { store })).rejects.toMatchObject(refused);
  const opened = await CheckpointStore.open({ folder: store });
  await expect(opened.export('c', join(folder, 'c.godwit'))).rejects.toMatchObject(refused);
  await opened.close();

  // With its old time only whoever reads it all finds out.
  utimesSync(base, times.atimeMs / 1000, times.mtimeMs / 1000);
  expect(await problems()).toEqual([expect.stringContaining(`${base} was written since`)]);

  overwrite(base, 'base', 500_000);
  expect(await problems()).toEqual([]);
  await restoreAndEnd();
  appendFileSync(base, 'x');
  expect(await problems()).toEqual([expect.stringContaining('1000002 bytes, and had 1000001')]);
});

test('an image that was kept, and what the machine boots from', async () => {
  const { kernel, report } = await checkpointed('keep');
  writeFileSync(kernel, spinning('y'));
  expect(await verified()).toMatchObject({
    problems: [],
    notes: [expect.stringContaining(`The kernel ${kernel} was written since`)],
  });
  // The machine has what it needs of it in its memory.
  await restoreAndEnd();
  rmSync(kernel);
  expect((await verified()).notes).toEqual([expect.stringContaining(`The kernel ${kernel} does not exist any more`)]);
  const kept = report.restsOn[0]!.path;
  const content = readFileSync(kept);
  rmSync(kept);
  writeFileSync(kept, Buffer.concat([content, Buffer.alloc(512)]));
  await expect(Machine.restore('c', { store })).rejects.toMatchObject({ message: expect.stringContaining(kept) });
});

test('a machine that goes on hands on what it booted from', async () => {
  const { kernel } = await checkpointed('copy');
  const machine = await Machine.restore('c', { store });
  writeFileSync(kernel, spinning('y'));
  await machine.start();
  await machine.checkpoint({ name: 'd', store });
  await machine.stop();
  expect((await verified('d')).notes).toEqual([expect.stringContaining('The kernel')]);
});

test('a large file is looked at by samples, and with another time it is not trusted', async () => {
  const path = join(folder, 'large');
  const file = openSync(path, 'w');
  ftruncateSync(file, 300 * 1024 ** 2);
  closeSync(file);
  overwrite(path, 'begin');
  overwrite(path, 'end', 300 * 1024 ** 2 - 3);
  const pin = await pinFile(path);
  expect(pin.isWhole).toBe(false);
  const { mtimeMs } = statSync(path);
  const giveTime = () => utimesSync(path, mtimeMs / 1000, mtimeMs / 1000);
  // The time as it can be given by this call.
  giveTime();
  const exact = await pinFile(path);
  expect(await changeOf(path, exact, 'content')).toBeUndefined();
  utimesSync(path, 1_000_000_000, 1_000_000_000);
  expect(await changeOf(path, exact, 'times')).toBe('was written since');
  overwrite(path, 'END', 300 * 1024 ** 2 - 3);
  giveTime();
  expect(await changeOf(path, exact, 'times')).toBeUndefined();
  expect(await changeOf(path, exact, 'content')).toBe('was written since');
});

test('a file that was replaced before its content was looked at has changed', async () => {
  const path = join(folder, 'file');
  writeFileSync(path, 'one');
  const look = await pinLook(path);
  expect(isPinned(Buffer.from('one'), await completePin(path, look))).toBe(true);
  expect(isPinned(Buffer.from('two'), await completePin(path, look))).toBe(false);
  writeFileSync(path, 'two');
  utimesSync(path, 1_000_000_000, 1_000_000_000);
  const pin = await completePin(path, look);
  expect(pin.checksum).toBeNull();
  expect(await changeOf(path, pin, 'times')).toBe('was written since');
  rmSync(path);
  expect(await changeOf(path, pin, 'times')).toBe('does not exist any more');
});
