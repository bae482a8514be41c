import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import type { DiskFormat } from '../../src/backend/disk/index.ts';
import { createDisk, openDisk } from '../../src/backend/disk/live/open-disk.ts';
import { expectContent, runWorkload } from './support/model.ts';
import * as qemu from './support/qemu-img.ts';
import { Random } from './support/random.ts';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

const SIZE = 1_500_160;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'godwit-qcow2-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

let counter = 0;
function freshPath(): string {
  counter += 1;
  return join(folder, `image-${counter}.qcow2`);
}

function randomRaw(seed: number, sizeBytes = SIZE): { path: string; content: Uint8Array } {
  const path = `${freshPath()}.raw`;
  const random = new Random(seed);
  const content = random.bytes(sizeBytes);
  for (let hole = 0; hole < 10; hole++) {
    const at = random.below(sizeBytes);
    content.fill(0, at, at + random.below(300_000));
  }
  qemu.writeRaw(path, content);
  return { path, content };
}

async function expectReads(path: string, content: Uint8Array): Promise<void> {
  const disk = await openDisk(path, { readonly: true });
  expect(disk.sizeBytes).toBe(content.length);
  await expectContent(disk, content);
  await disk.close();
}

/** Random requests, then the judgement of qemu-img. */
async function workOn(path: string, content: Uint8Array, seed: number, batches = 15): Promise<void> {
  const disk = await openDisk(path);
  await runWorkload(disk, content, new Random(seed), { batches, perBatch: 6, maxBytes: 200_000 });
  await expectContent(disk, content);
  await disk.close();
}

function incompatibleFeatures(path: string): bigint {
  return readFileSync(path).readBigUInt64BE(72);
}

const CREATE_OPTIONS = [
  'compat=0.10',
  'compat=0.10,cluster_size=512',
  'compat=1.1',
  'cluster_size=512',
  'cluster_size=1024,refcount_bits=64',
  'cluster_size=4096,refcount_bits=1',
  'cluster_size=2M',
  'refcount_bits=2',
  'refcount_bits=4,cluster_size=512',
  'refcount_bits=8,cluster_size=512',
  'refcount_bits=32',
  'refcount_bits=64,cluster_size=512',
  'lazy_refcounts=on',
  'preallocation=metadata',
  'preallocation=falloc',
];

describe.skipIf(!qemu.hasQemuImg)(`qcow2 as qemu-img sees it${qemu.noQemuImg}`, () => {
  test.each(CREATE_OPTIONS)('reads and writes what qemu-img makes with %s', async (options) => {
    const raw = randomRaw(options.length);
    const path = freshPath();
    qemu.qemuImg('convert', '-O', 'qcow2', '-o', options, raw.path, path);
    await expectReads(path, raw.content);
    await workOn(path, raw.content, 7);
    qemu.expectClean(path);
    qemu.expectSameAs(path, raw.content);
  });

  test.each([9, 12, 16, 21])('writes images of its own with clusters of 2^%i bytes', async (clusterBits) => {
    const path = freshPath();
    await createDisk(path, { sizeBytes: SIZE, clusterBits });
    qemu.expectClean(path);
    const content = new Uint8Array(SIZE);
    await workOn(path, content, clusterBits);
    qemu.expectClean(path);
    qemu.expectSameAs(path, content);
    await workOn(path, content, clusterBits + 1);
    qemu.expectClean(path);
    qemu.expectSameAs(path, content);
  });

  test.each([
    ['zlib', []],
    ['zstd', []],
    ['zlib', ['cluster_size=2M']],
    ['zstd', ['cluster_size=512']],
    ['zlib', ['cluster_size=4k', 'compat=0.10']],
  ])('reads and overwrites clusters compressed with %s %j', async (compression, more) => {
    const raw = randomRaw(41);
    const path = freshPath();
    const options = [...more, ...(more.includes('compat=0.10') ? [] : [`compression_type=${compression}`])].join(',');
    const args = ['convert', '-c', '-O', 'qcow2', ...(options === '' ? [] : ['-o', options]), raw.path, path];
    qemu.qemuImg(...args);
    await expectReads(path, raw.content);
    await workOn(path, raw.content, 42);
    qemu.expectClean(path);
    qemu.expectSameAs(path, raw.content);
  });

  test.each<[DiskFormat, number, string]>([
    ['raw', SIZE, 'compat=1.1'],
    ['raw', 1_000_448, 'compat=1.1'],
    ['raw', 2_000_384, 'compat=0.10'],
    ['qcow2', SIZE, 'compat=1.1,cluster_size=4k'],
    ['qcow2', 1_000_448, 'compat=0.10'],
    ['qcow2', 2_000_384, 'compat=1.1'],
  ])('works on a %s backing file of %i bytes, %s', async (format, backingBytes, options) => {
    const raw = randomRaw(51, backingBytes);
    const base = format === 'raw' ? raw.path : freshPath();
    if (format === 'qcow2') qemu.qemuImg('convert', '-c', '-O', 'qcow2', raw.path, base);
    const before = readFileSync(base);
    const path = freshPath();
    qemu.qemuImg('create', '-q', '-f', 'qcow2', '-o', options, '-b', base, '-F', format, path, String(SIZE));
    const content = new Uint8Array(SIZE);
    content.set(raw.content.subarray(0, SIZE));
    await expectReads(path, content);
    await workOn(path, content, 52);
    qemu.expectClean(path);
    qemu.expectSameAs(path, content);
    expect(readFileSync(base).equals(before)).toBe(true);
  });

  test('makes chains of overlays by relative paths that qemu-img reads', async () => {
    const content = new Uint8Array(SIZE);
    await createDisk(join(folder, 'chain-0'), { sizeBytes: SIZE });
    await workOn(join(folder, 'chain-0'), content, 60);
    for (let level = 1; level < 5; level++) {
      const path = join(folder, `chain-${level}`);
      const clusterBits = [16, 9, 12, 21][level - 1]!;
      await createDisk(path, { backing: { path: `chain-${level - 1}` }, clusterBits });
      await expectReads(path, content);
      await workOn(path, content, 60 + level, 10);
      qemu.expectClean(path);
      qemu.expectSameAs(path, content);
    }
  });

  test.each(['compat=1.1', 'compat=0.10', 'cluster_size=512', 'refcount_bits=64'])(
    'leaves internal snapshots alone, %s',
    async (options) => {
      const raw = randomRaw(71);
      const path = freshPath();
      qemu.qemuImg('convert', '-c', '-O', 'qcow2', '-o', options, raw.path, path);
      const content = raw.content;
      const kept: Uint8Array[] = [];
      for (let round = 0; round < 3; round++) {
        await workOn(path, content, 72 + round, 8);
        qemu.expectClean(path);
        qemu.expectSameAs(path, content);
        qemu.qemuImg('snapshot', '-c', `round-${round}`, path);
        kept.push(content.slice());
      }
      await workOn(path, content, 79, 8);
      qemu.expectClean(path);
      for (const [round, snapshot] of kept.entries()) {
        qemu.qemuImg('snapshot', '-a', `round-${round}`, path);
        qemu.expectSameAs(path, snapshot);
        await expectReads(path, snapshot);
      }
      qemu.qemuImg('snapshot', '-d', 'round-1', path);
      await workOn(path, kept[2]!, 80, 8);
      qemu.expectClean(path);
      qemu.expectSameAs(path, kept[2]!);
    },
  );

  test('uses freed clusters again', async () => {
    const path = freshPath();
    await createDisk(path, { sizeBytes: 2 ** 24 });
    const disk = await openDisk(path);
    const data = new Random(3).bytes(2 ** 22);
    for (let round = 0; round < 8; round++) {
      await disk.write(0, data);
      await disk.flush();
      await disk.discard(0, data.length);
      await disk.flush();
    }
    await disk.close();
    qemu.expectClean(path);
    expect(readFileSync(path).length).toBeLessThan(2 * data.length);
  });

  test('keeps the place of zeros that shall not be unmapped', async () => {
    const path = freshPath();
    await createDisk(path, { sizeBytes: 2 ** 20 });
    const disk = await openDisk(path);
    await disk.write(0, new Uint8Array(2 ** 20).fill(1));
    await disk.writeZeroes(0, 2 ** 20, false);
    await disk.write(70_000, new Uint8Array(1).fill(2));
    await disk.close();
    qemu.expectClean(path);
    const content = new Uint8Array(2 ** 20);
    content[70_000] = 2;
    qemu.expectSameAs(path, content);
    expect(readFileSync(path).length).toBeLessThan(2 ** 20 + 8 * 65536);
  });

  test('grows the refcount table far beyond where it began', async () => {
    const path = freshPath();
    qemu.qemuImg('create', '-q', '-f', 'qcow2', '-o', 'cluster_size=512,refcount_bits=64', path, '16M');
    const disk = await openDisk(path);
    const content = new Random(9).bytes(2 ** 24);
    for (let at = 0; at < content.length; at += 2 ** 18) await disk.write(at, content.subarray(at, at + 2 ** 18));
    await disk.close();
    qemu.expectClean(path);
    qemu.expectSameAs(path, content);
  });

  test.each(['cluster_size=4k', 'cluster_size=512,refcount_bits=64', 'cluster_size=64k'])(
    'rebuilds the refcounts of an image with lazy refcounts that was not closed, %s',
    async (options) => {
      const path = freshPath();
      const raw = randomRaw(98, 2 ** 22);
      qemu.qemuImg('convert', '-c', '-O', 'qcow2', '-o', `lazy_refcounts=on,${options}`, raw.path, path);
      qemu.qemuImg('snapshot', '-c', 'kept', path);
      const content = raw.content.slice();
      // qemu-io leaves the image as a dying process would.
      const commands = ['write -P 7 0 1M', 'discard 2M 300k', 'write -P 9 3M 1M', 'flush', 'abort'];
      spawnSync('qemu-io', ['-f', 'qcow2', '-d', 'unmap', ...commands.flatMap((command) => ['-c', command]), path]);
      content.fill(7, 0, 2 ** 20);
      content.fill(0, 2 ** 21, 2 ** 21 + 300 * 1024);
      content.fill(9, 3 * 2 ** 20);
      expect(incompatibleFeatures(path), 'the dirty bit').toBe(1n);
      expect(qemu.check(path).corruptions).toBeGreaterThan(0);
      await expectReads(path, content);
      await workOn(path, content, 99);
      expect(incompatibleFeatures(path)).toBe(0n);
      qemu.expectClean(path);
      qemu.expectSameAs(path, content);
      qemu.qemuImg('snapshot', '-a', 'kept', path);
      qemu.expectClean(path);
      qemu.expectSameAs(path, raw.content);
    },
  );

  test('drops bitmaps of changed blocks by their autoclear bit', async () => {
    const path = freshPath();
    qemu.qemuImg('create', '-q', '-f', 'qcow2', path, '4M');
    qemu.qemuImg('bitmap', '--add', path, 'changes');
    expect(qemu.qemuImg('info', path)).toContain('changes');
    const content = new Uint8Array(2 ** 22);
    await workOn(path, content, 5);
    expect(qemu.check(path).corruptions).toBe(0);
    qemu.expectSameAs(path, content);
    expect(readFileSync(path).readBigUInt64BE(88)).toBe(0n);
  });
});
