import { describe, expect, it } from 'vitest';
import { VmGenerationId } from '../../src/device/vmgenid/vm-generation-id.ts';
import { damagedStates, LineDouble } from './doubles.ts';

const ONE = Uint8Array.from({ length: 16 }, (_, index) => index + 1);
const OTHER = Uint8Array.from({ length: 16 }, (_, index) => 0xf0 - index);

function device() {
  const line = new LineDouble();
  const generationId = new VmGenerationId({ line });
  generationId.begin(ONE);
  const readAll = (): number[] => Array.from({ length: 16 }, (_, offset) => generationId.read(offset, 1));
  return { line, generationId, readAll };
}

describe('VM generation id', () => {
  it('is read as memory is, in any width and alignment', () => {
    const { generationId, readAll } = device();
    expect(readAll()).toEqual([...ONE]);
    expect(generationId.read(4, 4)).toBe(0x08070605);
    expect(generationId.read(12, 4)).toBe(0x100f0e0d);
    expect(generationId.read(3, 2)).toBe(0x0504);
    expect(generationId.read(14, 4)).toBe(0x100f);
    expect(generationId.read(16, 4)).toBe(0);
    expect(generationId.read(0xffc, 4)).toBe(0);
    generationId.write(0, 4, 0xffff_ffff);
    expect(readAll()).toEqual([...ONE]);
  });

  it('interrupts until each byte of a new id has been read', () => {
    const { line, generationId, readAll } = device();
    readAll();
    expect(line.edges).toBe(0);
    generationId.change(OTHER);
    expect(line.level).toBe(true);
    for (let offset = 0; offset < 12; offset += 4) generationId.read(offset, 4);
    expect(line.level).toBe(true);
    // Another change in the midst of it: what was read is nothing.
    generationId.change(ONE);
    generationId.read(12, 4);
    expect(line.level).toBe(true);
    expect(readAll()).toEqual([...ONE]);
    expect(line.level).toBe(false);
  });

  it('tells nothing to a guest that has not read an id: it may not be ready for an interrupt, and will read the new one', () => {
    const { line, generationId, readAll } = device();
    generationId.change(OTHER);
    generationId.read(0, 4);
    generationId.change(ONE);
    expect(line.level).toBe(false);
    expect(readAll()).toEqual([...ONE]);
    generationId.change(OTHER);
    expect(line.level).toBe(true);
    generationId.reset();
    expect(line.level).toBe(false);
    generationId.change(ONE);
    expect(line.level).toBe(false);
  });

  it('is saved and restored, and refuses damaged state', () => {
    const one = device();
    one.readAll();
    one.generationId.change(OTHER);
    one.generationId.read(0, 4);
    const other = device();
    other.generationId.restore(one.generationId.save());
    expect(other.generationId.save()).toEqual(one.generationId.save());
    expect(other.line.level).toBe(true);
    for (let offset = 4; offset < 16; offset += 4) other.generationId.read(offset, 4);
    expect(other.line.level).toBe(false);
    for (const state of damagedStates(one.generationId.save())) {
      expect(() => other.generationId.restore(state)).toThrow(/damaged/);
    }
  });
});
