/** `godwit replay --gdb`: a recording that gdb moves through. */
import { DebuggedReplay } from '../platform/node/recording/debugged-replay.ts';
import type { Recording } from '../recording/recording.ts';
import { writeAll } from './front.ts';
import { type ReplayCommandOptions, translationOf } from './replay-options.ts';
import { Signals } from './signals.ts';

/** Ends when gdb kills it, or a signal comes; gives the exit status. */
export async function replayForGdb(recording: Recording, options: ReplayCommandOptions): Promise<number> {
  const late: { replay?: DebuggedReplay } = {};
  const signals = new Signals(() => late.replay?.stop());
  signals.listen();
  try {
    const replay = await DebuggedReplay.open({
      recording,
      listen: options.gdb!,
      output: (bytes) => void writeAll(process.stdout, bytes).catch(() => late.replay?.stop()),
      translation: translationOf(options),
    });
    late.replay = replay;
    try {
      if (options.toBranch?.kind === 'branch') replay.timeline.seekBranches(options.toBranch.branches);
      process.stderr.write(`godwit: the recording waits for gdb: target remote ${replay.address}\n`);
      if (signals.exitCode === undefined) await replay.ended;
    } finally {
      await replay.close();
    }
  } finally {
    signals.ignore();
  }
  return signals.exitCode ?? 0;
}
