import { beforeAll, describe, expect, it } from 'vitest';
import { MachineCore } from '../../src/machine/core.ts';
import type { CoreOptions } from '../../src/machine/core-options.ts';
import { bootImages } from '../../src/machine/linux.ts';
import { nodeClock } from '../../src/platform/node/clock.ts';
import { LiveRunner } from '../../src/run/live-runner.ts';
import { type LoggedEvent, ReplayRunner } from '../../src/run/replay-runner.ts';
import { MachineLoop } from '../../src/service/machine/machine-loop.ts';
import { guestImages } from '../support/guest.ts';
import { patient } from '../support/tiers.ts';

const MEMORY_BYTES = 256 * 1024 ** 2;
const DIGEST_EVERY_BRANCHES = 4_000_000n;
const COMMANDS =
  'for i in 1 2 3 4 5 6 7 8; do echo $i; ls / >/dev/null; done; head -c 100000 /dev/urandom | md5sum; poweroff\n';

interface Digest {
  readonly branches: bigint;
  readonly digest: bigint;
}

/** Notes the digest at the first slice end after every so many branches. */
function watched(core: MachineCore, digests: Digest[]): MachineCore {
  const run = core.run.bind(core);
  let next = DIGEST_EVERY_BRANCHES;
  core.run = (branches) => {
    const outcome = run(branches);
    if (outcome.kind === 'slice' && core.current.branches >= next) {
      digests.push({ branches: core.current.branches, digest: core.digest() });
      next = core.current.branches + DIGEST_EVERY_BRANCHES;
    }
    return outcome;
  };
  return core;
}

describe('a recorded boot of Linux', async () => {
  const images = await guestImages();
  const reason = 'reason' in images ? images.reason : undefined;
  const events: LoggedEvent[] = [];
  const digests: Digest[] = [];
  let printed = '';
  let end: { branches: bigint; digest: bigint };

  const options = (output: CoreOptions['output']): CoreOptions => {
    if ('reason' in images) throw new Error(images.reason);
    return {
      memoryBytes: MEMORY_BYTES,
      seed: new Uint8Array(32).fill(7),
      epochNanoseconds: 1_700_000_000_000_000_000n,
      load: bootImages({ ...images, bootArguments: 'console=ttyS0 quiet' }),
      ...(output ? { output } : {}),
    };
  };

  beforeAll(async () => {
    if (reason) return;
    const decoder = new TextDecoder();
    const core = watched(
      await MachineCore.create(
        options((_port, bytes) => {
          printed += decoder.decode(bytes, { stream: true });
        }),
      ),
      digests,
    );
    // A real clock and timers, with all their jitter.
    const runner = new LiveRunner(core, nodeClock, new MachineLoop());
    runner.listen({ event: (stamped) => events.push(stamped) });
    const typist = setInterval(() => {
      if (!printed.includes('~#')) return;
      clearInterval(typist);
      // In pieces, so that they arrive at many points.
      for (let i = 0; i < COMMANDS.length; i += 7) {
        setTimeout(() => runner.input('uart', new TextEncoder().encode(COMMANDS.slice(i, i + 7))), i * 3);
      }
    }, 20);
    const finish = await runner.run();
    clearInterval(typist);
    expect(finish).toEqual({ kind: 'pass', code: 0 });
    end = { branches: core.current.branches, digest: core.digest() };
  }, 120_000);

  it.skipIf(reason)(`prints what was asked for${reason ? ` (skipped: ${reason})` : ''}`, () => {
    expect(printed).toMatch(/\n8\r?\n/);
    expect(printed).toMatch(/[0-9a-f]{32} {2}-/);
    expect(events.length).toBeGreaterThan(5);
    expect(digests.length).toBeGreaterThan(5);
  });

  for (const attempt of ['first', 'second']) {
    it.skipIf(reason)(
      `gives the same digests in the ${attempt} replay${reason ? ` (skipped: ${reason})` : ''}`,
      async () => {
        const core = await MachineCore.create(options(undefined));
        const runner = new ReplayRunner(core, events);
        for (const { branches, digest } of digests) {
          expect(runner.run(branches)).toEqual({ kind: 'slice' });
          expect({ branches: core.current.branches, digest: core.digest() }).toEqual({ branches, digest });
        }
        expect(runner.run(end.branches + 1n)).toEqual({ kind: 'finished', finish: { kind: 'pass', code: 0 } });
        expect({ branches: core.current.branches, digest: core.digest() }).toEqual(end);
      },
      patient(120_000),
    );
  }

  it.skipIf(reason)(
    `notices events that do not belong to it${reason ? ` (skipped: ${reason})` : ''}`,
    async () => {
      const core = await MachineCore.create(options(undefined));
      const wrong = events.map(({ point, event }) => ({ event, point: { ...point, pc: point.pc + 2n } }));
      const runner = new ReplayRunner(core, wrong);
      expect(() => runner.run(1n << 60n)).toThrow(/does not follow the recording/);
    },
    patient(120_000),
  );
});
