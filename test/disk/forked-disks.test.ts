/** Disks of machines that go on from one image: what they share, and what each has of its own. */
import { mkdtempSync, readdirSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { LiveDisk } from '../../src/backend/disk/live/live-disk.ts';
import { createDisk, openDisk } from '../../src/backend/disk/live/open-disk.ts';
import type { BlockCompletion, BlockSubmission } from '../../src/device/virtio/block/backend.ts';
import { platform } from '../../src/platform/platform.ts';
import { FrozenDisks } from '../../src/service/checkpoint/frozen-disks.ts';
import { MachineDisks, type RestoredDisk } from '../../src/service/disk/machine-disks.ts';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const SIZE = 10 * 1024 ** 3;
const FAR = 9 * 1024 ** 3;

let folder: string;
let base: RestoredDisk;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'godwit-forked-'));
  const path = join(folder, 'base.qcow2');
  await createDisk(path, { sizeBytes: SIZE });
  const disk = await openDisk(path);
  await disk.write(0, block(1));
  await disk.write(FAR, block(2));
  await disk.close();
  base = { path, format: 'qcow2', sizeBytes: SIZE, readonly: false, serial: '' };
});
afterEach(() => {
  vi.restoreAllMocks();
  rmSync(folder, { recursive: true });
});

function block(value: number): Uint8Array {
  return new Uint8Array(4096).fill(value);
}

/** A machine's disks, as the machine uses them. */
class Fork {
  readonly disks: MachineDisks;
  private readonly waiting = new Map<number, (completion: BlockCompletion) => void>();
  private readonly memory = new Uint8Array(4096);
  private nextId = 0;

  constructor(disks: MachineDisks) {
    this.disks = disks;
    disks.connect({
      memory: () => this.memory,
      complete: (_disk, id, completion) => this.waiting.get(id)!(completion),
      failed: (_disk, error) => expect.fail(String(error)),
    });
  }

  private ask(make: (id: number) => BlockSubmission): Promise<BlockCompletion> {
    const id = this.nextId++;
    return new Promise((resolve) => {
      this.waiting.set(id, resolve);
      this.disks.descriptions[0]!.backend.submit(make(id));
    });
  }

  async write(offset: number, value: number): Promise<void> {
    this.memory.fill(value);
    const spans = [{ offset: 0, length: 4096 }];
    await this.ask((id) => ({ id, kind: 'write', offset, length: 4096, spans }));
    await this.ask((id) => ({ id, kind: 'flush' }));
  }

  async value(offset: number): Promise<number> {
    const completion = await this.ask((id) => ({ id, kind: 'read', offset, length: 4096 }));
    const bytes = completion.status === 'ok' ? completion.data![0]! : new Uint8Array();
    expect(bytes).toHaveLength(4096);
    expect(bytes.every((value) => value === bytes[0])).toBe(true);
    return bytes[0]!;
  }

  async fork(): Promise<Fork> {
    const prepared = await this.disks.prepareOverlays(() => ({ parent: 'keep', own: false }));
    const frozen = await FrozenDisks.waitFor(prepared.map((overlay) => overlay.switch()));
    await frozen.keepImages();
    const { configured } = this.disks;
    return new Fork(await MachineDisks.openOver({ frozen: frozen.all, configured }));
  }

  async end(): Promise<void> {
    expect(await this.disks.close()).toBeUndefined();
  }
}

async function restored(disk: RestoredDisk = base): Promise<Fork> {
  return new Fork(await MachineDisks.openRestored([disk], undefined));
}

/** Of images and their locks. */
function descriptors(): number {
  const links = readdirSync('/proc/self/fd').flatMap((name) => {
    try {
      return [readlinkSync(`/proc/self/fd/${name}`)];
    } catch {
      return [];
    }
  });
  return links.filter((link) => /qcow2|godwit-lock|godwit-temporary/.test(link)).length;
}

async function endAll(forks: readonly Fork[]): Promise<void> {
  const before = descriptors();
  for (const fork of forks) await fork.end();
  for (const { disks } of forks) await disks.removeTemporary();
  expect(before).toBeGreaterThan(0);
  expect(descriptors()).toBe(0);
}

test('forks that write nothing open, read and make nothing, however many there are', async () => {
  const first = await restored();
  expect(await first.value(FAR)).toBe(2);
  const { files } = platform();
  const calls = (['open', 'openDraft', 'createWhole', 'makeTemporaryFolder', 'lock'] as const).map((name) =>
    vi.spyOn(files, name),
  );
  const before = descriptors();
  const forks = [first];
  while (forks.length < 100) forks.push(await forks[forks.length % 7 === 0 ? forks.length - 1 : 0]!.fork());
  expect(calls.map(({ mock }) => mock.calls.length)).toEqual([0, 0, 0, 0, 0]);
  expect(descriptors()).toBe(before);
  expect(before).toBeLessThanOrEqual(3);
  for (const fork of forks) expect(await fork.value(FAR)).toBe(2);
  expect(calls.map(({ mock }) => mock.calls.length)).toEqual([0, 0, 0, 0, 0]);
  await endAll(forks);
});

test('forks that write, and forks of those, open what is their own', async () => {
  const first = await restored();
  const open = vi.spyOn(platform().files, 'open');
  const all = [first];
  let parent = first;
  let written = 0;
  for (let depth = 1; depth <= 10; depth++) {
    await parent.write(4096 * depth, depth);
    written++;
    const children: Fork[] = [];
    for (let wide = 0; wide < 5; wide++) children.push(await parent.fork());
    all.push(...children);
    parent = children.at(-1)!;
  }
  expect(all).toHaveLength(51);
  // One image for each that has written, and those that are shared are open already.
  expect(open).toHaveBeenCalledTimes(written);
  expect(descriptors()).toBeLessThanOrEqual(3 * (written + 1));
  for (let depth = 1; depth <= 10; depth++) expect(await parent.value(4096 * depth)).toBe(depth);
  expect(await first.value(4096 * 2)).toBe(0);
  expect(await parent.value(FAR)).toBe(2);
  // Those in the middle end first.
  await endAll(all);
});

test('each has what it was forked from, and its own from there', async () => {
  const first = await restored();
  await first.write(0, 10);
  const second = await first.fork();
  await first.write(0, 11);
  await second.write(4096, 20);
  const third = await second.fork();
  await second.write(0, 21);
  await third.write(FAR, 30);
  await first.end();
  expect([await second.value(0), await second.value(4096), await second.value(FAR)]).toEqual([21, 20, 2]);
  await second.end();
  expect([await third.value(0), await third.value(4096), await third.value(FAR)]).toEqual([10, 20, 30]);
  const fourth = await third.fork();
  await third.end();
  await fourth.write(8192, 40);
  expect([await fourth.value(0), await fourth.value(8192), await fourth.value(FAR)]).toEqual([10, 40, 30]);
  await endAll([fourth]);
  for (const { disks } of [first, second, third]) await disks.removeTemporary();
});

test('a disk that is only read is open once', async () => {
  const first = await restored({ ...base, readonly: true });
  const before = descriptors();
  const forks = [first, await first.fork(), await first.fork()];
  expect(descriptors()).toBe(before);
  for (const fork of forks) {
    expect(fork.disks.isReadonly(0)).toBe(true);
    expect(await fork.value(FAR)).toBe(2);
  }
  await endAll(forks);
});

test('a machine of a checkpoint made before keeps the sectors that it saw', async () => {
  const first = await restored({ ...base, sizeBytes: 1_000_001 });
  expect(first.disks.descriptions[0]!.sizeBytes).toBe(1953 * 512);
  const second = await first.fork();
  expect(second.disks.descriptions[0]!.sizeBytes).toBe(1953 * 512);
  await endAll([first, second]);
});

test("a disk of the user's that was forked puts an image in place only when something was written", async () => {
  const disk = await LiveDisk.open(base.path);
  const freeze = async (meanwhile = async () => {}) => {
    const prepared = await disk.prepareOverlay({ parent: 'keep', own: false });
    await meanwhile();
    const frozen = await prepared.switch();
    await frozen.keep();
    return frozen.path;
  };
  const first = await freeze();
  const names = readdirSync(folder);
  expect(await freeze()).toBe(first);
  await (await disk.prepareOverlay({ parent: 'keep', own: false })).cancel();
  expect(await freeze()).toBe(first);
  expect(readdirSync(folder)).toEqual(names);
  // Written between preparing and the switch: before it, so it belongs to what is frozen.
  const second = await freeze(() => disk.write(0, block(7)));
  expect(second).not.toBe(first);
  // Still under way at the switch: after it.
  let late: Promise<void> | undefined;
  const third = await freeze(async () => {
    late = disk.write(4096, block(8));
  });
  await late;
  expect(third).toBe(second);
  const found = block(0);
  await disk.read(4096, found);
  expect(found).toEqual(block(8));
  await disk.close();
  const frozen = await openDisk(second, { readonly: true });
  await frozen.read(0, found);
  expect(found).toEqual(block(7));
  await frozen.read(4096, found);
  expect(found).toEqual(block(0));
  await frozen.close();
});
