import { describe, expect, it } from 'vitest';
import { ElfFile, viewOf } from '../../src/common/elf/elf-file.ts';
import { EHDR, SHDR, SHT } from '../../src/common/elf/format.ts';
import { StringTable } from '../../src/common/elf/string-table.ts';
import { GodwitError } from '../../src/common/errors.ts';
import { readModuleInfo } from '../../src/guest/modinfo.ts';
import { stripModule } from '../../src/guest/strip-module.ts';
import { readElf } from '../../src/machine/boot/elf-program.ts';
import { readElfSymbols } from '../../src/profile/symbols/elf-symbols.ts';
import { elfFile } from '../boot/support/images.ts';
import { buildModule } from '../guest/elf-builder.ts';
import { elfProgram } from '../profile/elf.ts';
import { randomNumbers } from '../support/random.ts';

const CODE = new Uint8Array(64).fill(0x13);
const PROGRAM = elfProgram(CODE, 0x8020_0000n, [
  { name: 'hot', address: 0x8020_0000n, bytes: 32 },
  { name: 'cold', address: 0x8020_0020n, bytes: 32 },
]);
const KERNEL = elfFile(0x8000_0000n, [
  { address: 0x8000_0000n, bytes: CODE, memoryBytes: 0x1000n },
  { address: 0x8001_0000n, bytes: CODE },
]);
const MODULE = new Uint8Array(buildModule({ name: 'x', needs: ['a', 'b'], exports: ['c'], unusedLabels: 3 }));
const SEED = 2026;
const ROUNDS = 4000;
/** Numbers that fields of ELF files go wrong with. */
const EXTREMES = [0n, 1n, 0x7fff_ffffn, 0xffff_ffffn, 1n << 53n, (1n << 63n) - 1n, (1n << 64n) - 1n];

/** Everything that the reader gives of a file. */
function readAll(bytes: Uint8Array): void {
  const file = new ElfFile('The file', bytes).requireFormat();
  for (const { offset, fileBytes } of file.programHeaders) file.part(offset, fileBytes);
  const { sections } = file;
  const names = file.sectionNames(sections);
  for (const section of sections) {
    names.at(section.nameOffset);
    expect(file.contentOf(section).length).toBeLessThanOrEqual(bytes.length);
    const symbols = file.symbolsOf(section, sections);
    for (let index = 0; symbols && index < symbols.count; index++) symbols.name(index);
  }
}

/** The file with some bytes changed, or whole fields of its headers and tables, or cut. */
function damage(sound: Uint8Array, random: (limit: number) => number): Uint8Array {
  const file = sound.slice(0, random(4) === 0 ? random(sound.length) : sound.length);
  const view = viewOf(file);
  for (let changes = 1 + random(4); changes > 0 && file.length > 8; changes--) {
    const at = random(random(2) === 0 ? Math.min(EHDR.bytes, file.length) : file.length);
    if (random(3) > 0 || at + 8 > file.length) file[at] = random(256);
    else view.setBigUint64(at & ~7, EXTREMES[random(EXTREMES.length)]!, true);
  }
  return file;
}

describe('damaged ELF files', () => {
  it.each([
    ['the reader', readAll],
    ['booting', (file: Uint8Array) => readElf('The file', file)],
    ['symbols of a profile', (file: Uint8Array) => readElfSymbols(file)],
    ['what a module says of itself', (file: Uint8Array) => readModuleInfo(file, 'x')],
    ['stripping a module', (file: Uint8Array) => stripModule(file, 'x')],
  ])('are refused by nothing but a GodwitError: %s', (_, use) => {
    const random = randomNumbers(SEED);
    let refused = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const file = damage([PROGRAM, KERNEL, MODULE][round % 3]!, random);
      try {
        use(file);
      } catch (error) {
        refused++;
        expect(error, `seed ${SEED}, round ${round}`).toBeInstanceOf(GodwitError);
        expect((error as GodwitError).code).toMatch(/^(damaged|unsupported)$/);
      }
    }
    expect(refused).toBeLessThan(ROUNDS);
  });

  it.each([
    ['nothing', new Uint8Array(0), /not an ELF file/],
    ['another file', new Uint8Array(100), /not an ELF file/],
    ['a header that is cut', MODULE.slice(0, 40), /header is cut short/],
    [
      'section headers that are cut',
      changed((view) => view.setBigUint64(EHDR.sectionTableOffset, 1n << 63n, true)),
      /short/,
    ],
    [
      'section headers of another size',
      changed((view) => view.setUint16(EHDR.sectionEntryBytes, 40, true)),
      /40 bytes/,
    ],
    ['names that are missing', changed((view) => view.setUint16(EHDR.sectionNames, 0xfffe, true)), /names are missing/],
    [
      'a section that is cut',
      changed((view, table) => view.setBigUint64(table + SHDR.bytes + SHDR.size, 1n << 40n, true)),
      /short/,
    ],
  ])('are told apart: %s', (_, file, message) => {
    expect(() => readAll(file)).toThrow(message);
  });

  it('cannot make a module many times as long as it was', () => {
    const overlapping = changed((view, table) => {
      const end = BigInt(MODULE.length);
      for (const section of [1, 3]) {
        view.setBigUint64(table + section * SHDR.bytes + SHDR.offset, 0n, true);
        view.setBigUint64(table + section * SHDR.bytes + SHDR.size, end, true);
      }
    });
    expect(() => stripModule(overlapping, 'x')).toThrow(/overlap/);
  });
});

describe('the strings of an ELF file', () => {
  const names = new StringTable('The file', new TextEncoder().encode(`\0first\0${'x'.repeat(5000)}\0open`));

  it('end with a zero', () => {
    expect([names.at(0), names.at(1), names.at(3)]).toEqual(['', 'first', 'rst']);
    for (const offset of [7, 5008, 9999]) expect(() => names.at(offset)).toThrow(/leaves its string table/);
  });

  it('are read in part where they are too long', () => {
    expect([names.beginningAt(1, 3), names.beginningAt(7, 10), names.beginningAt(5008, 10)]).toEqual([
      'fir',
      'x'.repeat(10),
      'open',
    ]);
    expect(names.beginningAt(9999, 10)).toBe('');
  });

  it('lose no byte', () => {
    const bytes = Uint8Array.from({ length: 256 }, (_, i) => (i + 1) & 0xff);
    const text = new StringTable('The file', bytes).at(0);
    expect(Array.from(text, (letter) => letter.charCodeAt(0))).toEqual([...bytes.subarray(0, 255)]);
  });
});

it('finds a section that takes no room in the file empty, wherever it is said to be', () => {
  const file = changed((view, table) => {
    view.setUint32(table + SHDR.bytes + SHDR.type, SHT.nobits, true);
    view.setBigUint64(table + SHDR.bytes + SHDR.size, 1n << 40n, true);
  });
  const elf = new ElfFile('The file', file);
  expect(elf.contentOf(elf.sections[1]!)).toHaveLength(0);
});

/** The module, with something changed. `table`: where its section headers are. */
function changed(change: (view: DataView, table: number) => void): Uint8Array {
  const file = MODULE.slice();
  const view = viewOf(file);
  change(view, Number(view.getBigUint64(EHDR.sectionTableOffset, true)));
  return file;
}
