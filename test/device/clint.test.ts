import { describe, expect, it } from 'vitest';
import { Clint } from '../../src/device/clint/clint.ts';
import { ClockDouble, damagedStates, HartsDouble } from './doubles.ts';

function twoHarts() {
  const harts = new HartsDouble(2);
  const clock = new ClockDouble();
  const values = [0n, 0n];
  const compare = {
    get: (hart: number) => values[hart]!,
    set: (hart: number, value: bigint) => {
      values[hart] = value;
    },
  };
  return { harts, clock, values, clint: new Clint({ harts, clock, compare }) };
}

describe('CLINT', () => {
  it('drives MSIP from bit 0 of msip', () => {
    const { harts, clint } = twoHarts();
    clint.write(4, 4, 0xffff_ffff);
    expect(harts.snapshot()).toBe('msip1');
    expect(clint.read(4, 4)).toBe(1);
    expect(clint.read(0, 4)).toBe(0);
    clint.write(4, 4, 0xffff_fffe);
    expect(harts.snapshot()).toBe('');
    clint.write(8, 4, 1);
    expect(clint.read(8, 4)).toBe(0);
  });

  it('reads mtime in halves and ignores writes of it', () => {
    const { clock, clint } = twoHarts();
    clock.now = 0x1234_5678_9abc_def0n;
    clint.write(0xbff8, 4, 0);
    expect(clint.read(0xbff8, 4)).toBe(0x9abc_def0);
    expect(clint.read(0xbffc, 4)).toBe(0x1234_5678);
  });

  it('writes mtimecmp in halves', () => {
    const { values, clint } = twoHarts();
    clint.write(0x4008, 4, 0xffff_ffff);
    expect(values).toEqual([0n, 0xffff_ffffn]);
    clint.write(0x400c, 4, 0x8000_0000);
    expect(values).toEqual([0n, 0x8000_0000_ffff_ffffn]);
    expect(clint.read(0x4008, 4)).toBe(0xffff_ffff);
    expect(clint.read(0x400c, 4)).toBe(0x8000_0000);
  });

  it('ignores harts, widths and offsets that do not exist', () => {
    const { values, harts, clint } = twoHarts();
    clint.write(0x4010, 4, 1);
    clint.write(0, 1, 1);
    clint.write(0x4001, 4, 1);
    clint.write(0xfffc, 4, 1);
    expect(values).toEqual([0n, 0n]);
    expect(harts.snapshot()).toBe('');
    for (const offset of [0x8, 0x4010, 0xc000, 0xfffc]) expect(clint.read(offset, 4)).toBe(0);
  });

  it('saves, restores and resets', () => {
    const one = twoHarts();
    one.clint.write(4, 4, 1);
    const other = twoHarts();
    other.clint.restore(one.clint.save());
    expect(other.harts.snapshot()).toBe('msip1');
    for (const state of damagedStates(one.clint.save())) expect(() => other.clint.restore(state)).toThrow(/damaged/);
    expect(() => other.clint.restore({ version: 1, msip: [0, 2] })).toThrow(/damaged/);
    expect(other.clint.save()).toEqual(one.clint.save());
    other.clint.reset();
    expect(other.harts.snapshot()).toBe('');
  });
});
