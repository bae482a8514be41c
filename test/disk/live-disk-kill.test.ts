import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { build } from 'vite';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { LiveDisk } from '../../src/backend/disk/live/live-disk.ts';
import { createDisk } from '../../src/backend/disk/live/open-disk.ts';
import * as qemu from './support/qemu-img.ts';
import { Random } from './support/random.ts';
import { BLOCK_BYTES, BLOCKS, Versions } from './support/versions.ts';

vi.setConfig({ testTimeout: 3_600_000, hookTimeout: 60_000 });

const KILLS = process.env.GODWIT_LONG === '1' ? 200 : 10;
const MOST_KEPT = 8;

let folder: string;
let writer: string;
beforeAll(async () => {
  // Killing a process loses nothing that it gave to the host, so memory will do for the files, and is quicker.
  folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'godwit-kill-'));
  writer = join(folder, 'writer.mjs');
  await build({
    configFile: false,
    logLevel: 'silent',
    ssr: { noExternal: true },
    build: {
      ssr: join(import.meta.dirname, 'support/live-writer.ts'),
      outDir: folder,
      rollupOptions: { output: { entryFileNames: 'writer.mjs' } },
    },
  });
});
afterAll(() => rmSync(folder, { recursive: true }));

/** An image that was finished, with what it may hold. */
interface Image {
  path: string;
  versions: Versions;
}

interface World {
  path: string;
  versions: Versions;
  nextVersion: number;
  kept: Image[];
  counts: Record<string, number>;
}

/** Lets a process write until it is killed, and takes in what it said. Gives the copies it finished. */
async function writeUntilKilled(world: World, random: Random): Promise<Image[]> {
  const { path, versions } = world;
  const keeps = MOST_KEPT - world.kept.length;
  const child = spawn(
    process.execPath,
    [writer, path, String(random.below(2 ** 30)), String(world.nextVersion), String(keeps)],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  const ended = once(child, 'exit');
  const switches = new Map<string, Versions>();
  const copies: Image[] = [];
  // By what it did and not by time, so that a busy host makes no difference.
  const isStep = (word: string): boolean => ['switch', 'kept', 'copied', 'committed'].includes(word);
  const counts = random.chance(25) ? (): boolean => true : isStep;
  let linesLeft = 1 + random.below(random.pick([2, 8]));
  const killAfterMs = random.below(random.pick([2, 30]));
  for await (const line of createInterface(child.stdout)) {
    const [word = '', ...rest] = line.split(' ');
    if (counts(word) && --linesLeft === 0) setTimeout(() => child.kill('SIGKILL'), killAfterMs);
    world.counts[word] = (world.counts[word] ?? 0) + 1;
    const items = (): [number, number][] => rest.map((item) => item.split(':').map(Number) as [number, number]);
    if (word === 'issue' || word === 'zero') {
      for (const [at, version] of items()) {
        versions.issue(at, version, word === 'zero');
        world.nextVersion = Math.max(world.nextVersion, version + 1);
      }
    } else if (word === 'done') for (const [at, version] of items()) versions.done(at, version);
    else if (word === 'flushed') versions.flushed();
    else if (word === 'switch') switches.set(rest[0]!, covered(versions));
    else if (word === 'kept') world.kept.push({ path: rest[1]!, versions: switches.get(rest[0]!)! });
    else if (word === 'copied') copies.push({ path: rest[1]!, versions: switches.get(rest[0]!)! });
  }
  const [code, signal] = await ended;
  expect({ code, signal }).toEqual({ code: null, signal: 'SIGKILL' });
  return copies;
}

/** What is acknowledged at a switch is in the disk that is covered, flushed or not. */
function covered(versions: Versions): Versions {
  const copy = versions.copy();
  copy.flushed();
  return copy;
}

function expectImage({ path, versions }: Image, format: string): void {
  if (format === 'qcow2') expect(qemu.check(path).corruptions, path).toBe(0);
  versions.expectPossible(qemu.contentOf(path, format), path);
}

async function expectDiskWhole(world: World, format: 'raw' | 'qcow2'): Promise<void> {
  const { path } = world;
  const chain = JSON.parse(qemu.qemuImg('info', '--backing-chain', '--output=json', path)) as {
    format: string;
    filename: string;
  }[];
  for (const image of chain) {
    if (image.format === 'qcow2') expect(qemu.check(image.filename).corruptions, image.filename).toBe(0);
  }
  world.versions.expectPossibleAndAdopt(qemu.contentOf(path, chain[0]!.format), 'after the kill');
  // Closing waits for what is brought back.
  await (await LiveDisk.open(path)).close();
  expect(existsSync(`${path}.parent`), 'a parent is left').toBe(false);
  const drafts = readdirSync(join(path, '..')).filter((name) => name.startsWith('.d.') && name.endsWith('.draft'));
  expect(drafts.filter((name) => !name.includes('.copy-'))).toEqual([]);
  const now = world.kept.length === 0 && format === 'raw' ? 'raw' : 'qcow2';
  world.versions.expectPossible(qemu.contentOf(path, probe(path, now)), 'after the next start');
}

/** A raw disk is raw again when everything is brought back, unless an overlay over a kept one was left. */
function probe(path: string, expected: string): string {
  const [{ format } = { format: expected }] = JSON.parse(
    qemu.qemuImg('info', '--backing-chain', '--output=json', path),
  ) as { format: string }[];
  return format;
}

describe.skipIf(!qemu.hasQemuImg)(`a process that is killed leaves its disk whole${qemu.noQemuImg}`, () => {
  test.each(['qcow2', 'raw'] as const)('%s', async (format) => {
    const seed = Number(process.env.GODWIT_SEED ?? 1);
    const random = new Random(seed);
    const place = mkdtempSync(join(folder, 'disk-'));
    const path = join(place, 'd');
    await createDisk(path, { sizeBytes: BLOCKS * BLOCK_BYTES, format });
    const world: World = { path, versions: new Versions(), nextVersion: 1, kept: [], counts: {} };
    for (let kill = 1; kill <= KILLS; kill++) {
      try {
        const copies = await writeUntilKilled(world, random);
        for (const copy of copies) expectImage(copy, 'qcow2');
        await expectDiskWhole(world, format);
        for (const name of readdirSync(place)) if (name.includes('.copy-')) rmSync(join(place, name));
      } catch (error) {
        throw new Error(`seed ${seed}, kill ${kill}: ${(error as Error).message}`, { cause: error });
      }
    }
    for (const image of world.kept) expectImage(image, probe(image.path, format));
    expect(world.counts.switch, 'switches').toBeGreaterThan(0);
    if (process.env.GODWIT_LONG === '1') process.stdout.write(`${format}: ${JSON.stringify(world.counts)}\n`);
  });
});
