import { describe, expect, it } from 'vitest';
import { DecodedPages } from '../../src/execute/interpreter/decoded-pages.ts';
import { Arena } from '../../src/memory/arena.ts';

describe('decoded pages', () => {
  const LIMIT = 200;
  function setUp() {
    const arena = new Arena({ bytes: 16 * 1024 ** 2, shared: false });
    const givenUp: number[] = [];
    const pages = new DecodedPages(arena, LIMIT, { changed: () => {}, givenUp: (page) => givenUp.push(page) });
    const takeAll = () => Array.from({ length: LIMIT }, () => pages.take(arena.allocateFrame())!);
    return { arena, pages, givenUp, takeAll };
  }

  it('are given up when there are no more, the oldest first', () => {
    const { arena, pages, givenUp, takeAll } = setUp();
    const taken = takeAll();
    expect(pages.take(arena.allocateFrame())).toBeUndefined();
    expect(pages.evict(new Set(), () => false)).toBe(true);
    expect(givenUp.length).toBeGreaterThan(0);
    expect(givenUp).toEqual(taken.slice(0, givenUp.length));
    expect(givenUp).toContain(pages.take(arena.allocateFrame()));
    expect(pages.stats).toEqual({ pages: LIMIT - givenUp.length + 1, evicted: givenUp.length });
  });

  it('that run are not given up, and count as new', () => {
    const { pages, givenUp, takeAll } = setUp();
    const taken = takeAll();
    const running = new Set(taken.slice(0, 150));
    expect(pages.evict(running, () => false)).toBe(true);
    expect(givenUp).toEqual(taken.slice(150, 150 + givenUp.length));
    const rest = 50 - givenUp.length;
    expect(pages.evict(new Set(), () => false)).toBe(true);
    expect(givenUp.slice(-64).slice(0, rest)).toEqual(taken.slice(200 - rest));
  });

  it('that are dear are given up when no other old ones are left', () => {
    const { pages, givenUp, takeAll } = setUp();
    const taken = takeAll();
    const cheap = taken[37]!;
    expect(pages.evict(new Set(), (page) => page !== cheap)).toBe(true);
    expect(givenUp).toEqual([cheap]);
    expect(pages.evict(new Set(), () => true)).toBe(true);
    expect(givenUp[1]).toBe(taken[0]);
  });

  it('cannot be given up when all of them run', () => {
    const { pages, givenUp, takeAll } = setUp();
    expect(pages.evict(new Set(takeAll()), () => false)).toBe(false);
    expect(givenUp).toEqual([]);
    pages.clear();
    expect(givenUp.length).toBe(LIMIT);
    expect(pages.stats.pages).toBe(0);
  });
});
