import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { bootFiles } from '../../src/cli/guest-images.ts';
import type { RunOptions } from '../../src/cli/run-options.ts';
import { cachedGuest } from '../guest/cached-guest.ts';

const guest = await cachedGuest();
const MEMORY_BYTES = 512 * 1024 ** 2;
const folder = mkdtempSync(join(tmpdir(), 'godwit-boot-files-'));
afterAll(() => rmSync(folder, { recursive: true }));

function firmware(name: string, content: string): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

const optionsOf = (given: Partial<RunOptions>) => ({ console: 'uart', ...given }) as RunOptions;

describe('what `godwit run` boots with firmware', () => {
  it.skipIf(guest === undefined)('is Debian’s kernel, if the firmware needs one and none is given', async () => {
    const bios = firmware('fw_jump.bin', '\0\0OpenSBI v1.6\0');
    const { options } = await bootFiles(optionsOf({ bios }), MEMORY_BYTES, undefined);
    expect(options).toMatchObject({ bios, kernel: guest!.kernelPath, initrd: guest!.initramfsPath });
    expect(options.append).toContain('console=ttyS0');
    const given = await bootFiles(optionsOf({ bios, kernel: 'k' }), MEMORY_BYTES, undefined);
    expect(given.options).toEqual({ bios, kernel: 'k' });
  });

  it('is nothing else, if the firmware is a program by itself', async () => {
    const bios = firmware('program.bin', '\x13\0\0\0');
    expect((await bootFiles(optionsOf({ bios }), MEMORY_BYTES, undefined)).options).toEqual({ bios });
  });
});
