import type { Arrived, Timeline } from '../replay/timeline.ts';
import type { HostLoop } from '../run/host-loop.ts';
import type { DebugTarget, Ran } from './target.ts';

/** A replay takes stretches of about a millisecond, so that a debugger's interrupt is heard. */
const STRETCH_BRANCHES = 200_000n;

export interface ReplayTargetParts {
  readonly timeline: Timeline;
  readonly loop: HostLoop;
  /** The debugger is gone. Without it the replay stands where it is. */
  readonly leave?: () => void;
  readonly kill: () => void;
  /** Something in the replay failed: it does not follow its recording. */
  readonly failed: (error: unknown) => void;
}

function ranOf(arrived: Arrived, timeline: Timeline): Ran {
  if (arrived === 'end') return { kind: 'end' };
  if (arrived !== 'stopped') return { kind: 'slice' };
  const { hit } = timeline.core.stops;
  return { kind: 'debug', ...(hit && { hit }) };
}

/** A recording that is replayed, in both directions. What it does is fixed, so nothing in it can be changed. */
export function replayTarget(parts: ReplayTargetParts): DebugTarget {
  const { timeline, loop } = parts;
  let going: ((branches: bigint) => Ran) | undefined;
  let moving = false;
  const move = async (): Promise<void> => {
    if (moving) return;
    moving = true;
    try {
      while (going) {
        going(timeline.core.current.branches + STRETCH_BRANCHES);
        await loop.yield();
      }
    } catch (error) {
      parts.failed(error);
    } finally {
      moving = false;
    }
  };
  const halt = (): void => {
    going = undefined;
  };
  return {
    core: timeline.core,
    run: (branches) => ranOf(timeline.runForward(branches), timeline),
    step: () => ranOf(timeline.stepForward(), timeline),
    halt,
    resume: (execute) => {
      going = execute;
      void move();
    },
    leave: () => {
      halt();
      parts.leave?.();
    },
    kill: parts.kill,
    yield: () => loop.yield(),
    history: {
      get point() {
        return timeline.point;
      },
      stepBack: () => (timeline.stepBack() === 'beginning' ? 'beginning' : 'there'),
      seek: (point) => void timeline.seek(point),
      rewindBefore: (until) => timeline.rewindBefore(until),
      seekBranches: (branches) => void timeline.seekBranches(branches),
      rewindToBeginning: () => void timeline.seek(timeline.beginning),
    },
    readonlyBecause: 'A replay cannot be changed: it does what was recorded.',
  };
}
