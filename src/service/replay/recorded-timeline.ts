import { anything, callback, instanceOf, object, optional, type Schema } from '../../common/schema.ts';
import type { CoreOptions } from '../../machine/core-options.ts';
import type { ConsolePort } from '../../machine/events.ts';
import { MEMORY_LIMIT_BYTES } from '../../memory/arena.ts';
import { Recording } from '../../recording/recording.ts';
import { makeRecordedMachine } from '../../recording/replayer.ts';
import { RewindableOutput } from '../../replay/rewindable-output.ts';
import { Timeline } from '../../replay/timeline.ts';

/** What a timeline is made of. */
export interface TimelineParts {
  /** Must stay open. */
  readonly recording: Recording;
  /** What the recorded console shows. Nothing is shown twice, however often the timeline comes by. */
  readonly output?: (bytes: Uint8Array) => void;
  /** @internal When code is translated; it changes nothing that is seen. */
  readonly translation?: CoreOptions['translation'];
}

const PARTS: Schema<TimelineParts> = object({
  recording: instanceOf(Recording, 'a recording that is open'),
  output: optional(callback<NonNullable<TimelineParts['output']>>()),
  translation: optional(anything() as Schema<NonNullable<CoreOptions['translation']>>),
});

/**
 * A recording to move through forth and back, by branch counts or to exact execution points; its machine
 * can be looked at in every place. In a recording that still grows the end is what is known when it
 * was last refreshed. To be disposed of in the end. Throws GodwitError for a recording that cannot be replayed.
 */
export async function openTimeline(parts: TimelineParts): Promise<Timeline> {
  const { recording, output, translation } = PARTS.parse(parts, 'parts');
  const port = recording.start.consolePort;
  const rewindable = new RewindableOutput((from: ConsolePort, bytes: Uint8Array) => {
    if (from === port) output?.(new Uint8Array(bytes));
  });
  const core = await makeRecordedMachine(recording, {
    output: rewindable.output,
    // Waypoints hold what memory was like.
    reservedBytes: MEMORY_LIMIT_BYTES,
    ...(translation && { translation }),
  });
  const history = {
    core,
    events: recording.log,
    endBranches: () => endOf(recording),
    endPoint: () => (ranOut(recording) ? undefined : recording.endPoint),
    endsAtReset: () => recording.images === undefined,
  };
  return new Timeline(history, { output: rewindable });
}

/** The last thing that a guest does which ends by itself comes behind its last counted transfer. */
function endOf(recording: Recording): bigint {
  return recording.endPoint.branches + (ranOut(recording) ? 1n : 0n);
}

function ranOut({ end }: Recording): boolean {
  return end !== undefined && end.reason !== 'stopped';
}
