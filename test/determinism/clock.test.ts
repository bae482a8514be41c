import { describe, expect, it } from 'vitest';
import { MachineCore } from '../../src/machine/core.ts';
import { bootImages } from '../../src/machine/linux.ts';
import { LiveRunner } from '../../src/run/live-runner.ts';
import { guestImages } from '../support/guest.ts';
import { SleeplessHost } from '../support/sleepless.ts';
import { patient } from '../support/tiers.ts';

const EPOCH_SECONDS = 1_800_000_000;
const HOUR_MS = 3_600_000;

describe('the clock of a guest', async () => {
  const images = await guestImages();
  const reason = 'reason' in images ? images.reason : undefined;

  it.skipIf(reason)(
    `agrees with the wall to the second after an hour${reason ? ` (skipped: ${reason})` : ''}`,
    async () => {
      if ('reason' in images) return;
      const host = new SleeplessHost();
      const decoder = new TextDecoder();
      let printed = '';
      const core = await MachineCore.create({
        memoryBytes: 128 * 1024 ** 2,
        seed: new Uint8Array(32),
        epochNanoseconds: BigInt(EPOCH_SECONDS) * 1_000_000_000n,
        load: bootImages({ ...images, bootArguments: 'console=ttyS0 quiet cryptomgr.notests' }),
        output: (_port, bytes) => {
          printed += decoder.decode(bytes, { stream: true });
        },
      });
      let events = 0;
      const runner = new LiveRunner(core, host, host);
      runner.listen({
        event: () => {
          events++;
        },
      });
      const startedMs = host.nowMs();
      const elapsedMs = () => host.nowMs() - startedMs;
      let asked = 0;
      let eventsOfTheHour = 0;
      const watch = setInterval(() => {
        if (asked === 0 && printed.includes('~#') && elapsedMs() < HOUR_MS) eventsOfTheHour = events;
        if (asked > 0 || elapsedMs() < HOUR_MS) return;
        eventsOfTheHour = events - eventsOfTheHour;
        asked = elapsedMs();
        runner.input('uart', new TextEncoder().encode('echo now $(date +%s) $(cut -d. -f1 /proc/uptime); poweroff\r'));
      }, 1);
      await runner.run();
      clearInterval(watch);
      const answer = /now (\d+) (\d+)/.exec(printed.slice(printed.lastIndexOf('poweroff\r')));
      expect(answer, printed.slice(-300)).not.toBeNull();
      // The answer comes a little after the question, so the wall must lie around it.
      const dateSeconds = Number(answer![1]) - EPOCH_SECONDS;
      expect(dateSeconds).toBeGreaterThanOrEqual(Math.floor(asked / 1000) - 1);
      expect(dateSeconds).toBeLessThanOrEqual(Math.ceil(elapsedMs() / 1000) + 1);
      expect(Number(answer![2])).toBeGreaterThan(3590);
      console.log(`events in the idle part of the hour: ${eventsOfTheHour}`);
    },
    patient(240_000),
  );
});
