import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { GodwitError } from '../../src/common/errors.ts';
import { type CpioEntry, readCpio, writeCpio } from '../../src/guest/cpio.ts';

const text = (content: string): Uint8Array => new Uint8Array(Buffer.from(content));

const ENTRIES: CpioEntry[] = [
  { type: 'directory', name: 'bin', permissions: 0o755 },
  { type: 'file', name: 'bin/tool', permissions: 0o4755, content: text('#!/bin/sh\n') },
  { type: 'symlink', name: 'bin/sh', target: 'tool' },
  { type: 'character', name: 'console', permissions: 0o600, major: 5, minor: 1 },
  { type: 'fifo', name: 'ended', permissions: 0o600 },
  { type: 'file', name: 'empty', permissions: 0o644, content: new Uint8Array(0) },
  { type: 'file', name: 'name of odd length', permissions: 0o644, content: text('12345') },
];

const hasCpio = spawnSync('cpio', ['--version']).status === 0;
const folder = mkdtempSync(join(tmpdir(), 'godwit-cpio-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('cpio', () => {
  it('reads back what it wrote', () => {
    const back = readCpio(writeCpio(ENTRIES));
    expect(
      back.map((entry) => ('content' in entry ? { ...entry, content: new Uint8Array(entry.content) } : entry)),
    ).toEqual(ENTRIES);
  });

  it('gives the same bytes for the same entries, in blocks of 512', () => {
    const archive = writeCpio(ENTRIES);
    expect(Buffer.compare(archive, writeCpio(ENTRIES))).toBe(0);
    expect(archive.length % 512).toBe(0);
  });

  it('puts the fields where the format has them', () => {
    const header = Buffer.from(writeCpio([ENTRIES[1]!], 0x12345678)).toString('latin1');
    expect(header.slice(0, 110)).toBe(
      '070701' +
        '00000001' +
        '000089ed' +
        '00000000' +
        '00000000' +
        '00000001' +
        '12345678' +
        '0000000a' +
        '00000000'.repeat(4) +
        '00000009' +
        '00000000',
    );
  });

  it.each([
    ['nothing', new Uint8Array(0)],
    ['noise', new Uint8Array(600).fill(0x55)],
    ['an archive cut short', writeCpio(ENTRIES).slice(0, 300)],
    [
      'a size that leaves the archive',
      Buffer.from(Buffer.from(writeCpio(ENTRIES)).toString('latin1').replaceAll('0000000a', 'ffffffff'), 'latin1'),
    ],
    [
      'a field that is no number',
      Buffer.from(Buffer.from(writeCpio(ENTRIES)).toString('latin1').replaceAll('0000000a', '0000000g'), 'latin1'),
    ],
  ])('says that %s is damaged', (_what, archive) => {
    expect(() => readCpio(archive)).toThrow(GodwitError);
  });

  it.skipIf(!hasCpio)('is read by the cpio program (skipped where cpio is not installed)', () => {
    const unpacked = spawnSync('cpio', ['-i', '--quiet', '--make-directories'], {
      cwd: folder,
      input: writeCpio(ENTRIES.filter((entry) => entry.type !== 'character')),
    });
    expect(unpacked.stderr.toString()).toBe('');
    expect(readdirSync(folder).sort()).toEqual(['bin', 'empty', 'ended', 'name of odd length']);
    expect(statSync(join(folder, 'ended')).isFIFO()).toBe(true);
    expect(readFileSync(join(folder, 'bin/tool'), 'utf8')).toBe('#!/bin/sh\n');
    expect(statSync(join(folder, 'bin/tool')).mode & 0o777).toBe(0o755);
    expect(readlinkSync(join(folder, 'bin/sh'))).toBe('tool');
  });
});
