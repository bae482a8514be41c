import { describe, expect, it } from 'vitest';
import { Arena } from '../../src/memory/arena.ts';
import { FRAME_BYTES } from '../../src/memory/layout.ts';
import { type MapListener, PageMap } from '../../src/memory/page-map.ts';
import type { PageSource } from '../../src/memory/page-source.ts';
import { randomNumbers } from '../support/random.ts';

const PAGES = 3 * 1024 + 17;
const MIB = 1024 ** 2;

/** A map, and what it should hold: a number in the first word of each page that was written. */
interface Pair {
  readonly map: PageMap;
  readonly model: Map<number, number>;
  readonly written: Set<number>;
}

describe('the guest-physical map', () => {
  const content = (arena: Arena, frame: number) => arena.words[frame >>> 2]!;
  const frameOf = (entry: number) => (entry & ~(FRAME_BYTES - 1)) >>> 0;

  const listenerOf = (pair: { written: Set<number> }): MapListener => ({
    replaced: () => {},
    revoked: () => {},
    freed: () => {},
    written: (page) => pair.written.add(page),
    dropped: () => {},
  });

  it.each([1, 2, 3, 4, 5, 6])('keeps maps that share frames apart: random operations, seed %i', (seed) => {
    const random = randomNumbers(seed);
    const arena = new Arena({ bytes: 64 * MIB, shared: false });
    const source: PageSource = {
      read: (page, into) => {
        if (page % 3 !== 0) return false;
        new DataView(into.buffer, into.byteOffset).setUint32(0, page + 1_000_000, true);
        return true;
      },
      hotPages: [],
      close: () => {},
    };
    const pairs: Pair[] = [{ map: new PageMap(arena, PAGES), model: new Map(), written: new Set() }];
    const expected = (pair: Pair, page: number) => pair.model.get(page) ?? (page % 3 === 0 ? page + 1_000_000 : 0);
    // A few pages get most of the traffic, so that sharing, copying and giving back meet.
    const somePage = () => (random(2) === 0 ? random(6) * 512 : random(PAGES));
    for (let step = 0; step < 4000; step++) {
      const pair = pairs[random(pairs.length)]!;
      const page = somePage();
      const action = random(40);
      if (action === 0 && pairs.length < 12) {
        const map = new PageMap(arena, PAGES, pair.map.share());
        pair.written.clear();
        pairs.push({ map, model: new Map(pair.model), written: new Set() });
      } else if (action === 1 && pairs.length > 1) {
        pair.map.release(() => {});
        pairs.splice(pairs.indexOf(pair), 1);
      } else if (action < 20) {
        const entry = pair.map.writableEntry(page, source, listenerOf(pair));
        expect(content(arena, frameOf(entry))).toBe(expected(pair, page));
        expect(pair.written.has(page)).toBe(true);
        arena.words[frameOf(entry) >>> 2] = step + 1;
        pair.model.set(page, step + 1);
      } else {
        expect(content(arena, frameOf(pair.map.readableEntry(page, source)))).toBe(expected(pair, page));
      }
    }
    for (const pair of pairs) {
      for (let page = 0; page < PAGES; page += 5) {
        expect(content(arena, frameOf(pair.map.readableEntry(page, source)))).toBe(expected(pair, page));
      }
    }
    for (const { map } of pairs) map.release(() => {});
    expect(arena.frameCount).toBe(0);
  });

  it('notices the first write to each page after sharing, and only the first', () => {
    const arena = new Arena({ bytes: 64 * MIB, shared: false });
    const map = new PageMap(arena, PAGES);
    let noticed = 0;
    const listener: MapListener = {
      replaced: () => {},
      revoked: () => {},
      freed: () => {},
      written: () => noticed++,
      dropped: () => {},
    };
    map.writableEntry(7, undefined, listener);
    map.writableEntry(7, undefined, listener);
    map.writableEntry(8, undefined, listener);
    expect(noticed).toBe(2);
    const other = new PageMap(arena, PAGES, map.share());
    other.release(() => {});
    // The leaf has one owner again, but its flags are from before.
    map.writableEntry(7, undefined, listener);
    map.writableEntry(8, undefined, listener);
    map.writableEntry(8, undefined, listener);
    expect(noticed).toBe(4);
  });

  it('shares a memory of any size for the price of its root', () => {
    const arena = new Arena({ bytes: 64 * MIB, shared: false });
    const map = new PageMap(arena, PAGES);
    const listener: MapListener = {
      replaced: () => {},
      revoked: () => {},
      freed: () => {},
      written: () => {},
      dropped: () => {},
    };
    for (let page = 0; page < PAGES; page++) map.writableEntry(page, undefined, listener);
    const before = arena.frameCount;
    map.share();
    expect(arena.frameCount - before).toBe(1);
  });
});
