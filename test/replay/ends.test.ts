/** First and last places of recordings: where a replay and a timeline come to, and no instruction further. */
import { describe, expect, it } from 'vitest';
import { MemoryByteSource } from '../../src/checkpoint/memory-byte-source.ts';
import type { MachineCore } from '../../src/machine/core.ts';
import { nodeCodec } from '../../src/platform/node/codec.ts';
import { Recording } from '../../src/recording/recording.ts';
import { Replayer } from '../../src/recording/replayer.ts';
import { stamp } from '../../src/run/replay-runner.ts';
import { openTimeline } from '../../src/service/replay/recorded-timeline.ts';
import { echoing, greeting, sleeping } from '../api/programs.ts';
import { LiveMachine, MemorySink } from '../recording/live-recording.ts';

const MIB = 1024 ** 2;

interface Recorded {
  readonly machine: LiveMachine;
  readonly recording: Recording;
}

/** Whatever the test does with the machine is recorded from its beginning. */
async function record(
  program: Uint8Array,
  run: (machine: LiveMachine, recorder: ReturnType<LiveMachine['makeRecorder']>) => Promise<'stopped' | 'power-off'>,
): Promise<Recorded> {
  const machine = await LiveMachine.create({ images: { kernel: program }, memoryBytes: 16 * MIB });
  const sink = new MemorySink();
  const recorder = machine.makeRecorder(sink);
  await recorder.stop(await run(machine, recorder));
  return { machine, recording: Recording.open(new MemoryByteSource('the recording', sink.bytes), nodeCodec) };
}

const ended = (): Promise<Recorded> =>
  record(greeting('hello', 0), async (machine, recorder) => {
    machine.observe(recorder);
    await machine.start();
    return 'power-off';
  });

function stateOf(core: MachineCore): object {
  return { digest: core.digest(), point: core.point, instructions: core.instructionsRetired };
}

describe('the end of a recording', () => {
  it('is reached by its branch count, where the guest has ended', async () => {
    const { machine, recording } = await ended();
    const replayer = await Replayer.open(recording);
    expect(replayer.run(recording.endPoint.branches)).toMatchObject({ kind: 'end', finish: { kind: 'pass' } });
    expect(replayer.guestHasEnded).toBe(true);
    expect(stateOf(replayer.core)).toEqual(stateOf(machine.core));
  });

  it('is where the last events arrive, and not an instruction further', async () => {
    const { machine, recording } = await record(echoing(), async ({ core }, recorder) => {
      const outcome = core.run(100n);
      recorder.slice(outcome, 1);
      const bytes = new TextEncoder().encode('x');
      recorder.event(stamp(core, { kind: 'input', port: 'uart', bytes }));
      return 'stopped';
    });
    expect(recording.end?.digest).toBeNull();
    expect(recording.events).toHaveLength(1);
    const replayer = await Replayer.open(recording);
    expect(replayer.runToEnd()).toEqual({ kind: 'end', finish: undefined });
    expect(replayer.guestHasEnded).toBe(false);
    expect(replayer.delivered).toBe(1);
    expect(stateOf(replayer.core)).toEqual(stateOf(machine.core));
  });

  it('is a place of a timeline, from which it goes back, and beyond which nothing executes', async () => {
    const { machine, recording } = await ended();
    const timeline = await openTimeline({ recording });
    expect(timeline.runForward(recording.endPoint.branches)).toBe('end');
    const end = stateOf(timeline.core);
    expect(end).toEqual(stateOf(machine.core));
    for (let times = 0; times < 3; times++) expect(timeline.stepForward()).toBe('end');
    expect(stateOf(timeline.core)).toEqual(end);
    expect(timeline.stepBack()).toBe('there');
    expect(stateOf(timeline.core)).not.toEqual(end);
    expect(timeline.stepForward()).toBe('end');
    expect(stateOf(timeline.core)).toEqual(end);
    expect(timeline.seek(timeline.beginning)).toBe('there');
    expect(timeline.stepBack()).toBe('beginning');
    timeline.dispose();
  });

  it('is a place of a timeline behind the last counted transfer, too', async () => {
    const { machine, recording } = await record(sleeping(), async (live, recorder) => {
      live.observe(recorder);
      void live.start();
      await live.shows('z');
      await live.stop();
      return 'stopped';
    });
    const timeline = await openTimeline({ recording });
    expect(timeline.runForward(recording.endPoint.branches + 10n)).toBe('end');
    expect(timeline.point).toEqual(recording.endPoint);
    expect(timeline.core.instructionsRetired).toBe(machine.core.instructionsRetired);
    expect(timeline.stepForward()).toBe('end');
    expect(timeline.point).toEqual(recording.endPoint);
    timeline.dispose();
  });
});
