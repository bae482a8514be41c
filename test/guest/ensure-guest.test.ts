import { spawn } from 'node:child_process';
import {
  cpSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { readCpio } from '../../src/guest/cpio.ts';
import { ensureGuest, type Guest, initramfsWithFiles, type Progress } from '../../src/guest/index.ts';
import { cachedGuest } from './cached-guest.ts';

const guest = await cachedGuest();
const folder = mkdtempSync(join(tmpdir(), 'godwit-guest-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function notes(): { progress: Progress; lines: string[]; phases: Set<string> } {
  const lines: string[] = [];
  const phases = new Set<string>();
  const progress: Progress = {
    update: ({ phase }) => phases.add(phase),
    note: (line) => lines.push(line),
    end: () => {},
  };
  return { progress, lines, phases };
}

describe.skipIf(guest === undefined)('the cached guest', () => {
  const cacheFolder = join(folder, 'cache');
  let copy: Guest;

  beforeEach(async () => {
    rmSync(cacheFolder, { recursive: true, force: true });
    const source = dirname(guest!.kernelPath);
    cpSync(source, join(cacheFolder, 'kernel-trixie'), { recursive: true, preserveTimestamps: true });
    copy = await ensureGuest({ cacheFolder });
  });

  it('is used as it is when it is whole', async () => {
    expect(copy).toMatchObject({ changed: false, kernelVersion: guest!.kernelVersion });
    expect(copy.kernelPath.startsWith(cacheFolder)).toBe(true);
    expect((await ensureGuest({ cacheFolder, check: 'full' })).changed).toBe(false);
  });

  it('gets its initramfs again, the same to the byte, without the network', async () => {
    const before = readFileSync(copy.initramfsPath);
    truncateSync(copy.initramfsPath, 1000);
    const { progress, lines } = notes();
    const repaired = await ensureGuest({ cacheFolder, progress, mirror: 'http://invalid.invalid/debian' });
    expect(repaired.changed).toBe(true);
    expect(lines.join()).toContain('has 1000 bytes instead of');
    expect(Buffer.compare(readFileSync(repaired.initramfsPath), before)).toBe(0);
    expect((await ensureGuest({ cacheFolder, check: 'full' })).changed).toBe(false);
  });

  it('is repaired once when several processes ask at the same time', async () => {
    unlinkSync(copy.initramfsPath);
    const program = `import(${JSON.stringify(new URL('../../dist/guest/index.js', import.meta.url).href)})
      .then((m) => m.ensureGuest({ cacheFolder: ${JSON.stringify(cacheFolder)} }))
      .then((g) => process.stdout.write(JSON.stringify(g)))`;
    const results = await Promise.all(
      [1, 2, 3].map(
        () =>
          new Promise<string>((resolve) => {
            const child = spawn(process.execPath, ['--input-type=module', '-e', program]);
            let text = '';
            child.stdout.on('data', (chunk: Buffer) => {
              text += chunk.toString();
            });
            child.stderr.on('data', (chunk: Buffer) => {
              text += chunk.toString();
            });
            child.once('close', () => resolve(text));
          }),
      ),
    );
    const guests = results.map((text) => JSON.parse(text) as Guest);
    expect(guests.filter((each) => each.changed)).toHaveLength(1);
    expect(readdirSync(join(cacheFolder, 'kernel-trixie')).filter((name) => name.endsWith('.draft'))).toEqual([]);
    expect((await ensureGuest({ cacheFolder, check: 'full' })).changed).toBe(false);
  });

  it('needs the mirror for a damaged kernel, and says what is wrong with it', async () => {
    writeFileSync(copy.kernelPath, 'half');
    const { progress, lines } = notes();
    const asked = ensureGuest({ cacheFolder, progress, mirror: 'file:/no/such/mirror' });
    await expect(asked).rejects.toMatchObject({ name: 'GodwitError', code: 'io' });
    expect(lines.join()).toContain('has 4 bytes instead of');
  });

  it('is not fetched without a keyring', async () => {
    rmSync(cacheFolder, { recursive: true });
    await expect(ensureGuest({ cacheFolder, keyring: join(folder, 'none.gpg') })).rejects.toMatchObject({
      code: 'not-found',
      hint: expect.stringContaining('debian-archive-keyring'),
    });
  });

  it('can be given more files', async () => {
    const more = await initramfsWithFiles(copy.initramfsPath, { 'godwit/run': 'echo hello\n' });
    const base = readFileSync(copy.initramfsPath);
    expect(Buffer.compare(more.subarray(0, base.length), base)).toBe(0);
    expect(readCpio(more.subarray(base.length)).map((entry) => entry.name)).toEqual(['godwit', 'godwit/run']);
  });
});
