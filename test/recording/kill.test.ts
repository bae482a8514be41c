/** A process that is killed while it records leaves what can be replayed. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createDisk } from '../../src/backend/disk/live/open-disk.ts';
import { GodwitError } from '../../src/common/errors.ts';
import { openRecording } from '../../src/service/recording/open-recording.ts';
import { MAIN } from '../cli/support.ts';
import { guestImages } from '../support/guest.ts';
import { randomNumbers } from '../support/random.ts';
import { mixedWork } from './mixed-work.ts';
import { replayAll } from './opened.ts';

const LONG = process.env.GODWIT_LONG === '1';
const COUNT = LONG ? 100 : 10;
const SEED = Number(process.env.GODWIT_SEED ?? 21);
const LATEST_MS = LONG ? 12_000 : 3000;

const delay = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

describe('a killed recording', async () => {
  const images = await guestImages();
  const reason = 'reason' in images ? images.reason : undefined;
  const folder = mkdtempSync(join(tmpdir(), 'godwit-kill-'));
  const disk = join(folder, 'disk.qcow2');

  beforeAll(() => createDisk(disk, { sizeBytes: 16 * 1024 ** 2 }));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  /** Records a boot and work, and kills the process `afterMs` after its start was saved, or in the midst of that. */
  const kill = async (path: string, seed: number, afterMs: number, atOnce: boolean) => {
    const child = spawn(process.execPath, [MAIN, 'run', '--memory', '128M', '--disk', disk, '--record', path]);
    const exited = new Promise((resolve) => child.on('exit', resolve));
    let printed = '';
    child.stdout.on('data', (data) => {
      printed += data;
    });
    child.stdin.on('error', () => {});
    const sizeOf = () => statSync(path, { throwIfNoEntry: false })?.size ?? 0;
    while (sizeOf() === 0 && child.exitCode === null) await delay(2);
    const type = async () => {
      for (const { afterMs: pause, text } of mixedWork(seed, LATEST_MS)) {
        await delay(pause);
        child.stdin.write(text);
      }
    };
    void type();
    if (!atOnce) while (!printed.includes('BusyBox') && child.exitCode === null) await delay(5);
    await delay(atOnce ? afterMs / 20 : afterMs);
    child.kill('SIGKILL');
    await exited;
    return printed;
  };

  it.skipIf(reason)(
    `replays up to the last complete record, ${COUNT} times`,
    async () => {
      const random = randomNumbers(SEED);
      const totals = { useless: 0, whole: 0, replayed: 0, digests: 0, events: 0 };
      for (let i = 0; i < COUNT; i++) {
        const path = join(folder, `${i}.rec`);
        const atOnce = random(4) === 0;
        const printed = await kill(path, SEED + i, random(LATEST_MS / 2), atOnce);
        const opened = await openRecording(path).catch((error: unknown) => error as GodwitError);
        if (opened instanceof Error) {
          // Memory at the start was not saved yet.
          expect(opened, `seed ${SEED}`).toBeInstanceOf(GodwitError);
          expect((opened as GodwitError).code).toBe('damaged');
          expect(atOnce || LONG, `${opened.message}, seed ${SEED}`).toBe(true);
          totals.useless++;
        } else {
          // What was typed may have ended the guest before.
          if (opened.end) totals.whole++;
          else expect(opened.notice).toMatch(/broke off without an end|is cut short/);
          const replay = await replayAll(opened);
          expect(replay.checked).toBe(opened.digests.length);
          expect(printed.startsWith(replay.printed) || replay.printed.startsWith(printed), `seed ${SEED}`).toBe(true);
          totals.replayed++;
          totals.digests += replay.checked;
          totals.events += opened.events.length;
          opened.close();
        }
        rmSync(path);
      }
      console.log(`killed recordings: ${JSON.stringify(totals)}`);
      expect(totals.replayed).toBeGreaterThan(COUNT / 3);
    },
    3_600_000,
  );
});
