import { describe, expect, it } from 'vitest';
import { MachineCore } from '../../src/machine/core.ts';
import type { CoreOptions } from '../../src/machine/core-options.ts';
import type { ExecutionPoint } from '../../src/machine/execution-point.ts';
import { RewindableOutput } from '../../src/replay/rewindable-output.ts';
import { Timeline } from '../../src/replay/timeline.ts';
import { type LoggedEvent, ReplayRunner } from '../../src/run/replay-runner.ts';
import { guestImages, guestOptions } from '../support/guest.ts';
import { randomNumbers } from '../support/random.ts';

const MIB = 1024 ** 2;
const COMMANDS = 'for i in 1 2; do ls -R /bin | md5sum; done; cat /proc/interrupts; sleep 1; echo done\r';

describe('a timeline', async () => {
  const images = await guestImages();
  const reason = 'reason' in images ? images.reason : undefined;
  const options = (): CoreOptions => guestOptions(images, { reservedBytes: 1024 * MIB });

  let recorded: { events: LoggedEvent[]; end: bigint; printed: string } | undefined;
  /** A boot, with commands typed at the prompt. */
  const recording = async () => {
    if (recorded) return recorded;
    let printed = '';
    const decoder = new TextDecoder();
    const core = await MachineCore.create({
      ...options(),
      output: (_port, bytes) => (printed += decoder.decode(bytes)),
    });
    const events: LoggedEvent[] = [];
    for (;;) {
      const outcome = core.run(core.current.branches + 500_000n);
      if (outcome.kind !== 'waiting') continue;
      if (printed.includes('done\r\n')) break;
      if (printed.includes('~#') && events.length === 0) {
        const event = { kind: 'input', port: 'uart', bytes: new TextEncoder().encode(COMMANDS) } as const;
        events.push({ point: core.point, event });
        core.deliver(event);
      } else core.skipTo(outcome.deadline!);
    }
    recorded = { events, end: core.current.branches, printed };
    return recorded;
  };

  const open = async () => {
    const { events, end } = await recording();
    let printed = '';
    const decoder = new TextDecoder();
    const output = new RewindableOutput((_port, bytes) => (printed += decoder.decode(bytes)));
    const core = await MachineCore.create({ ...options(), output: output.output });
    const timeline = new Timeline({ core, events, endBranches: end }, { output });
    return { timeline, printed: () => printed, output };
  };

  it.skipIf(reason)(
    'comes to the same state at a point, wherever it comes from, and prints everything once',
    async () => {
      const { events, end, printed: expected } = await recording();
      const random = randomNumbers(11);
      const targets = Array.from({ length: 7 }, () => (end * BigInt(random(10_000))) / 10_000n);
      const digests = new Map<bigint, { point: ExecutionPoint; digest: bigint }>();
      const core = await MachineCore.create(options());
      const runner = new ReplayRunner(core, events);
      for (const branches of [...targets].sort((a, b) => Number(a - b))) {
        runner.run(branches);
        digests.set(branches, { point: core.point, digest: core.digest() });
      }
      const { timeline, printed } = await open();
      for (const branches of targets) {
        timeline.seekBranches(branches);
        const { point, digest } = digests.get(branches)!;
        expect(timeline.point).toEqual(point);
        expect(timeline.core.digest()).toBe(digest);
      }
      expect(timeline.runForward(end + 10n)).toBe('end');
      expect(printed().slice(0, expected.length)).toBe(expected);
      timeline.dispose();
    },
  );

  it.skipIf(reason)('steps back through exactly the places that it stepped forward through', async () => {
    const { end } = await recording();
    const random = randomNumbers(5);
    const { timeline } = await open();
    for (let round = 0; round < 4; round++) {
      timeline.seekBranches((end * BigInt(random(10_000))) / 10_000n);
      const places: ExecutionPoint[] = [timeline.point];
      while (places.length < 60) {
        if (timeline.stepForward() === 'end') break;
        const here = timeline.point;
        const last = places.at(-1)!;
        if (here.branches !== last.branches || here.pc !== last.pc) places.push(here);
      }
      const digest = timeline.core.digest();
      for (const place of places.slice(0, -1).reverse()) {
        expect(timeline.stepBack()).toBe('there');
        expect(timeline.point).toEqual(place);
      }
      for (const place of places.slice(1)) {
        while (timeline.point.branches !== place.branches || timeline.point.pc !== place.pc) timeline.stepForward();
      }
      expect(timeline.core.digest()).toBe(digest);
    }
    timeline.dispose();
  });

  it.skipIf(reason)('reports the beginning and the end of history', async () => {
    const { end } = await recording();
    const { timeline } = await open();
    expect(timeline.stepBack()).toBe('beginning');
    timeline.stepForward();
    timeline.stepForward();
    expect(timeline.stepBack()).toBe('there');
    expect(timeline.stepBack()).toBe('there');
    expect(timeline.point).toEqual(timeline.beginning);
    expect(timeline.stepBack()).toBe('beginning');
    expect(timeline.seekBranches(end)).toBe('there');
    expect(timeline.stepForward()).toBe('end');
    expect(() => timeline.seek({ hart: 0, branches: 1000n, pc: 1n })).toThrow(/does not come by/);
    timeline.dispose();
  });

  it.skipIf(reason)('keeps its waypoints within their budget', async () => {
    const { events, end } = await recording();
    const core = await MachineCore.create(options());
    const timeline = new Timeline({ core, events, endBranches: end }, { waypoints: { count: 12, frames: 8192 } });
    timeline.runForward(end);
    expect(timeline.waypointCount).toBeLessThanOrEqual(12);
    const last = timeline.core.digest();
    timeline.seekBranches(end / 3n);
    timeline.seekBranches(end);
    expect(timeline.core.digest()).toBe(last);
    expect(timeline.waypointCount).toBeLessThanOrEqual(12);
    timeline.dispose();
  });
});
