import { describe, expect, it } from 'vitest';
import type { InterruptLine } from '../../src/device/device.ts';
import { Plic } from '../../src/device/plic/plic.ts';
import { damagedStates, forSeeds, HartsDouble } from './doubles.ts';

const ENABLE = 0x2000;
const CONTEXT = 0x20_0000;
const M0 = 0;
const S0 = 1;
const S1 = 3;

function board(hartCount = 2) {
  const harts = new HartsDouble(hartCount);
  const plic = new Plic({ harts });
  return {
    harts,
    plic,
    priority: (source: number, value: number) => plic.write(4 * source, 4, value),
    enable: (context: number, word: number, value: number) => plic.write(ENABLE + 0x80 * context + 4 * word, 4, value),
    threshold: (context: number, value: number) => plic.write(CONTEXT + 0x1000 * context, 4, value),
    claim: (context: number) => plic.read(CONTEXT + 0x1000 * context + 4, 4),
    complete: (context: number, source: number) => plic.write(CONTEXT + 0x1000 * context + 4, 4, source),
    pending: (word: number) => plic.read(0x1000 + 4 * word, 4),
  };
}

describe('PLIC', () => {
  it('passes an enabled source with a priority on to its context only', () => {
    const { harts, plic, priority, enable } = board();
    const line = plic.line(10);
    priority(10, 1);
    line.set(true);
    expect(harts.snapshot()).toBe('');
    enable(S1, 0, 1 << 10);
    expect(harts.snapshot()).toBe('seip1');
    enable(M0, 0, 1 << 10);
    expect(harts.snapshot()).toBe('meip0 seip1');
  });

  it('never interrupts for priority 0, nor at or below the threshold', () => {
    const { harts, plic, priority, enable, threshold, claim } = board();
    plic.line(1).set(true);
    enable(S0, 0, 2);
    expect(harts.snapshot()).toBe('');
    expect(claim(S0)).toBe(0);
    priority(1, 3);
    expect(harts.snapshot()).toBe('seip0');
    threshold(S0, 3);
    expect(harts.snapshot()).toBe('');
    threshold(S0, 2);
    expect(harts.snapshot()).toBe('seip0');
  });

  it('claims the highest priority first and the lowest number among equals, whatever the threshold', () => {
    const { plic, priority, enable, threshold, claim } = board();
    for (const source of [5, 40, 41, 96]) plic.line(source).set(true);
    priority(5, 1);
    priority(40, 7);
    priority(41, 7);
    priority(96, 2);
    for (let word = 0; word < 4; word++) enable(S0, word, 0xffff_ffff);
    threshold(S0, 7);
    expect([claim(S0), claim(S0), claim(S0), claim(S0), claim(S0)]).toEqual([40, 41, 96, 5, 0]);
  });

  it('holds a level back until completion, then forwards it again', () => {
    const { harts, plic, priority, enable, claim, complete, pending } = board();
    const line = plic.line(10);
    priority(10, 1);
    enable(S0, 0, 1 << 10);
    line.set(true);
    expect(pending(0)).toBe(1 << 10);
    expect(claim(S0)).toBe(10);
    expect(pending(0)).toBe(0);
    expect(harts.snapshot()).toBe('');
    line.set(false);
    line.set(true);
    expect(pending(0)).toBe(0);
    complete(S0, 10);
    expect(harts.snapshot()).toBe('seip0');
    expect(claim(S0)).toBe(10);
    line.set(false);
    complete(S0, 10);
    expect(claim(S0)).toBe(0);
  });

  it('keeps a forwarded request when the level falls before the claim', () => {
    const { plic, priority, enable, claim } = board();
    const line = plic.line(3);
    priority(3, 1);
    enable(S0, 0, 8);
    line.set(true);
    line.set(false);
    expect(claim(S0)).toBe(3);
  });

  it('ignores a completion by a context that has the source not enabled', () => {
    const { plic, priority, enable, claim, complete, pending } = board();
    priority(3, 1);
    enable(S0, 0, 8);
    plic.line(3).set(true);
    expect(claim(S0)).toBe(3);
    complete(S1, 3);
    complete(S0, 0);
    complete(S0, 97);
    complete(S0, 0xffff_ffff);
    expect(pending(0)).toBe(0);
    complete(S0, 3);
    expect(pending(0)).toBe(8);
  });

  it('has 3-bit priorities and thresholds, and no source 0 and no source 97', () => {
    const { plic, priority, enable, threshold } = board();
    priority(0, 7);
    priority(1, 0xffff_ffff);
    priority(97, 7);
    expect([plic.read(0, 4), plic.read(4, 4), plic.read(4 * 97, 4)]).toEqual([0, 7, 0]);
    threshold(S0, 0xff);
    expect(plic.read(CONTEXT + 0x1000 * S0, 4)).toBe(7);
    for (let word = 0; word < 5; word++) enable(S0, word, 0xffff_ffff);
    const words = [0, 1, 2, 3, 4].map((word) => plic.read(ENABLE + 0x80 * S0 + 4 * word, 4));
    expect(words).toEqual([0xffff_fffe, 0xffff_ffff, 0xffff_ffff, 1, 0]);
    expect(plic.read(ENABLE + 0x80 * 4, 4)).toBe(0);
    expect(plic.read(0x5f_fffc, 4)).toBe(0);
    expect(plic.read(4, 1)).toBe(0);
    expect(() => plic.line(0)).toThrow(/sources 1 to 96/);
    expect(() => plic.line(97)).toThrow(/sources 1 to 96/);
  });

  it('resets together with its devices, in either order', () => {
    for (const plicFirst of [true, false]) {
      const { harts, plic, priority, enable, claim } = board();
      const line = plic.line(3);
      line.set(true);
      priority(3, 1);
      enable(S0, 0, 8);
      if (plicFirst) plic.reset();
      line.set(false);
      if (!plicFirst) plic.reset();
      expect(harts.snapshot()).toBe('');
      expect(plic.save()).toEqual(board().plic.save());
      priority(3, 1);
      enable(S0, 0, 8);
      expect(claim(S0)).toBe(0);
      line.set(true);
      expect(claim(S0)).toBe(3);
    }
  });

  it('rejects damaged states', () => {
    const { plic, priority } = board();
    priority(3, 5);
    const state = plic.save() as { [key: string]: number[] };
    for (const damaged of damagedStates(state)) expect(() => plic.restore(damaged)).toThrow(/damaged/);
    expect(() => plic.restore({ ...state, pending: [1, 0, 0, 0] })).toThrow(/damaged/);
    expect(() => plic.restore({ ...state, level: [0, 0, 0, 2] })).toThrow(/damaged/);
    expect(() => plic.restore({ ...state, priority: state.priority!.map(() => 8) })).toThrow(/damaged/);
    expect(plic.save()).toEqual(state);
  });

  it('agrees with a plain model of the specification under random use', () => {
    forSeeds(20, (random) => {
      const { harts, plic, priority, enable, threshold, claim, complete } = board();
      const model = new PlicModel();
      const lines: InterruptLine[] = Array.from({ length: 96 }, (_, index) => plic.line(index + 1));
      for (let step = 0; step < 400; step++) {
        const source = 1 + random.below(96);
        const context = random.below(4);
        switch (random.below(7)) {
          case 0:
          case 1: {
            const level = random.chance(2);
            lines[source - 1]!.set(level);
            model.setLevel(source, level);
            break;
          }
          case 2: {
            const value = random.below(8);
            priority(source, value);
            model.priority[source] = value;
            break;
          }
          case 3: {
            const word = random.below(4);
            const value = random.u32();
            enable(context, word, value);
            for (let bit = 0; bit < 32; bit++) model.enabled[context]![word * 32 + bit] = ((value >>> bit) & 1) === 1;
            break;
          }
          case 4: {
            const value = random.below(8);
            threshold(context, value);
            model.threshold[context] = value;
            break;
          }
          case 5:
            expect(claim(context)).toBe(model.claim(context));
            break;
          case 6:
            complete(context, source);
            model.complete(context, source);
            break;
        }
        const expected = ['meip0', 'seip0', 'meip1', 'seip1'].filter((_, index) => model.output(index)).sort();
        expect(harts.snapshot()).toBe(expected.join(' '));
        if (random.chance(10)) plic.restore(structuredClone(plic.save()));
      }
    });
  });
});

/** The specification's words, one boolean each. */
class PlicModel {
  readonly level = new Array<boolean>(97).fill(false);
  readonly pending = new Array<boolean>(97).fill(false);
  readonly inService = new Array<boolean>(97).fill(false);
  readonly priority = new Array<number>(97).fill(0);
  readonly enabled = [0, 1, 2, 3].map(() => new Array<boolean>(128).fill(false));
  readonly threshold = [0, 0, 0, 0];

  setLevel(source: number, level: boolean): void {
    if (level && !this.level[source] && !this.inService[source]) this.pending[source] = true;
    this.level[source] = level;
  }

  best(context: number): number {
    let best = 0;
    for (let source = 96; source >= 1; source--) {
      if (!this.pending[source] || !this.enabled[context]![source] || this.priority[source] === 0) continue;
      if (best === 0 || this.priority[source]! >= this.priority[best]!) best = source;
    }
    return best;
  }

  claim(context: number): number {
    const source = this.best(context);
    if (source !== 0) {
      this.pending[source] = false;
      this.inService[source] = true;
    }
    return source;
  }

  complete(context: number, source: number): void {
    if (!this.enabled[context]![source] || !this.inService[source]) return;
    this.inService[source] = false;
    if (this.level[source]) this.pending[source] = true;
  }

  output(context: number): boolean {
    return this.priority[this.best(context)]! > this.threshold[context]!;
  }
}
