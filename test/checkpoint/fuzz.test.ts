import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createDisk, openDisk } from '../../src/backend/disk/live/open-disk.ts';
import { ChainPageSource, openChain } from '../../src/checkpoint/chain.ts';
import { ENTRY_BYTES, HEADER, TRAILER_BYTES } from '../../src/checkpoint/container/layout.ts';
import { GodwitError } from '../../src/common/errors.ts';
import type { Codec } from '../../src/platform/codec.ts';
import { nodeCodec } from '../../src/platform/node/codec.ts';
import { CheckpointStore } from '../../src/service/checkpoint/store/index.ts';
import { crc32 } from '../../src/state/checksum.ts';
import { encodePlainData } from '../../src/state/plain-data-codec.ts';
import { portableCodec } from '../../src/state/portable-codec.ts';
import { Random, seedFactor } from '../disk/support/random.ts';
import { fileOf, idOf, metaOf, openBytes } from './support/files.ts';
import { ModelMemory, PAGE } from './support/memory.ts';

const ROUNDS = 400 * seedFactor;

function sample(seed: number): { bytes: Uint8Array; base: Uint8Array; model: ModelMemory } {
  const model = new ModelMemory(120);
  const random = new Random(seed);
  model.scribble(random, 8);
  const base = fileOf({ meta: metaOf(120, { id: idOf(2) }), memory: model.snapshot(false) }, nodeCodec);
  model.scribble(random, 4);
  const state = { registers: random.bytes(300), list: [1n, 2, 'three'] };
  const meta = metaOf(120, { id: idOf(1), base: idOf(2) });
  return { bytes: fileOf({ meta, memory: model.snapshot(true), state, hotPages: [5, 6] }, nodeCodec), base, model };
}

/** Cuts, flips, overwrites, moves parts about. */
function damage(random: Random, bytes: Uint8Array): Uint8Array {
  const changed = bytes.slice();
  const at = random.below(bytes.length);
  switch (random.below(6)) {
    case 0:
      return changed.subarray(0, at);
    case 1:
      changed[at]! ^= 1 << random.below(8);
      return changed;
    case 2:
      changed.set(random.bytes(Math.min(1 + random.below(64), bytes.length - at)), at);
      return changed;
    case 3:
      return new Uint8Array(Buffer.concat([changed, random.bytes(1 + random.below(100))]));
    case 4:
      changed.copyWithin(at, random.below(bytes.length), random.below(bytes.length));
      return changed;
    default:
      return new Uint8Array(Buffer.concat([changed.subarray(0, at), changed.subarray(random.below(bytes.length))]));
  }
}

/** Makes the checksums of the container right again, so that what lies behind them is tried too. */
function mendContainer(bytes: Uint8Array): void {
  if (bytes.length < 128) return;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  view.setUint32(HEADER.checksum, crc32(bytes.subarray(0, HEADER.checksum)), true);
  const trailer = bytes.length - TRAILER_BYTES;
  const count = view.getUint32(trailer + 16, true);
  const table = trailer - count * ENTRY_BYTES;
  if (table < 32) return;
  for (let at = table; at < trailer; at += ENTRY_BYTES) {
    const offset = Number(view.getBigUint64(at + 8, true));
    const length = Number(view.getBigUint64(at + 16, true));
    if (view.getUint32(at + 4, true) & 2 || offset + length > table) continue;
    view.setUint32(at + 28, crc32(bytes.subarray(offset, offset + length)), true);
  }
  view.setUint32(trailer + 20, crc32(bytes.subarray(table, trailer)), true);
  view.setUint32(trailer + 24, crc32(bytes.subarray(trailer, trailer + 24)), true);
}

interface FileContents {
  readonly state: Uint8Array;
  readonly pages: Uint8Array;
}

/** What a reader makes of a file: everything in it, or its one error. */
function readAll(bytes: Uint8Array, base: Uint8Array, codec: Codec): FileContents | GodwitError {
  try {
    const chain = openChain(openBytes(bytes, codec), (id) => {
      if (id !== idOf(2)) throw new GodwitError('not-found', `There is no ${id}.`);
      return openBytes(base, codec);
    });
    const source = new ChainPageSource(chain, codec);
    const { pageCount } = chain.files[0]!.pages.index;
    if (pageCount > 100_000) return new GodwitError('limit', 'Too large for this test.');
    const pages = new Uint8Array(pageCount * PAGE);
    for (let page = 0; page < pageCount; page++) source.read(page, pages.subarray(page * PAGE, (page + 1) * PAGE));
    for (const _ of chain.files[0]!.verify());
    return { state: encodePlainData(chain.files[0]!.state()), pages };
  } catch (error) {
    if (error instanceof GodwitError) return error;
    throw error;
  }
}

/** Comparing byte arrays of this size with toEqual takes seconds. */
function isSame(a: FileContents, b: FileContents): boolean {
  return Buffer.compare(a.state, b.state) === 0 && Buffer.compare(a.pages, b.pages) === 0;
}

describe.each([
  ['portable', portableCodec],
  ['node', nodeCodec],
] as const)('damaged bytes, read with the %s codec', (_, codec) => {
  it.each([1, 2, 3])('give one error or what was written (seed %i)', (seed) => {
    const { bytes, base } = sample(seed);
    const whole = readAll(bytes, base, codec);
    if (whole instanceof GodwitError) throw whole;
    const random = new Random(seed);
    let refused = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const changed = damage(random, bytes);
      const result = readAll(changed, base, codec);
      if (result instanceof GodwitError) refused++;
      else expect(isSame(result, whole), `seed ${seed} round ${round}`).toBe(true);
    }
    expect(refused).toBeGreaterThan(ROUNDS / 2);
  });

  it.each([1, 2, 3])('with checksums put right never do anything but fail or give something (seed %i)', (seed) => {
    const { bytes, base } = sample(seed);
    const random = new Random(seed + 100);
    let refused = 0;
    for (let round = 0; round < ROUNDS; round++) {
      // Head, table and index, which the checksums of the container cover.
      const changed = bytes.slice();
      for (let i = 0; i <= random.below(3); i++) {
        const near = random.chance(50) ? random.below(700) : bytes.length - 1 - random.below(700);
        changed[Math.max(0, Math.min(near, bytes.length - 1))]! ^= 1 << random.below(8);
      }
      mendContainer(changed);
      const result = readAll(changed, base, codec);
      if (result instanceof GodwitError) {
        refused++;
        expect(['damaged', 'unsupported', 'not-found', 'limit'], `seed ${seed} round ${round}`).toContain(result.code);
      }
    }
    expect(refused).toBeGreaterThan(0);
  });

  it('that are nothing at all are refused', () => {
    const random = new Random(9);
    const { base } = sample(1);
    for (let round = 0; round < 200; round++) {
      expect(readAll(random.bytes(random.below(5000)), base, codec)).toBeInstanceOf(GodwitError);
    }
  });
});

describe('a damaged portable file', () => {
  let scratch: string;
  let store: CheckpointStore;
  let exported: Uint8Array;
  let before: unknown;

  beforeAll(async () => {
    scratch = mkdtempSync(join(tmpdir(), 'godwit-fuzz-'));
    store = await CheckpointStore.open({ folder: join(scratch, 'store') });
    const model = new ModelMemory(60);
    model.scribble(new Random(1), 5);
    const draft = await store.begin({ name: 'first' });
    await createDisk(join(draft.folder, 'disk0.qcow2'), { sizeBytes: 300_000 });
    const disk = await openDisk(join(draft.folder, 'disk0.qcow2'));
    await disk.write(100_000, new Random(2).bytes(50_000));
    await disk.close();
    await draft.write({
      memory: model.snapshot(false),
      state: { pc: 1n },
      point: { hart: 0, branches: 1n, pc: 2n },
      machine: null,
      disks: [
        { path: draft.storePath('disk0.qcow2'), format: 'qcow2', sizeBytes: 300_000, readonly: false, backing: [] },
      ],
    });
    await draft.commit();
    await store.export('first', join(scratch, 'whole.godwit'));
    exported = new Uint8Array(readFileSync(join(scratch, 'whole.godwit')));
    before = await store.list();
  });
  afterAll(async () => {
    await store.close();
    rmSync(scratch, { recursive: true });
  });

  it.each([1, 2])('is refused, and nothing in the store changes (seed %i)', async (seed) => {
    const random = new Random(seed);
    const path = join(scratch, 'damaged.godwit');
    const rounds = 20 * seedFactor;
    for (let round = 0; round < rounds; round++) {
      const changed = damage(random, exported);
      if (random.chance(50)) mendContainer(changed);
      if (Buffer.compare(changed, exported) === 0) continue;
      writeFileSync(path, changed);
      let id: string | undefined;
      try {
        id = await store.import(path, { freshId: true, name: null });
      } catch (error) {
        expect(error, `seed ${seed} round ${round}`).toBeInstanceOf(GodwitError);
      }
      if (id !== undefined) {
        // Something that no checksum covers, as where two changes undo each other: it must be whole all the same.
        expect((await store.verify(id)).problems, `seed ${seed} round ${round}`).toEqual([]);
        await store.delete(id);
      }
      expect(await store.list(), `seed ${seed} round ${round}`).toEqual(before);
      expect(readdirSync(store.folder)).toHaveLength(2);
    }
  });
});
