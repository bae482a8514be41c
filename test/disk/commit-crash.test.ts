import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import type { Disk } from '../../src/backend/disk/disk.ts';
import {
  BorrowedDisk,
  CommittingDisk,
  createQcow2,
  MemoryByteFile,
  Qcow2Disk,
  RawDisk,
  SwitchableDisk,
} from '../../src/backend/disk/index.ts';
import type { ByteFile } from '../../src/platform/files.ts';
import { CrashModel } from './support/crash-model.ts';
import { CrashingFile } from './support/crashing-file.ts';
import { expectContent, runWorkload } from './support/model.ts';
import * as qemu from './support/qemu-img.ts';
import { Random, seedFactor } from './support/random.ts';

vi.setConfig({ testTimeout: 120_000 * seedFactor, hookTimeout: 60_000 });

const SIZE = 3 * 2 ** 18;
const SEEDS = 25 * seedFactor;
const workload = { batches: 8, perBatch: 4, maxBytes: 30_000, flushPercent: 25 };

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'godwit-commit-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

interface Scenario {
  name: string;
  parentBits?: number;
  overlayBits: number;
}

const SCENARIOS: Scenario[] = [
  { name: 'into a raw disk', overlayBits: 12 },
  { name: 'into an image with clusters of the same size', parentBits: 12, overlayBits: 12 },
  { name: 'into larger clusters', parentBits: 16, overlayBits: 9 },
  { name: 'into smaller clusters', parentBits: 9, overlayBits: 16 },
];

const content = new Random(500).bytes(SIZE).fill(0, 100_000, 300_000);

async function bytesOf(file: ByteFile): Promise<Uint8Array> {
  const bytes = new Uint8Array(await file.size());
  await file.read(0, bytes);
  return bytes;
}

async function fileOf(bytes: Uint8Array): Promise<MemoryByteFile> {
  const file = new MemoryByteFile('after');
  await file.write(0, bytes);
  return file;
}

/** The files of a parent that holds `content`, and of an empty overlay on it. */
async function start({ parentBits, overlayBits }: Scenario): Promise<{ parent: Uint8Array; overlay: Uint8Array }> {
  const overlay = new MemoryByteFile('overlay');
  const format = parentBits === undefined ? 'raw' : 'qcow2';
  await createQcow2(overlay, { sizeBytes: SIZE, clusterBits: overlayBits, backing: { path: 'parent', format } });
  if (parentBits === undefined) return { parent: content, overlay: await bytesOf(overlay) };
  const parent = new MemoryByteFile('parent');
  await createQcow2(parent, { sizeBytes: SIZE, clusterBits: parentBits });
  const disk = await Qcow2Disk.open(parent.reopen());
  await disk.write(0, content);
  await disk.close();
  return { parent: await bytesOf(parent), overlay: await bytesOf(overlay) };
}

function openParent({ parentBits }: Scenario, file: ByteFile): Promise<Qcow2Disk | RawDisk> {
  return parentBits === undefined ? RawDisk.open(file) : Qcow2Disk.open(file, { tableCacheBytes: 4096 });
}

function openOverlay(file: ByteFile, parent: Disk): Promise<Qcow2Disk> {
  return Qcow2Disk.open(file, { tableCacheBytes: 4096, openBacking: async () => new BorrowedDisk(parent) });
}

async function crashOnce(
  scenario: Scenario,
  images: Awaited<ReturnType<typeof start>>,
  seed: number,
): Promise<boolean> {
  const random = new Random(seed);
  const power = { callsLeft: 1 + random.below(random.pick([300, 1000, 3000])) };
  const parentFile = new CrashingFile(images.parent, random, power);
  const overlayFile = new CrashingFile(images.overlay, random, power);
  const state = { committed: false };
  const parent = await openParent(scenario, parentFile);
  const disk = new SwitchableDisk(parent);
  const watched = new CrashModel(disk, content);
  try {
    await useAll(disk, watched, parent, overlayFile, random, state);
  } catch (error) {
    if (power.callsLeft > 0) throw error;
  }
  const parentBytes = parentFile.afterCrash(random);
  const overlayBytes = overlayFile.afterCrash(random);
  expectUncorrupted('parent', parentBytes, scenario.parentBits !== undefined);
  const parentAfter = await openParent(scenario, await fileOf(parentBytes));
  if (state.committed) {
    watched.expectPossible(await contentOf(parentAfter));
    return true;
  }
  expectUncorrupted('overlay', overlayBytes, true);
  const overlayAfter = await openOverlay(await fileOf(overlayBytes), parentAfter);
  const found = await contentOf(overlayAfter);
  watched.expectPossible(found);
  // What was begun can be done again.
  await new CommittingDisk(overlayAfter, parentAfter).commit();
  await expectContent(parentAfter, found);
  return false;
}

/** What a checkpoint with a copy does to a disk in use. */
async function useAll(
  disk: SwitchableDisk,
  watched: CrashModel,
  parent: Disk,
  overlayFile: CrashingFile,
  random: Random,
  state: { committed: boolean },
): Promise<void> {
  const model = content.slice();
  await runWorkload(watched, model, random, workload);
  const overlay = await openOverlay(overlayFile, parent);
  const { flushed } = disk.switchTo(overlay);
  await runWorkload(watched, model, random, workload);
  await flushed;
  const committing = new CommittingDisk(overlay, parent);
  await disk.switchTo(committing, { flushOld: false }).quiet;
  const committed = committing.commit();
  committed.catch(() => {});
  await runWorkload(watched, model, random, workload);
  await committed;
  const between = async (): Promise<void> => {
    await parent.flush();
    committing.assertFollowing();
    state.committed = true;
  };
  const { quiet } = disk.switchTo(parent, { between, flushOld: false });
  await runWorkload(watched, model, random, workload);
  await quiet;
  await expectContent(disk, model);
}

function expectUncorrupted(name: string, image: Uint8Array, isQcow2: boolean): void {
  const path = join(folder, name);
  writeFileSync(path, image);
  if (isQcow2) expect(qemu.check(path).corruptions, name).toBe(0);
}

async function contentOf(disk: Disk): Promise<Uint8Array> {
  const bytes = new Uint8Array(disk.sizeBytes);
  await disk.read(0, bytes);
  return bytes;
}

describe.skipIf(!qemu.hasQemuImg)(`bringing an overlay back survives a crash at any moment${qemu.noQemuImg}`, () => {
  test.each(SCENARIOS)('$name', async (scenario) => {
    const images = await start(scenario);
    let afterwards = 0;
    for (let seed = 1; seed <= SEEDS; seed++) {
      const committed = await crashOnce(scenario, images, seed).catch((error: unknown) => {
        throw new Error(`seed ${seed}: ${error instanceof Error ? error.message : error}`, { cause: error });
      });
      if (committed) afterwards += 1;
    }
    // The moments are spread over all of it.
    expect(afterwards).toBeGreaterThan(0);
    expect(afterwards).toBeLessThan(SEEDS);
  });
});
