/** Checkpoints and recordings of a machine that was restored, most of whose pages are still in the checkpoint only. */
import { describe, expect, it } from 'vitest';
import { ChainPageSource, openChain } from '../../src/checkpoint/chain.ts';
import { MachineCore } from '../../src/machine/core.ts';
import type { CoreOptions } from '../../src/machine/core-options.ts';
import { DigestTaker } from '../../src/recording/digest.ts';
import { portableCodec } from '../../src/state/portable-codec.ts';
import { Random } from '../disk/support/random.ts';
import { fileOf, idOf, metaOf, openBytes } from './support/files.ts';
import { ModelMemory } from './support/memory.ts';

const MIB = 1024 ** 2;
const PAGES = (8 * MIB) / 4096;
const RAM = 0x8000_0000n;
const SEEDS = [1, 2, 3, 4];

const OPTIONS: CoreOptions = { memoryBytes: 8 * MIB, seed: new Uint8Array(32), load: () => {} };

/** Pages of a chain of checkpoints, and how many were read. */
class CountedPages extends ChainPageSource {
  reads = 0;

  override read(page: number, into: Uint8Array): boolean {
    this.reads++;
    return super.read(page, into);
  }
}

/** Files by the number of their id; each builds on the one before unless it is the first. */
function sourceOf(files: readonly Uint8Array[]): CountedPages {
  const open = (id: string) => openBytes(files[Number.parseInt(id, 16)]!);
  return new CountedPages(openChain(openBytes(files.at(-1)!), open), portableCodec);
}

/** The model's pages become those of a restored machine. */
async function restored(model: ModelMemory) {
  const files = [fileOf({ meta: metaOf(PAGES, { id: idOf(0) }), memory: model.snapshot(false) }, portableCodec)];
  const source = sourceOf(files);
  const created = await MachineCore.create(OPTIONS);
  return { files, source, core: await MachineCore.restore(OPTIONS, created.save(), source) };
}

function writeSome(core: MachineCore, model: ModelMemory, random: Random): void {
  for (let i = 0; i < 40; i++) {
    const page = random.below(PAGES);
    const content = new Uint8Array(4096).fill(random.below(3));
    core.ram.copyIn(RAM + BigInt(page * 4096), content);
    model.write(page, content);
  }
}

describe('a machine that was restored', () => {
  it.each(SEEDS)('says what its memory holds without reading it (seed %i)', async (seed) => {
    const random = new Random(seed);
    const model = new ModelMemory(PAGES);
    model.scribble(random, 60);
    const { core, source } = await restored(model);
    const first = core.snapshot();
    const stored = [...source.storedPages()];
    expect(stored.length).toBeGreaterThan(20);
    expect([...first.memory.touchedPages()]).toEqual(stored);
    expect([...first.memory.presentPages()]).toEqual([]);
    writeSome(core, model, random);
    const present = [...core.ram.presentPages()];
    expect([...core.ram.touchedPages()]).toEqual([...new Set([...stored, ...present])].sort((a, b) => a - b));
    // What is written wholly is read all the same, before: a guest's store is a few bytes.
    expect(source.reads).toBeLessThanOrEqual(40 * 8);
    first.memory.release();
  });

  it.each(SEEDS)('gives the content of its pages without taking them in (seed %i)', async (seed) => {
    const random = new Random(seed);
    const model = new ModelMemory(PAGES);
    model.scribble(random, 60);
    const { core } = await restored(model);
    writeSome(core, model, random);
    const { memory } = core.snapshot();
    const { arena } = core.engine;
    const before = arena.frameCount;
    for (let page = 0; page < PAGES; page++) {
      const expected = model.pages.get(page) ?? new Uint8Array(4096);
      for (const from of [memory, core.ram]) {
        const content = new Uint8Array(4096).fill(0xee);
        const found = from.readPage(page, content);
        expect(Buffer.compare(content, expected), `page ${page}`).toBe(0);
        if (!found) expect(content.some((byte) => byte !== 0)).toBe(false);
      }
    }
    expect(arena.frameCount).toBe(before);
  });

  it('has the digest of what the source gives, where it forgot what it wrote', async () => {
    const model = new ModelMemory(PAGES);
    model.scribble(new Random(5), 60);
    const [one, other] = [(await restored(model)).core, (await restored(model)).core];
    const [digests, others] = [new DigestTaker(one), new DigestTaker(other)];
    const [page] = one.ram.touchedPages();
    const address = RAM + BigInt(page! * 4096);
    const original = one.ram.copyOut(address, 4096)!;
    one.ram.copyIn(address, new Uint8Array(4096).fill(9));
    one.ram.forget([page!]);
    other.ram.copyIn(address, original);
    expect(digests.take().memory).toEqual(others.take().memory);
  });

  it.each(SEEDS)('is saved whole and as a difference, again and again (seed %i)', async (seed) => {
    const random = new Random(seed);
    const model = new ModelMemory(PAGES);
    model.scribble(random, 60);
    const { core, files } = await restored(model);
    const atRestore = model.copy();
    let watched = core.ram.watchWrites();
    for (let round = 1; round <= 5; round++) {
      writeSome(core, model, random);
      for (let i = 0; i < 10; i++) {
        const page = random.below(PAGES);
        if (random.below(2) === 0) {
          core.ram.forget([page]);
          model.write(page, atRestore.pages.get(page) ?? new Uint8Array(4096));
        } else {
          core.ram.discard([page]);
          model.write(page, new Uint8Array(4096));
        }
      }
      const { memory } = core.snapshot(watched);
      watched = core.ram.watchWrites();
      const meta = metaOf(PAGES, { id: idOf(round), base: idOf(round - 1) });
      files.push(fileOf({ meta, memory }, portableCodec));
      const whole = fileOf({ meta: metaOf(PAGES, { id: idOf(0) }), memory }, portableCodec);
      memory.release();
      // Even what came in for a checkpoint must go on to be right.
      for (const source of [sourceOf(files), sourceOf([whole])]) {
        expect(
          model.firstDifference((page, into) => source.read(page, into)),
          `round ${round}`,
        ).toBeUndefined();
      }
    }
  });
});
