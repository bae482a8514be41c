import { platform } from '../../platform/platform.ts';
import type { RecordingHost } from '../../recording/host.ts';

const NANOSECONDS_PER_MS = 1_000_000n;

/** What recorders need, of the platform that this thread has. */
export function recordingHost(): RecordingHost {
  const { clock, codec, timers } = platform();
  return {
    nowMs: () => clock.nowMs(),
    epochMs: () => Number(clock.epochNanoseconds() / NANOSECONDS_PER_MS),
    crc32: codec.crc32,
    deflate: (bytes) => codec.deflateLater(bytes),
    later: (ms, callback) => timers.later(ms, callback),
    // Not merely a round of the event loop: whoever waits for what others compress would turn and turn.
    turn: () => timers.sleep(0),
  };
}
