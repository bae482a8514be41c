import { describe, expect, it } from 'vitest';
import { randomBits, randomCompressedBits } from '../../src/isa/generate/operands.ts';
import { Random } from '../../src/isa/generate/random.ts';
import { COMPRESSED, decode, encode, encodeNamed, INSTRUCTIONS } from '../../src/isa/index.ts';
import { seedOf } from '../differential/seed.ts';

describe('encodings', () => {
  const { seed, note } = seedOf('encodings', 2);

  it('decode to the row and the operands that were encoded', () => {
    const random = new Random(seed);
    for (const row of INSTRUCTIONS) {
      for (let i = 0; i < 50; i++) {
        const bits = randomBits(row, random);
        const decoded = decode(bits);
        expect(decoded?.instruction.name, note).toBe(row.name);
        const kept = encode(row, decoded);
        const other = decode(kept);
        expect(other, note).toEqual(decoded);
      }
    }
  });

  it('of compressed rows stand for the instruction that they name', () => {
    const random = new Random(seed);
    for (const row of COMPRESSED) {
      for (let i = 0; i < 50; i++) {
        const decoded = decode(randomCompressedBits(row, random));
        expect(decoded?.compressed, note).toBe(row.name);
        expect(decoded?.instruction.name, note).toBe(row.target);
      }
    }
  });

  it('no word is a case of two rows', () => {
    for (const row of INSTRUCTIONS) {
      const { mask, match } = row.encoding;
      const clashes = INSTRUCTIONS.filter(({ name, encoding }) => {
        const common = (encoding.mask & mask) >>> 0;
        return name !== row.name && (encoding.match & common) >>> 0 === (match & common) >>> 0;
      });
      expect(clashes.map(({ name }) => name)).toEqual([]);
    }
  });

  it('of a name that no instruction has is a mistake of whoever asks', () => {
    expect(() => encodeNamed('adi')).toThrow(
      expect.objectContaining({ code: 'usage', message: 'There is no instruction "adi".' }),
    );
  });
});
