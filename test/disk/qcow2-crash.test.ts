import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import type { Disk } from '../../src/backend/disk/disk.ts';
import { MemoryByteFile, Qcow2Disk, RawDisk } from '../../src/backend/disk/index.ts';
import { CrashModel } from './support/crash-model.ts';
import { CrashingFile } from './support/crashing-file.ts';
import { expectContent, runWorkload } from './support/model.ts';
import * as qemu from './support/qemu-img.ts';
import { Random, seedFactor } from './support/random.ts';

vi.setConfig({ testTimeout: 60_000 * seedFactor, hookTimeout: 60_000 });

const SIZE = 3 * 2 ** 19;
const SEEDS_PER_SCENARIO = 8 * seedFactor;

let folder: string;
let raw: string;
const rawContent = new Random(1000).bytes(SIZE).fill(0, 200_000, 500_000);
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'godwit-crash-'));
  raw = join(folder, 'base.raw');
  qemu.writeRaw(raw, rawContent);
});
afterAll(() => rmSync(folder, { recursive: true }));

interface Scenario {
  name: string;
  make(path: string): void;
  hasBacking?: boolean;
  hasSnapshot?: boolean;
  isEmpty?: boolean;
}

const create = (options: string) => (path: string) =>
  qemu.qemuImg('create', '-q', '-f', 'qcow2', '-o', options, path, String(SIZE));
const convert =
  (...options: string[]) =>
  (path: string) =>
    qemu.qemuImg('convert', '-O', 'qcow2', ...options, raw, path);

const SCENARIOS: Scenario[] = [
  { name: 'empty, clusters of 512', make: create('cluster_size=512'), isEmpty: true },
  { name: 'empty, clusters of 4096', make: create('cluster_size=4k'), isEmpty: true },
  {
    name: 'refcounts of 64 bits',
    make: create('cluster_size=512,refcount_bits=64'),
    isEmpty: true,
  },
  { name: 'version 2', make: create('cluster_size=1k,compat=0.10'), isEmpty: true },
  { name: 'full', make: convert('-o', 'cluster_size=4k') },
  { name: 'compressed', make: convert('-c', '-o', 'cluster_size=4k') },
  {
    name: 'over a backing file',
    make: (path) =>
      qemu.qemuImg('create', '-q', '-f', 'qcow2', '-o', 'cluster_size=4k', '-b', raw, '-F', 'raw', path, String(SIZE)),
    hasBacking: true,
  },
  {
    name: 'with a snapshot',
    make: (path) => {
      convert('-o', 'cluster_size=2k')(path);
      qemu.qemuImg('snapshot', '-c', 'kept', path);
    },
    hasSnapshot: true,
  },
];

function open(scenario: Scenario, file: MemoryByteFile | CrashingFile): Promise<Qcow2Disk> {
  return Qcow2Disk.open(file, {
    // Small, so that tables are written in the middle of things.
    tableCacheBytes: 4096,
    ...(scenario.hasBacking ? { openBacking: () => openRaw() } : {}),
  });
}

async function openRaw(): Promise<Disk> {
  const file = new MemoryByteFile(raw);
  await file.write(0, rawContent);
  return RawDisk.open(file, { readonly: true });
}

async function memoryFile(content: Uint8Array): Promise<MemoryByteFile> {
  const file = new MemoryByteFile('after.qcow2');
  await file.write(0, content);
  return file;
}

async function contentOf(disk: Disk): Promise<Uint8Array> {
  const content = new Uint8Array(disk.sizeBytes);
  await disk.read(0, content);
  return content;
}

async function crashOnce(scenario: Scenario, image: Uint8Array, seed: number): Promise<void> {
  const random = new Random(seed);
  const file = new CrashingFile(image, random, 1 + random.below(random.pick([40, 400, 1500])));
  const model = (scenario.isEmpty ? new Uint8Array(SIZE) : rawContent).slice();
  const disk = new CrashModel(await open(scenario, file), model);
  const workload = { batches: 40, perBatch: 4, maxBytes: 30_000, flushPercent: 25 };
  try {
    await runWorkload(disk, model, random, workload);
    await disk.close();
  } catch (error) {
    if (!file.hasCrashed) throw error;
  }
  const path = join(folder, `after-${seed}.qcow2`);
  const after = file.afterCrash(random);
  writeFileSync(path, after);
  expect(qemu.check(path).corruptions, 'corruptions').toBe(0);
  if (scenario.hasSnapshot) expectSnapshotKept(path);
  const reopened = await open(scenario, await memoryFile(after));
  const content = await contentOf(reopened);
  disk.expectPossible(content);
  await runWorkload(reopened, content, random, { ...workload, batches: 10 });
  await expectContent(reopened, content);
  await reopened.close();
}

function expectSnapshotKept(path: string): void {
  const copy = `${path}.snapshot`;
  writeFileSync(copy, readFileSync(path));
  qemu.qemuImg('snapshot', '-a', 'kept', copy);
  qemu.expectSameAs(copy, rawContent);
}

describe.skipIf(!qemu.hasQemuImg)(`qcow2 images survive a crash at any moment${qemu.noQemuImg}`, () => {
  test.each(SCENARIOS)(
    '$name',
    async (scenario) => {
      const path = join(folder, 'start.qcow2');
      scenario.make(path);
      const image = new Uint8Array(readFileSync(path));
      for (let seed = 1; seed <= SEEDS_PER_SCENARIO; seed++) {
        await crashOnce(scenario, image, seed).catch((error: unknown) => {
          throw new Error(`seed ${seed}: ${error instanceof Error ? error.message : error}`, { cause: error });
        });
      }
    },
    60_000 * seedFactor,
  );

  test(
    'at every single call while the refcount table moves',
    async () => {
      const path = join(folder, 'growing.qcow2');
      const sizeBytes = 2 ** 22;
      // A table of one cluster counts 2 MiB of such an image.
      const options = 'cluster_size=512,refcount_bits=64';
      qemu.qemuImg('create', '-q', '-f', 'qcow2', '-o', options, path, String(sizeBytes));
      const image = new Uint8Array(readFileSync(path));
      const before = new Random(1).bytes(1_985_000);
      const filled = new CrashingFile(image, new Random(1), Number.MAX_SAFE_INTEGER);
      const disk = await Qcow2Disk.open(filled);
      await disk.write(0, before);
      await disk.close();
      const full = filled.afterCrash(new Random(1));
      const addition = new Random(2).bytes(70_000);
      const tablePlace = (bytes: Uint8Array): string => Buffer.from(bytes.subarray(48, 60)).toString('hex');

      let moved = 0;
      for (let calls = 1; ; calls++) {
        const random = new Random(calls);
        const file = new CrashingFile(full, random, calls);
        let flushed = false;
        try {
          const grown = await Qcow2Disk.open(file);
          await grown.write(before.length, addition);
          await grown.flush();
          flushed = true;
          await grown.close();
        } catch (error) {
          if (!file.hasCrashed) throw error;
        }
        for (let variant = 0; variant < 3; variant++) {
          const after = file.afterCrash(random);
          if (tablePlace(after) !== tablePlace(full)) moved += 1;
          await expectSound(after, before, flushed ? addition : new Uint8Array(0), `call ${calls}`);
        }
        if (!file.hasCrashed) break;
      }
      expect(moved).toBeGreaterThan(3);
    },
    60_000 * seedFactor,
  );

  async function expectSound(image: Uint8Array, before: Uint8Array, addition: Uint8Array, what: string): Promise<void> {
    const path = join(folder, 'after-growing.qcow2');
    writeFileSync(path, image);
    expect(qemu.check(path).corruptions, what).toBe(0);
    const disk = await Qcow2Disk.open(await memoryFile(image));
    const content = await contentOf(disk);
    expect(Buffer.compare(content.subarray(0, before.length), before), what).toBe(0);
    const added = content.subarray(before.length, before.length + addition.length);
    expect(Buffer.compare(added, addition), what).toBe(0);
    await disk.close();
  }
});
