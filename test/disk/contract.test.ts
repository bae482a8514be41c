import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import type { Disk } from '../../src/backend/disk/disk.ts';
import { createQcow2, MemoryByteFile, MemoryDisk, Qcow2Disk, RawDisk } from '../../src/backend/disk/index.ts';
import { createDisk, openDisk } from '../../src/backend/disk/live/open-disk.ts';
import { expectContent, runWorkload } from './support/model.ts';
import { Random } from './support/random.ts';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'godwit-disk-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

interface Implementation {
  name: string;
  open(sizeBytes: number): Promise<Disk>;
  /** Closes the disk and opens it again, where its content outlives it. */
  reopen?: () => Promise<Disk>;
}

async function memoryQcow2(sizeBytes: number, clusterBits: number): Promise<MemoryByteFile> {
  const file = new MemoryByteFile('memory.qcow2');
  await createQcow2(file, { sizeBytes, clusterBits });
  return file;
}

function qcow2InMemory(clusterBits: number): Implementation {
  let file: MemoryByteFile;
  return {
    name: `qcow2 in memory, clusters of ${2 ** clusterBits}`,
    open: async (sizeBytes) => {
      file = await memoryQcow2(sizeBytes, clusterBits);
      return Qcow2Disk.open(file);
    },
    reopen: () => {
      file = file.reopen();
      return Qcow2Disk.open(file);
    },
  };
}

function qcow2Chain(): Implementation {
  let file: MemoryByteFile;
  let base: MemoryByteFile;
  const openOverlay = (): Promise<Disk> =>
    Qcow2Disk.open(file, { openBacking: () => Qcow2Disk.open(base.reopen({ readonly: true })) });
  return {
    name: 'qcow2 over a shorter qcow2',
    open: async (sizeBytes) => {
      base = await memoryQcow2(Math.ceil(sizeBytes / 2), 12);
      const disk = await Qcow2Disk.open(base.reopen());
      // Zeros hide what was there, in a way that only the overlay's reading through can get wrong.
      await disk.write(0, new Uint8Array(disk.sizeBytes).fill(0xee));
      await disk.writeZeroes(0, disk.sizeBytes, true);
      await disk.close();
      file = new MemoryByteFile('overlay.qcow2');
      await createQcow2(file, { sizeBytes, backing: { path: 'base', format: 'qcow2' } });
      return openOverlay();
    },
    reopen: () => {
      file = file.reopen();
      return openOverlay();
    },
  };
}

function onHost(format: 'raw' | 'qcow2'): Implementation {
  let path: string;
  return {
    name: `${format} in a file`,
    open: async (sizeBytes) => {
      path = join(folder, `${format}-${sizeBytes}-${Math.random()}`);
      await createDisk(path, { sizeBytes, format });
      return openDisk(path, { format });
    },
    reopen: () => openDisk(path, { format }),
  };
}

const implementations: Implementation[] = [
  { name: 'memory', open: async (sizeBytes) => new MemoryDisk(sizeBytes) },
  {
    name: 'raw in memory',
    open: async (sizeBytes) => {
      const file = new MemoryByteFile('memory.raw');
      await file.truncate(sizeBytes);
      return RawDisk.open(file);
    },
  },
  qcow2InMemory(9),
  qcow2InMemory(12),
  qcow2InMemory(16),
  qcow2InMemory(21),
  qcow2Chain(),
  onHost('raw'),
  onHost('qcow2'),
];

describe.each(implementations)('$name', ({ open, reopen }) => {
  test('starts as zeros and ends at its size', async () => {
    const disk = await open(1_000_003);
    expect(disk.sizeBytes).toBe(1_000_003);
    await expectContent(disk, new Uint8Array(1_000_003));
    await disk.close();
  });

  test('rejects what lies outside or makes no sense', async () => {
    const disk = await open(4096);
    const usage = { name: 'GodwitError', code: 'usage' };
    await expect(disk.read(4095, new Uint8Array(2))).rejects.toMatchObject(usage);
    await expect(disk.write(4096, new Uint8Array(1))).rejects.toMatchObject(usage);
    await expect(disk.write(-1, new Uint8Array(1))).rejects.toMatchObject(usage);
    await expect(disk.discard(0, 4097)).rejects.toMatchObject(usage);
    await expect(disk.writeZeroes(0.5, 1, true)).rejects.toMatchObject(usage);
    await expect(disk.discard(0, Number.NaN)).rejects.toMatchObject(usage);
    await disk.read(4096, new Uint8Array(0));
    await disk.write(4096, new Uint8Array(0));
    await disk.discard(4096, 0);
    await disk.writeZeroes(4096, 0, false);
    await disk.close();
  });

  test('rejects everything once closed', async () => {
    const disk = await open(4096);
    await disk.close();
    const state = { name: 'GodwitError', code: 'state' };
    await expect(disk.read(0, new Uint8Array(1))).rejects.toMatchObject(state);
    await expect(disk.write(0, new Uint8Array(1))).rejects.toMatchObject(state);
    await expect(disk.flush()).rejects.toMatchObject(state);
    await expect(disk.discard(0, 1)).rejects.toMatchObject(state);
    await expect(disk.writeZeroes(0, 1, true)).rejects.toMatchObject(state);
    await expect(disk.close()).rejects.toMatchObject(state);
  });

  test('takes buffers of shared memory', async () => {
    const disk = await open(100_000);
    const shared = new Uint8Array(new SharedArrayBuffer(8192)).subarray(100, 4196);
    shared.fill(0xa5);
    await disk.write(70_000, shared);
    shared.fill(0);
    await disk.read(70_000, shared);
    expect(shared.every((value) => value === 0xa5)).toBe(true);
    await disk.close();
  });

  test('has an empty disk', async () => {
    const disk = await open(0);
    await disk.flush();
    await disk.close();
  });

  test.each([1, 2, 3])('agrees with a model under random requests, seed %i', async (seed) => {
    const random = new Random(seed);
    const model = new Uint8Array(3_000_000 + random.below(500_000));
    let disk = await open(model.length);
    for (let round = 0; round < 3; round++) {
      await runWorkload(disk, model, random, { batches: 15, perBatch: 8, maxBytes: 300_000 });
      await expectContent(disk, model);
      if (reopen === undefined) continue;
      await disk.close();
      disk = await reopen();
      await expectContent(disk, model);
    }
    await disk.close();
  });
});

test('a write that ends past what was there before reads back while many others run', async () => {
  const disk = await Qcow2Disk.open(await memoryQcow2(2 ** 24, 16));
  const writes = Array.from({ length: 512 }, (_, index) => disk.write(index * 4096, new Uint8Array(4096).fill(index)));
  await Promise.all(writes);
  const model = new Uint8Array(2 ** 24);
  for (let index = 0; index < 512; index++) model.fill(index, index * 4096, (index + 1) * 4096);
  await expectContent(disk, model);
  await disk.close();
});
