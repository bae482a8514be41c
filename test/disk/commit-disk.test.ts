import { chmodSync, existsSync, linkSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { commitDisk } from '../../src/backend/disk/live/commit.ts';
import { LiveDisk } from '../../src/backend/disk/live/live-disk.ts';
import { createDisk, openDisk } from '../../src/backend/disk/live/open-disk.ts';
import { expectContent, runWorkload } from './support/model.ts';
import * as qemu from './support/qemu-img.ts';
import { Random } from './support/random.ts';

const SIZE = 2 ** 21 + 512;
const workload = { batches: 10, perBatch: 6, maxBytes: 100_000 };

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'godwit-commit-disk-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const at = (name: string): string => join(folder, name);

async function write(path: string, model: Uint8Array, random: Random): Promise<void> {
  const disk = await openDisk(path);
  await runWorkload(disk, model, random, workload);
  await disk.close();
}

async function expectIs(path: string, model: Uint8Array): Promise<void> {
  const disk = await openDisk(path, { readonly: true });
  await expectContent(disk, model);
  const { format } = disk;
  await disk.close();
  if (format !== 'qcow2') return;
  qemu.expectClean(path);
  qemu.expectSameAs(path, model);
}

describe.skipIf(!qemu.hasQemuImg)(`committing an image to the one under it${qemu.noQemuImg}`, () => {
  test.each([
    ['raw', 1],
    ['qcow2', 2],
    ['qcow2', 3],
  ] as const)('into %s, seed %i: the image is empty afterwards', async (format, seed) => {
    const random = new Random(seed);
    const model = new Uint8Array(SIZE);
    await createDisk(at('base'), { sizeBytes: SIZE, format });
    await write(at('base'), model, random);
    await createDisk(at('over'), { backing: { path: 'base', format }, clusterBits: random.pick([9, 12, 16]) });
    chmodSync(at('over'), 0o600);
    await write(at('over'), model, random);
    const before = statSync(at('over')).size;
    const steps: number[] = [];
    const onProgress = (doneBytes: number): void => void steps.push(doneBytes);
    expect(await commitDisk(at('over'), { onProgress })).toEqual({ path: at('base'), isDiskAgain: false });
    expect(steps.at(-1)).toBe(SIZE);
    await expectIs(at('base'), model);
    await expectIs(at('over'), model);
    expect(statSync(at('over')).size).toBeLessThan(before);
    expect(statSync(at('over')).mode & 0o777).toBe(0o600);
    expect(readdirSync(folder).sort()).toEqual(['base', 'over']);
  });

  test('an image that a checkpoint had put over a disk goes, and the disk has its name back', async () => {
    const random = new Random(4);
    const model = new Uint8Array(SIZE);
    await createDisk(at('d.qcow2'), { sizeBytes: SIZE });
    const disk = await LiveDisk.open(at('d.qcow2'));
    await runWorkload(disk, model, random, workload);
    const kept = at('d.qcow2.kept');
    const frozen = await (await disk.prepareOverlay({ parent: 'keep', keptPath: kept })).switch();
    await frozen.keep();
    const atSwitch = model.slice();
    await runWorkload(disk, model, random, workload);
    await expect(commitDisk(at('d.qcow2'))).rejects.toMatchObject({ code: 'locked' });
    await disk.close();
    await expect(commitDisk(at('d.qcow2'))).rejects.toMatchObject({ code: 'denied' });
    await expect(commitDisk(at('d.qcow2'), { keptParent: at('other') })).rejects.toMatchObject({ code: 'usage' });
    await expectIs(kept, atSwitch);
    const done = await commitDisk(at('d.qcow2'), { keptParent: kept });
    expect(done).toEqual({ path: at('d.qcow2'), isDiskAgain: true });
    await expectIs(at('d.qcow2'), model);
    expect(readdirSync(folder)).toEqual(['d.qcow2']);
  });

  test('a disk that an overlay was about to be put over loses its second name', async () => {
    const model = new Uint8Array(SIZE);
    await createDisk(at('d.qcow2'), { sizeBytes: SIZE });
    await write(at('d.qcow2'), model, new Random(5));
    linkSync(at('d.qcow2'), at('d.qcow2.parent'));
    expect(await commitDisk(at('d.qcow2'))).toEqual({ path: at('d.qcow2'), isDiskAgain: true });
    expect(readdirSync(folder)).toEqual(['d.qcow2']);
    await expectIs(at('d.qcow2'), model);
    await expect(commitDisk(at('d.qcow2'))).rejects.toMatchObject({ code: 'usage' });
  });

  test('refuses what has nothing under it, and what is in use', async () => {
    await createDisk(at('alone'), { sizeBytes: SIZE });
    await expect(commitDisk(at('alone'))).rejects.toMatchObject({ code: 'usage' });
    await expect(commitDisk(at('absent'))).rejects.toMatchObject({ code: 'not-found' });
    await createDisk(at('one'), { backing: { path: 'alone' } });
    await createDisk(at('two'), { backing: { path: 'alone' } });
    const other = await openDisk(at('two'));
    await expect(commitDisk(at('one'))).rejects.toMatchObject({ code: 'locked' });
    await other.close();
    await commitDisk(at('one'));
    await (await openDisk(at('alone'))).close();
  });

  test('can be called off, and done again', async () => {
    const model = new Uint8Array(SIZE).fill(9);
    await createDisk(at('base'), { sizeBytes: SIZE });
    await createDisk(at('over'), { backing: { path: 'base' } });
    const disk = await openDisk(at('over'));
    await disk.write(0, model);
    await disk.close();
    const abort = new AbortController();
    const off = commitDisk(at('over'), { signal: abort.signal, onProgress: () => abort.abort() });
    await expect(off).rejects.toMatchObject({ code: 'state' });
    await expectIs(at('over'), model);
    await commitDisk(at('over'));
    await expectIs(at('base'), model);
    expect(existsSync(at('over'))).toBe(true);
  });
});
