import { describe, expect, it } from 'vitest';
import { MachineCore } from '../../src/machine/core.ts';
import { type LoggedEvent, ReplayRunner } from '../../src/run/replay-runner.ts';
import { guestImages, guestOptions } from '../support/guest.ts';
import { patient } from '../support/tiers.ts';

const DIGEST_EVERY_BRANCHES = 3_000_000n;
const LAST_BRANCHES = 60_000_000n;
const COMMANDS = 'for i in 1 2 3 4 5; do ls -R /bin >/dev/null; done; head -c 300000 /dev/urandom | md5sum; poweroff\r';

/** What translates, when. The interpreter alone is the reference. */
const TIERS = [
  { name: 'mixed, translating at the 200th visit', threshold: 200 },
  { name: 'mixed, translating at the 2500th visit', threshold: 2500 },
] as const;

describe('the interpreter and translated code', async () => {
  const images = await guestImages();
  const reason = 'reason' in images ? images.reason : undefined;

  const boot = async (translation: { enabled: boolean; threshold: number }) => {
    return await MachineCore.create(guestOptions(images, { memoryBytes: 128 * 1024 ** 2, translation }));
  };

  /** One line typed while the guest waits at its prompt: found by running to there once. */
  const typedAtPrompt = async (): Promise<LoggedEvent[]> => {
    let printed = '';
    const core = await MachineCore.create({
      ...guestOptions(images, { memoryBytes: 128 * 1024 ** 2, translation: { enabled: false, threshold: 0 } }),
      output: (_port, bytes) => {
        printed += new TextDecoder().decode(bytes);
      },
    });
    for (;;) {
      const outcome = core.run(core.current.branches + 500_000n);
      if (outcome.kind !== 'waiting') continue;
      if (printed.includes('~#')) break;
      core.skipTo(outcome.deadline!);
    }
    return [{ point: core.point, event: { kind: 'input', port: 'uart', bytes: new TextEncoder().encode(COMMANDS) } }];
  };

  const digestsOf = async (translation: { enabled: boolean; threshold: number }, events: LoggedEvent[]) => {
    const core = await boot(translation);
    const runner = new ReplayRunner(core, events);
    const digests: { branches: bigint; pc: bigint; instructions: bigint; digest: bigint }[] = [];
    for (let branches = DIGEST_EVERY_BRANCHES; branches <= LAST_BRANCHES; branches += DIGEST_EVERY_BRANCHES) {
      const stop = runner.run(branches);
      digests.push({ ...core.point, instructions: core.instructionsRetired, digest: core.digest() });
      if (stop.kind === 'finished') break;
    }
    return { digests, regions: core.engine.translator.stats.translated };
  };

  it.skipIf(reason)(
    `do the same in a whole boot of Linux${reason ? ` (skipped: ${reason})` : ''}`,
    async () => {
      const events = await typedAtPrompt();
      const reference = await digestsOf({ enabled: false, threshold: 0 }, events);
      expect(reference.regions).toBe(0);
      expect(reference.digests.length).toBeGreaterThan(8);
      for (const { name, threshold } of TIERS) {
        const mixed = await digestsOf({ enabled: true, threshold }, events);
        expect(mixed.regions, name).toBeGreaterThan(100);
        expect(mixed.digests, name).toEqual(reference.digests);
      }
    },
    patient(240_000),
  );
});
