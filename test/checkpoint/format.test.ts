import { describe, expect, it } from 'vitest';
import { ChainPageSource, openChain } from '../../src/checkpoint/chain.ts';
import { ENTRY_BYTES, HEADER, TRAILER_BYTES } from '../../src/checkpoint/container/layout.ts';
import { Container } from '../../src/checkpoint/container/reader.ts';
import { ContainerWriter } from '../../src/checkpoint/container/writer.ts';
import { MemoryByteSource } from '../../src/checkpoint/memory-byte-source.ts';
import { rewriteChain } from '../../src/checkpoint/rewrite.ts';
import { nodeCodec } from '../../src/platform/node/codec.ts';
import { crc32 } from '../../src/state/checksum.ts';
import type { PlainData } from '../../src/state/plain-data.ts';
import { decodePlainData, encodePlainData } from '../../src/state/plain-data-codec.ts';
import { portableCodec } from '../../src/state/portable-codec.ts';
import { Random, seedFactor } from '../disk/support/random.ts';
import { fileOf, idOf, join, metaOf, openBytes } from './support/files.ts';
import { ModelMemory } from './support/memory.ts';

const codecs = { portable: portableCodec, node: nodeCodec };

describe('plain data', () => {
  const samples: PlainData[] = [
    null,
    true,
    0,
    -0,
    1.5,
    -1,
    2 ** 31,
    2 ** 53 - 1,
    2 ** 60,
    1e300,
    Number.NaN,
    Number.NEGATIVE_INFINITY,
    0n,
    1n,
    -1n,
    2n ** 64n - 1n,
    -(2n ** 200n),
    '',
    'ä\u{1f980}',
    new Uint8Array(0),
    new Uint8Array([0, 255]),
    [],
    [[], {}],
    { b: 1, a: 1n, '': null, __proto__x: [new Uint8Array(3)] },
  ];

  it.each(samples.map((data) => [data]))('comes back as it was: %o', (data) => {
    const bytes = encodePlainData(data);
    expect(decodePlainData(bytes, 'x')).toStrictEqual(data);
    expect(encodePlainData(decodePlainData(bytes, 'x'))).toEqual(bytes);
  });

  it('is the same whatever the order of its keys', () => {
    expect(encodePlainData({ b: 1, aa: 2, a: 3 })).toEqual(encodePlainData({ a: 3, aa: 2, b: 1 }));
  });

  it('does not take a key for the prototype', () => {
    const data = JSON.parse('{"__proto__": {"x": 1}}') as PlainData;
    const back = decodePlainData(encodePlainData(data), 'x') as Record<string, PlainData>;
    expect(Object.getPrototypeOf(back)).toBe(Object.prototype);
    expect(back.x).toBeUndefined();
  });

  it.each([
    ['nothing', []],
    ['a length that is not there', [0x9b, 255, 255, 255, 255, 255, 255, 255, 255]],
    ['bytes that are not there', [0x5a, 0xff, 0xff, 0xff, 0xff]],
    ['a key twice', [0xa2, 0x61, 0x61, 1, 0x61, 0x61, 2]],
    ['undefined', [0xf7]],
    ['an unknown tag', [0xc9, 0x01]],
    ['a bignum of text', [0xc2, 0x61, 0x31]],
    ['more than one item', [0x01, 0x01]],
    ['a number in a longer form than needed', [0x18, 0x01]],
    ['an integer that a number does not hold', [0x1b, 255, 255, 255, 255, 255, 255, 255, 255]],
    ['lists in lists without end', Array<number>(1_000_000).fill(0x81)],
  ])('refuses %s', (_, bytes) => {
    expect(() => decodePlainData(Uint8Array.from(bytes), 'The file')).toThrow(
      expect.objectContaining({ name: 'GodwitError', code: 'damaged' }),
    );
  });
});

describe('checksums', () => {
  it('are those of gzip', () => {
    expect(crc32(new TextEncoder().encode('123456789'))).toBe(0xcbf43926);
    const random = new Random(1);
    for (let i = 0; i < 200; i++) {
      const bytes = random.bytes(random.below(100));
      const at = random.below(bytes.length + 1);
      expect(crc32(bytes)).toBe(nodeCodec.crc32(bytes));
      expect(crc32(bytes.subarray(at), crc32(bytes.subarray(0, at)))).toBe(nodeCodec.crc32(bytes));
    }
  });
});

describe.each(Object.entries(codecs))('the %s codec', (_, codec) => {
  const text = new Uint8Array(5000).fill(7);

  it('inflates what the other deflated', () => {
    for (const other of Object.values(codecs)) expect(codec.inflate(other.deflate(text), 5000)).toEqual(text);
  });

  it.each([4999, 5001, 0, 100_000])('refuses what is not the expected length: %i', (length) => {
    expect(() => codec.inflate(codec.deflate(text), length)).toThrow(expect.objectContaining({ code: 'damaged' }));
  });

  it('refuses what is cut short', () => {
    const deflated = codec.deflate(new Random(3).bytes(5000));
    for (const length of [0, 1, deflated.length >> 1, deflated.length - 1]) {
      expect(() => codec.inflate(deflated.subarray(0, length), 5000)).toThrow(
        expect.objectContaining({ code: 'damaged' }),
      );
    }
  });
});

describe('a container', () => {
  const expected = { kind: 'TEST', kindName: 'test file', version: 7, known: ['KNOW'] };
  const make = (...types: { type: string; required?: boolean }[]): Uint8Array => {
    const writer = new ContainerWriter(portableCodec);
    const blocks = [writer.start(expected)];
    for (const { type, required = false } of types) {
      writer.begin(type, { required });
      blocks.push(writer.add(new TextEncoder().encode(`content of ${type}`)));
    }
    return join([...blocks, writer.finish()]);
  };
  const open = (bytes: Uint8Array) => Container.open(new MemoryByteSource('x.godwit', bytes), portableCodec, expected);
  const failure = (bytes: Uint8Array) => {
    try {
      open(bytes);
    } catch (error) {
      return error as { code: string; message: string; hint?: string };
    }
    return undefined;
  };
  /** Changes the header and makes its checksum right again. */
  const withHeader = (offset: number, value: number): Uint8Array => {
    const bytes = make();
    const view = new DataView(bytes.buffer);
    view.setUint32(offset, value, true);
    view.setUint32(HEADER.checksum, crc32(bytes.subarray(0, HEADER.checksum)), true);
    return bytes;
  };

  it('gives back its sections', () => {
    const container = open(make({ type: 'KNOW', required: true }, { type: 'ELSE' }));
    expect(new TextDecoder().decode(container.read(container.get('KNOW')))).toBe('content of KNOW');
    expect(container.sections.map(({ type }) => type)).toEqual(['KNOW', 'ELSE']);
  });

  it('is refused when it needs something unknown, and not when that is optional', () => {
    expect(failure(make({ type: 'ELSE', required: true }))).toMatchObject({
      code: 'unsupported',
      message: 'x.godwit was made by a newer godwit: it needs "ELSE", which this one does not know.',
      hint: expect.stringContaining('Update'),
    });
    expect(failure(make({ type: 'ELSE' }))).toBeUndefined();
  });

  it('of a newer version says so', () => {
    expect(failure(withHeader(HEADER.version, 8))).toMatchObject({
      code: 'unsupported',
      message: 'x.godwit was made by a newer godwit: it has format 8, and this one reads format 7.',
      hint: 'Update this godwit.',
    });
  });

  it('of an older version says so', () => {
    expect(failure(withHeader(HEADER.version, 6))).toMatchObject({
      code: 'unsupported',
      message: 'x.godwit was made by an older godwit (format 6), which this one does not read.',
    });
  });

  it('of another kind says so', () => {
    expect(failure(withHeader(HEADER.kind, 0x41414141))).toMatchObject({
      code: 'unsupported',
      message: 'x.godwit is not a test file, but a "AAAA" of godwit.',
    });
  });

  it.each([
    ['nothing', new Uint8Array(0), 'an empty file'],
    ['text', new TextEncoder().encode('#!/bin/sh\n'.repeat(20)), 'a text'],
    ['another format', Uint8Array.of(0x51, 0x46, 0x49, 0xfb, 0, 0, 0, 3), 'a qcow2 disk'],
  ])('is not %s', (_, bytes, is) => {
    expect(failure(bytes)).toMatchObject({
      code: 'unsupported',
      message: `x.godwit is not a test file of godwit, but ${is}.`,
    });
  });

  it('that is cut short anywhere is damaged', () => {
    const bytes = make({ type: 'KNOW' });
    for (let length = 8; length < bytes.length; length++) {
      expect(failure(bytes.subarray(0, length))?.code, `${length} bytes`).toBe('damaged');
    }
    expect(failure(join([bytes, Uint8Array.of(0)]))?.code).toBe('damaged');
  });

  it('names the section that is damaged', () => {
    const bytes = make({ type: 'KNOW' });
    bytes[40]! ^= 1;
    const container = open(bytes);
    expect(() => container.read(container.get('KNOW'))).toThrow(
      'x.godwit is damaged: the checksum of its section KNOW is wrong.',
    );
  });

  it('whose table is wrong but rightly checked is damaged', () => {
    const bytes = make({ type: 'KNOW' }, { type: 'ELSE' });
    const random = new Random(7);
    const table = bytes.length - TRAILER_BYTES - 2 * ENTRY_BYTES;
    for (let i = 0; i < 500; i++) {
      const changed = bytes.slice();
      const view = new DataView(changed.buffer);
      // Offsets and lengths.
      const at = table + random.below(2) * ENTRY_BYTES + 8 + random.below(16);
      changed[at] = changed[at]! ^ (1 + random.below(255));
      const tableBytes = changed.subarray(table, changed.length - TRAILER_BYTES);
      view.setUint32(changed.length - TRAILER_BYTES + 20, crc32(tableBytes), true);
      view.setUint32(changed.length - 8, crc32(changed.subarray(-TRAILER_BYTES, -8)), true);
      expect(failure(changed)?.code).toBe('damaged');
    }
  });
});

/** Of a page that is not zeros: it and others that are not, in rising order, the same for each of them. */
function expectSoundCompanions(source: ChainPageSource, pageCount: number): void {
  const into = new Uint8Array(4096);
  const isSound = (page: number): boolean => {
    const companions = source.companions(page);
    if (companions.includes(page) !== source.read(page, into)) return false;
    if (companions.some((other, i) => i > 0 && other <= companions[i - 1]!)) return false;
    return companions.every((other) => `${source.companions(other)}` === `${companions}`);
  };
  expect(Array.from({ length: pageCount }, (_, page) => page).filter((page) => !isSound(page))).toEqual([]);
}

/** What it says it has is what it reads. */
function expectSoundList(source: ChainPageSource, pageCount: number): void {
  const into = new Uint8Array(4096);
  const readable = Array.from({ length: pageCount }, (_, page) => page).filter((page) => source.read(page, into));
  expect([...source.storedPages()]).toEqual(readable);
}

describe.each(Object.entries(codecs))('a checkpoint file, with the %s codec', (_, codec) => {
  const seeds = Array.from({ length: 4 * seedFactor }, (_, index) => index + 1);

  it.each(seeds)('has what was put in (seed %i)', (seed) => {
    const random = new Random(seed);
    const memory = new ModelMemory(1 + random.below(400));
    memory.scribble(random, random.below(40));
    const hotPages = Array.from({ length: random.below(20) }, () => random.below(memory.pageCount));
    const state = { registers: new Uint8Array(random.bytes(200)), pc: 2n ** 40n, on: true };
    const meta = metaOf(memory.pageCount, { name: 'first' });
    const bytes = fileOf({ meta, memory: memory.snapshot(false), state, hotPages }, codec);
    const file = openBytes(bytes, codec);
    expect(file.meta).toStrictEqual(meta);
    expect(file.state()).toStrictEqual(state);
    const source = new ChainPageSource(openChain(file, noBase), codec);
    expect(source.hotPages).toEqual(hotPages);
    expect(memory.firstDifference((page, into) => source.read(page, into))).toBeUndefined();
    expectSoundCompanions(source, memory.pageCount);
    expectSoundList(source, memory.pageCount);
    for (const _ of file.verify());
  });

  it.each(seeds)('is the same when it is rewritten alone (seed %i)', (seed) => {
    const random = new Random(seed);
    const memory = new ModelMemory(200);
    memory.scribble(random, 30);
    const bytes = fileOf({ meta: metaOf(200), memory: memory.snapshot(false), hotPages: [3] }, codec);
    expect(join(rewriteChain({ files: [openBytes(bytes, codec)] }, codec))).toEqual(bytes);
  });

  it.each(seeds)('builds on others, ten deep, and takes them in (seed %i)', (seed) => {
    const random = new Random(seed);
    const memory = new ModelMemory(1 + random.below(600));
    const models: ModelMemory[] = [];
    const files: Uint8Array[] = [];
    for (let depth = 0; depth < 10; depth++) {
      memory.scribble(random, random.below(20));
      const meta = metaOf(memory.pageCount, { id: idOf(depth), base: depth === 0 ? null : idOf(depth - 1) });
      files.push(fileOf({ meta, memory: memory.snapshot(depth > 0) }, codec));
      models.push(memory.copy());
    }
    const chainOf = (depth: number) =>
      openChain(openBytes(files[depth]!, codec), (id) => openBytes(files[Number.parseInt(id, 16)]!, codec));
    const check = () => {
      for (const [depth, model] of models.entries()) {
        if (files[depth]!.length === 0) continue;
        const source = new ChainPageSource(chainOf(depth), codec);
        expect(
          model.firstDifference((page, into) => source.read(page, into)),
          `depth ${depth}`,
        ).toBeUndefined();
        source.close();
      }
    };
    check();
    for (const depth of models.keys()) {
      const source = new ChainPageSource(chainOf(depth), codec);
      expectSoundCompanions(source, memory.pageCount);
      expectSoundList(source, memory.pageCount);
    }
    // Delete all but the last in random order: who built on one takes it in.
    const present = new Set(files.keys());
    while (present.size > 1) {
      const gone = random.pick([...present].filter((depth) => depth !== files.length - 1));
      for (const child of present) {
        const { files: chain } = chainOf(child);
        if (chain[1]?.meta.id === idOf(gone)) files[child] = join(rewriteChain({ files: chain.slice(0, 2) }, codec));
      }
      present.delete(gone);
      files[gone] = new Uint8Array(0);
      check();
    }
    expect(openBytes(files.at(-1)!, codec).meta.base).toBeNull();
  });
});

describe('pages that come in no order', () => {
  it.each([[[1, 1]], [[3, 2]], [[8]], [[-1]]])('are written to no file: %j', (pages) => {
    const memory = { ...new ModelMemory(8).snapshot(false), touchedPages: () => pages };
    expect(() => fileOf({ meta: metaOf(8), memory }, portableCodec)).toThrow(/must hold that page -?\d+ comes after/);
  });
});

function noBase(id: string): never {
  throw new Error(`nothing builds on ${id}`);
}

describe('a chain', () => {
  const memory = new ModelMemory(8);
  const make = (id: number, base: number | null, pages = 8) =>
    fileOf(
      {
        meta: metaOf(pages, { id: idOf(id), base: base === null ? null : idOf(base) }),
        memory: new ModelMemory(pages).snapshot(base !== null),
      },
      portableCodec,
    );

  it('that goes in a circle is damaged', () => {
    const files = [make(0, 1), make(1, 0)];
    expect(() => openChain(openBytes(files[0]!), (id) => openBytes(files[Number.parseInt(id, 16)]!))).toThrow(
      expect.objectContaining({ code: 'damaged' }),
    );
  });

  it.each([
    ['another checkpoint', make(3, null)],
    ['another size of memory', make(2, null, 16)],
  ])('with %s under it is damaged', (_, base) => {
    expect(() => openChain(openBytes(make(1, 2)), () => openBytes(base))).toThrow(
      expect.objectContaining({ code: 'damaged' }),
    );
  });

  it('cannot be built where changes are not known', () => {
    expect(() => fileOf({ meta: metaOf(8, { base: idOf(2) }), memory: memory.snapshot(false) }, portableCodec)).toThrow(
      expect.objectContaining({ code: 'internal' }),
    );
  });
});
