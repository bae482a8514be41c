import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { ConsoleLines, configureDisk, type MachineRequest } from '../../src/guest/debian/configure.ts';
import type { Guest, ProgressUpdate } from '../../src/guest/index.ts';
import { renderProgress } from '../../src/guest/index.ts';
import { formatLine } from '../../src/guest/progress.ts';

const folder = mkdtempSync(join(tmpdir(), 'godwit-progress-'));
const logPath = join(folder, 'guest.log');
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function collect(isTTY: boolean): {
  stream: { write(text: string): void; isTTY: boolean; columns: number };
  text: () => string;
} {
  let text = '';
  return {
    stream: {
      isTTY,
      columns: 70,
      write: (part) => {
        text += part;
      },
    },
    text: () => text,
  };
}

describe('progress', () => {
  it('is one plain line for each phase where there is no terminal', () => {
    const { stream, text } = collect(false);
    const progress = renderProgress(stream);
    progress.update({ phase: 'Fetching', done: 0, total: 113e6, unit: 'bytes' });
    progress.update({ phase: 'Fetching', done: 5e6, total: 113e6, unit: 'bytes' });
    progress.note('A note.');
    progress.update({ phase: 'Building' });
    progress.end();
    expect(text()).toBe('Fetching (113.0 MB)\nA note.\nBuilding\n');
  });

  it('is a line that is drawn again on a terminal, never wider than it, and leaves nothing behind', () => {
    const { stream, text } = collect(true);
    const progress = renderProgress(stream);
    progress.update({ phase: 'Fetching', done: 1e6, total: 4e6, unit: 'bytes' });
    progress.update({ phase: 'Fetching', done: 4e6, total: 4e6, unit: 'bytes' });
    progress.update({ phase: 'x'.repeat(200) });
    progress.note('A note.');
    progress.end();
    const draws = text().split('\r\x1b[K');
    expect(draws[1]).toBe('Fetching  [######..................]  25 %  1.0 MB of 4.0 MB');
    expect(draws[2]).toContain('100 %');
    expect(draws[3]).toHaveLength(69);
    expect(draws.at(-1)).toBe('A note.\n');
  });
});

describe('the console of a guest that configures itself', () => {
  const guest: Guest = { kernelPath: 'k', initramfsPath: 'i', kernelVersion: '6', packages: {}, changed: false };

  async function run(said: string[], status: number): Promise<{ updates: ProgressUpdate[]; request: MachineRequest }> {
    const updates: ProgressUpdate[] = [];
    let request: MachineRequest | undefined;
    await configureDisk({
      guest,
      diskPath: 'd.raw',
      packageCount: 3,
      logPath,
      progress: { update: (update) => updates.push(update), note: () => {}, end: () => {} },
      runMachine: (asked) => {
        request = asked;
        for (const text of said) asked.onConsole(text);
        return Promise.resolve(status);
      },
    });
    return { updates, request: request! };
  }

  it('counts packages, however the text is cut', async () => {
    const { updates, request } = await run(
      ['Setting up li', 'bc6 (1)\r\nSetting', ' up bash\r\n', 'godwit: configured\r\n'],
      0,
    );
    expect(updates.map((update) => update.done)).toEqual([0, 1, 2]);
    expect(request).toMatchObject({ kernelPath: 'k', initramfsPath: 'i', disk: { path: 'd.raw', format: 'raw' } });
    expect(request.append).toContain('root=/dev/vda init=/usr/lib/godwit/configure');
  });

  it('is quoted when that fails, and when the machine stops too early', async () => {
    await expect(run(['E: something broke\n'], 1)).rejects.toThrow('status 1); it said last: E: something broke');
    await expect(run(['Setting up a\n'], 0)).rejects.toMatchObject({
      code: 'io',
      hint: expect.stringContaining(logPath),
    });
    expect(readFileSync(logPath, 'utf8')).toBe('Setting up a\n');
  });

  it('never grows without bound', () => {
    const lines: string[] = [];
    const console = new ConsoleLines((line) => lines.push(line));
    for (let index = 0; index < 100; index++) console.push('x'.repeat(10_000));
    console.push('\nend\n');
    expect(lines.map((line) => line.length)).toEqual([4096, 3]);
  });
});

it('fits into a narrow terminal: amounts stay', () => {
  const update = {
    phase: 'Writing the checkpoint (memory: 12 MiB), copying disks',
    done: 5e6,
    total: 20e6,
    unit: 'bytes',
  } as const;
  expect(formatLine(update, 200)).toMatch(/disks {2}\[#+\.+\] {2}25 % {2}5\.0 MB of 20\.0 MB$/);
  expect(formatLine(update, 80)).toBe('Writing the checkpoint (memory: 12 MiB), copying disks  5.0 MB of 20.0 MB');
  expect(formatLine(update, 40)).toBe('Writing the checkpoi…  5.0 MB of 20.0 MB');
  for (let columns = 1; columns < 100; columns++)
    expect(formatLine(update, columns).length).toBeLessThanOrEqual(columns);
});
