/** `godwit replay --gdb`: a recording that gdb moves through. */
import { GodwitError } from '../common/errors.ts';
import type { Recording } from '../recording/recording.ts';
import { DebuggedReplay } from '../service/replay/debugged-replay.ts';
import { Player } from '../service/replay/player.ts';
import { writeAll } from './output.ts';
import { placeOf, type ReplayCommandOptions, translationOf } from './replay-options.ts';
import { describeExtent } from './replay-report.ts';
import { Signals } from './signals.ts';

/** Ends when gdb kills it, or a signal comes; gives the exit status. */
export async function replayForGdb(recording: Recording, options: ReplayCommandOptions): Promise<number> {
  const late: { replay?: DebuggedReplay } = {};
  const signals = new Signals(() => late.replay?.stop());
  signals.listen();
  try {
    const branches = await branchesAt(recording, options);
    const replay = await DebuggedReplay.open({
      recording,
      listen: options.gdb!,
      output: (bytes) => void writeAll(process.stdout, bytes).catch(() => late.replay?.stop()),
      translation: translationOf(options),
    });
    late.replay = replay;
    try {
      if (branches !== undefined) replay.timeline.seekBranches(branches);
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

/** Where gdb is to find the machine. Throws GodwitError when there is no such place. */
async function branchesAt(recording: Recording, options: ReplayCommandOptions): Promise<bigint | undefined> {
  const place = placeOf(options);
  if (place === undefined) return undefined;
  const { start, endPoint } = recording;
  const isThere = place.kind === 'branch' && place.branches >= start.point.branches;
  if (isThere && place.branches <= endPoint.branches) return place.branches;
  const player = await Player.open({
    recording,
    output: async () => {},
    options: { translation: translationOf(options) },
  });
  const found = await player.seek(place);
  const core = player.takeMachine();
  const { branches } = core.current;
  core.dispose();
  if (found) return branches;
  throw new GodwitError('usage', `The recording does not come to that ${place.kind}.`, {
    hint: describeExtent(recording),
  });
}
