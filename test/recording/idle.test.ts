import { describe, expect, it } from 'vitest';
import { guestImages } from '../support/guest.ts';
import { SleeplessHost } from '../support/sleepless.ts';
import { patient } from '../support/tiers.ts';
import { LiveMachine, MemorySink } from './live-recording.ts';
import { openBytes, replayAll } from './opened.ts';

const HOUR_MS = 3_600_000;
const SETTLED_MS = 60_000;

describe('the recording of an idle guest', async () => {
  const images = await guestImages();
  const reason = 'reason' in images ? images.reason : undefined;

  it.skipIf(reason)(
    'grows by nearly nothing in an hour',
    async () => {
      if ('reason' in images) return;
      const host = new SleeplessHost();
      const machine = await LiveMachine.create({
        images: { ...images, bootArguments: 'console=ttyS0 quiet cryptomgr.notests' },
        clock: host,
        loop: host,
      });
      const sink = new MemorySink();
      const recorder = machine.record(sink);
      const finished = machine.start();
      await machine.shows('~#');
      await recorder.started;
      const from = host.nowMs();
      const until = async (ms: number) => {
        while (host.nowMs() - from < ms) await new Promise((resolve) => setTimeout(resolve, 1));
        await recorder.sync();
        return { seconds: (host.nowMs() - from) / 1000, bytes: recorder.logBytes, ...recorder.counts };
      };
      const settled = await until(SETTLED_MS);
      const later = await until(HOUR_MS);
      machine.type('echo awa"ke"; poweroff\r');
      await finished;
      await recorder.stop('power-off');
      const bytes = later.bytes - settled.bytes;
      const rate = bytes / (later.seconds - settled.seconds);
      console.log(
        `an idle hour: ${bytes} bytes (${rate.toFixed(2)} a second), ${later.events - settled.events} events, ` +
          `${later.digests - settled.digests} digests; a boot: ${settled.bytes} bytes`,
      );
      expect(rate).toBeLessThan(100);
      const recording = openBytes(sink.bytes);
      const startedMs = performance.now();
      const replay = await replayAll(recording);
      console.log(`replayed in ${((performance.now() - startedMs) / 1000).toFixed(1)} s`);
      expect(replay.printed).toBe(machine.printed);
      expect(replay.digest).toBe(machine.core.digest());
    },
    patient(240_000),
  );
});
