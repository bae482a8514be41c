import type { MachineCore } from '../../src/machine/core.ts';
import { Timeline } from '../../src/replay/timeline.ts';
import { ReplayRunner } from '../../src/run/replay-runner.ts';
import { type Distribution, distributionOf } from './distribution.ts';
import { bootToPrompt } from './guest.ts';

export interface TimeTravelFigures {
  /** Of guest time. */
  readonly minutes: number;
  readonly gigaBranches: number;
  /** Guest time of the recording to the time that replaying all of it took. */
  readonly speed: number;
  /** To a place anywhere, from a place anywhere. */
  readonly seekMs: Distribution;
  /** One instruction back, at such a place. */
  readonly stepBackMs: Distribution;
  readonly waypoints: number;
}

const TICKS_PER_MINUTE = 600_000_000n;
const PLACES = 60;
const STEPS_AT_EACH = 5;
const RUN_BRANCHES = 1_000_000n;
/** Busy for about a tenth of the time, as an interactive machine is. */
const WORK =
  'while true; do ls -R /bin | md5sum > /tmp/sum; head -c 200000 /dev/urandom | gzip > /tmp/z; sleep 0.5; done\r';
const GENERATOR = 0x9e37_79b9;

export async function measureTimeTravel(minutes: number): Promise<TimeTravelFigures> {
  const { core } = await bootToPrompt(128);
  core.deliver({ kind: 'input', port: 'uart', bytes: new TextEncoder().encode(WORK) });
  const first = core.snapshot();
  const endBranches = runFor(core, BigInt(minutes) * TICKS_PER_MINUTE);
  core.revert(first);
  first.memory.release();
  const timeline = new Timeline({ core, events: [], endBranches });
  const startedMs = performance.now();
  timeline.runForward(endBranches);
  const replayMs = performance.now() - startedMs;
  const places = measurePlaces(timeline, endBranches);
  const figures = {
    minutes,
    gigaBranches: Number(endBranches) / 1e9,
    speed: (minutes * 60_000) / replayMs,
    waypoints: timeline.waypointCount,
    ...places,
  };
  timeline.dispose();
  return figures;
}

function runFor(core: MachineCore, ticks: bigint): bigint {
  const runner = new ReplayRunner(core, []);
  const end = core.ticks + ticks;
  while (core.ticks < end) runner.run(core.current.branches + RUN_BRANCHES);
  return core.current.branches;
}

function measurePlaces(timeline: Timeline, endBranches: bigint): Pick<TimeTravelFigures, 'seekMs' | 'stepBackMs'> {
  const seeks: number[] = [];
  const steps: number[] = [];
  const timed = (into: number[], work: () => void): void => {
    const startedMs = performance.now();
    work();
    into.push(performance.now() - startedMs);
  };
  const begin = timeline.beginning.branches;
  for (let i = 1; i <= PLACES; i++) {
    const part = BigInt(Math.imul(i, GENERATOR) >>> 0);
    timed(seeks, () => timeline.seekBranches(begin + ((endBranches - begin) * part) / (1n << 32n)));
    for (let step = 0; step < STEPS_AT_EACH; step++) timed(steps, () => timeline.stepBack());
  }
  return { seekMs: distributionOf(seeks), stepBackMs: distributionOf(steps) };
}
