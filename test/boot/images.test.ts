import { existsSync, readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { type ErrorCode, GodwitError } from '../../src/common/errors.ts';
import { gunzip, readBootImage } from '../../src/machine/boot/index.ts';
import { forSeeds } from '../device/doubles.ts';
import { elfFile, linuxImage } from './support/images.ts';

const LIMIT = 1 << 20;
const CODE = Uint8Array.of(0x13, 0, 0, 0, 0x6f, 0, 0, 0);
const ELF = elfFile(0x8000_0004n, [{ address: 0x8000_0000n, bytes: CODE, memoryBytes: 0x1000n }]);

function expectError(run: () => unknown, code: ErrorCode, message: RegExp): void {
  try {
    run();
  } catch (error) {
    expect(error).toBeInstanceOf(GodwitError);
    expect((error as GodwitError).message).toMatch(message);
    expect((error as GodwitError).code).toBe(code);
    return;
  }
  expect.fail('nothing was thrown');
}

function refused(file: Uint8Array, code: ErrorCode, message: RegExp): void {
  expectError(() => readBootImage('The kernel', file, LIMIT), code, message);
}

function changed(file: Uint8Array, change: (view: DataView, copy: Uint8Array) => void): Uint8Array {
  const copy = Uint8Array.from(file);
  change(new DataView(copy.buffer), copy);
  return copy;
}

function withBytes(length: number, at: number, bytes: readonly number[] | string): Uint8Array {
  const file = new Uint8Array(length);
  file.set(typeof bytes === 'string' ? Array.from(bytes, (letter) => letter.charCodeAt(0)) : bytes, at);
  return file;
}

describe('Linux images', () => {
  it('are recognized by their second magic number', () => {
    expect(readBootImage('The kernel', linuxImage(4096, 0x8000n), LIMIT)).toMatchObject({
      kind: 'linux',
      textOffset: 0x20_0000n,
      imageBytes: 0x8000n,
    });
  });

  it('take at least the memory that the file fills', () => {
    expect(readBootImage('The kernel', linuxImage(4096, 0n), LIMIT)).toMatchObject({ imageBytes: 4096n });
  });

  it('of big-endian kernels are refused', () => {
    const file = changed(linuxImage(4096, 0n), (view) => view.setBigUint64(24, 1n, true));
    refused(file, 'unsupported', /big-endian/);
  });
});

describe('ELF files', () => {
  it('give segments by physical address and the physical entry point', () => {
    const file = elfFile(0xffff_ffc0_0000_0010n, [
      { address: 0x8040_0000n, bytes: CODE, virtualAddress: 0xffff_ffc0_0040_0000n },
      { address: 0x8020_0000n, bytes: new Uint8Array(32), virtualAddress: 0xffff_ffc0_0000_0000n },
      { address: 0n, bytes: new Uint8Array(0) },
    ]);
    expect(readBootImage('The kernel', file, LIMIT)).toMatchObject({
      kind: 'elf',
      entry: 0x8020_0010n,
      segments: [
        { address: 0x8020_0000n, memoryBytes: 32n },
        { address: 0x8040_0000n, bytes: CODE },
      ],
    });
  });

  it.each<[string, Uint8Array, ErrorCode, RegExp]>([
    ['a cut header', ELF.subarray(0, 40), 'damaged', /header is cut short/],
    ['cut program headers', ELF.subarray(0, 100), 'damaged', /program headers are cut short/],
    ['a cut segment', ELF.subarray(0, ELF.length - 1), 'damaged', /0x80000000 is cut short/],
    ['x86-64', changed(ELF, (view) => view.setUint16(18, 62, true)), 'unsupported', /x86-64, not for RISC-V/],
    [
      's390',
      changed(ELF, (view, b) => {
        b[5] = 2;
        view.setUint16(18, 22, false);
      }),
      'unsupported',
      /S\/390/,
    ],
    ['an odd machine', changed(ELF, (view) => view.setUint16(18, 999, true)), 'unsupported', /ELF machine 999/],
    [
      '32 bits',
      changed(ELF, (_, bytes) => {
        bytes[4] = 1;
      }),
      'unsupported',
      /32-bit RISC-V/,
    ],
    [
      'big-endian',
      changed(ELF, (view, b) => {
        b[5] = 2;
        view.setUint16(18, 243, false);
      }),
      'unsupported',
      /big-endian/,
    ],
    ['an object file', changed(ELF, (view) => view.setUint16(16, 1, true)), 'unsupported', /cannot be run/],
    ['no segment', changed(ELF, (view) => view.setUint32(64, 6, true)), 'unsupported', /nothing to load/],
    ['no program header', changed(ELF, (view) => view.setUint16(56, 0, true)), 'unsupported', /nothing to load/],
    ['too many headers', changed(ELF, (view) => view.setUint16(56, 0xffff, true)), 'unsupported', /too many/],
    ['headers of another size', changed(ELF, (view) => view.setUint16(54, 32, true)), 'damaged', /32 bytes/],
    ['a far header table', changed(ELF, (view) => view.setBigUint64(32, 2n ** 64n - 1n, true)), 'damaged', /cut short/],
    ['a far segment', changed(ELF, (view) => view.setBigUint64(72, 2n ** 64n - 1n, true)), 'damaged', /cut short/],
    [
      'less memory than file',
      changed(ELF, (view) => view.setBigUint64(104, 4n, true)),
      'damaged',
      /longer in the file/,
    ],
    ['an entry point outside', changed(ELF, (view) => view.setBigUint64(24, 0n, true)), 'damaged', /entry point 0x0/],
    [
      'overlapping segments',
      elfFile(0x8000_0000n, [
        { address: 0x8000_0000n, bytes: CODE, memoryBytes: 9n },
        { address: 0x8000_0008n, bytes: CODE },
      ]),
      'damaged',
      /overlap/,
    ],
  ])('with %s are refused', (_, file, code, message) => refused(file, code, message));
});

describe('files that are something else', () => {
  it.each<[string, Uint8Array, RegExp]>([
    ['xz', withBytes(64, 0, [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0]), /compressed with xz/],
    ['zstd', withBytes(64, 0, [0x28, 0xb5, 0x2f, 0xfd]), /compressed with zstd/],
    ['zboot', withBytes(64, 4, 'zimg'), /compressed EFI kernel/],
    ['an ARM kernel', withBytes(64, 56, 'ARMd'), /64-bit ARM/],
    ['an x86 kernel', withBytes(0x400, 0x202, 'HdrS'), /for x86/],
    ['a uImage', withBytes(64, 0, [0x27, 5, 0x19, 0x56]), /uImage/],
    ['a qcow2 disk', withBytes(64, 0, 'QFI\xfb'), /qcow2/],
    ['a cpio archive', withBytes(64, 0, '0707010'), /cpio/],
    ['a script', withBytes(64, 0, '#!/bin/sh'), /script/],
    ['a text', Buffer.from('Some notes.\n\tMore of them.\r\n'), /^The kernel is a text, not instructions\.$/],
    ['a text of one word', Buffer.from('x'), /text/],
    ['a text in several scripts', Buffer.from('Größe, 大小, розмір, 📏'.repeat(500)), /text/],
    ['a text in UTF-16', Buffer.from('\ufeffnotes', 'utf16le'), /text/],
    [
      'an EFI program',
      changed(withBytes(256, 0, 'MZ'), (view, bytes) => {
        view.setUint32(0x3c, 0x80, true);
        bytes.set([0x50, 0x45, 0, 0, 0x64, 0x86], 0x80);
      }),
      /EFI program for x86-64/,
    ],
  ])('such as %s are refused by name', (_, file, message) => refused(file, 'unsupported', message));

  it('and empty ones are refused', () => refused(new Uint8Array(0), 'damaged', /empty/));

  it('and of no known format are raw instructions', () => {
    expect(readBootImage('The kernel', CODE, LIMIT)).toEqual({ kind: 'raw', file: CODE });
    for (const end of [0, 1, 0x7f, 0x80]) {
      const file = Uint8Array.of(...Buffer.from('four'), end);
      expect(readBootImage('The kernel', file, LIMIT).kind).toBe('raw');
    }
    // Without a PE header behind it, "MZ" is the compressed instruction "c.li s4, -13".
    expect(readBootImage('The kernel', withBytes(0x40, 0, 'MZ'), LIMIT).kind).toBe('raw');
  });
});

describe('gzip files', () => {
  const content = forContent(300_000);
  const SMALL_BYTES = 150;
  const packed = Uint8Array.from(gzipSync(content));

  it('are unpacked', () => {
    expect(gunzip('The kernel', packed, LIMIT)).toEqual(content);
    expect(gunzip('The kernel', Uint8Array.from(gzipSync(new Uint8Array(0))), LIMIT)).toEqual(new Uint8Array(0));
    const image = readBootImage('The kernel', Uint8Array.from(gzipSync(linuxImage(4096, 0x8000n))), LIMIT);
    expect(image).toMatchObject({ kind: 'linux', imageBytes: 0x8000n });
  });

  it('longer than memory are refused before they fill it', () => {
    const bomb = Uint8Array.from(gzipSync(new Uint8Array(24 << 20)));
    expectError(() => gunzip('The kernel', bomb, LIMIT), 'limit', /longer than the machine's memory/);
  });

  it('that are cut anywhere or have a bit changed never pass', () => {
    const small = Uint8Array.from(gzipSync(content.subarray(0, SMALL_BYTES)));
    for (let length = 2; length < small.length; length++) {
      expectError(() => gunzip('The kernel', small.subarray(0, length), LIMIT), 'damaged', /spoilt/);
    }
    // The header's ten bytes hold time and origin, which nothing depends on.
    for (let bit = 80; bit < small.length * 8; bit++) {
      const spoilt = changed(small, (_, bytes) => {
        bytes[bit >> 3]! ^= 1 << (bit & 7);
      });
      // A few bits do not matter to what comes out, which the checksum vouches for.
      const result = contentOf(() => gunzip('The kernel', spoilt, LIMIT));
      if (result !== undefined) expect(result, `bit ${bit}`).toEqual(content.subarray(0, SMALL_BYTES));
    }
  });
});

/** undefined when it is refused. */
function contentOf(run: () => Uint8Array): Uint8Array | undefined {
  try {
    return run();
  } catch (error) {
    if (error instanceof GodwitError) return undefined;
    throw error;
  }
}

function forContent(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => (index * index) >>> (index & 7));
}

describe('spoilt files', () => {
  const OPENSBI = '/usr/lib/riscv64-linux-gnu/opensbi/generic/fw_jump.elf';
  const seeds: [string, Uint8Array][] = [
    ['an ELF file', ELF],
    [
      'an ELF file of two segments',
      elfFile(0x8000_0000n, [
        { address: 0x8000_0000n, bytes: CODE },
        { address: 0x8001_0000n, bytes: CODE },
      ]),
    ],
    ['a Linux image', linuxImage(4096, 0x8000n)],
    ['a packed Linux image', Uint8Array.from(gzipSync(linuxImage(4096, 0x8000n)))],
    ...(existsSync(OPENSBI) ? [['OpenSBI', Uint8Array.from(readFileSync(OPENSBI))] as [string, Uint8Array]] : []),
  ];

  it.each(seeds)('made from %s are read or refused', (_, original) => {
    forSeeds(300, (random) => {
      const file = Uint8Array.from(
        original.subarray(0, random.chance(4) ? random.below(original.length + 1) : original.length),
      );
      for (let count = random.below(6); count > 0 && file.length > 0; count--) {
        const at = random.below(Math.min(file.length, 256));
        file[at] = random.pick([0, 1, 0x7f, 0x80, 0xff, random.below(256)]);
      }
      try {
        readBootImage('The kernel', file, LIMIT);
      } catch (error) {
        if (!(error instanceof GodwitError)) throw error;
      }
    });
  });
});
