/** A replay that goes live: from there on a machine like others. */

import type { GodwitError } from '../common/errors.ts';
import type { Recording } from '../recording/recording.ts';
import { MachineRecordings } from '../service/recording/machine-recordings.ts';
import { LiveFromReplay } from '../service/replay/live-from-replay.ts';
import type { Player } from '../service/replay/player.ts';
import type { ReplayDisks } from '../service/replay/replay-disks.ts';
import { refuseShares } from '../service/replay/replay-shares.ts';
import { continueOptionsOf } from './continue-options.ts';
import { EXIT_FAILURE, sentencesOf } from './errors.ts';
import type { ReplayCommandOptions } from './replay-options.ts';

export interface ReplayLiveParts {
  readonly player: Player;
  readonly recording: Recording;
  readonly disks: ReplayDisks | undefined;
  readonly options: ReplayCommandOptions;
  /** To the user. */
  readonly say: (text: string) => void;
}

export class ReplayLive {
  private readonly live: LiveFromReplay;
  private readonly recordings: MachineRecordings | undefined;
  /** What was to be recorded is not, or not all of it. */
  private recordingFailed = false;

  /** Throws GodwitError. */
  static async open(parts: ReplayLiveParts): Promise<ReplayLive> {
    const { player, recording, disks, options } = parts;
    refuseShares(recording.start, 'going on live');
    const core = player.takeMachine();
    const { consolePort } = recording.start;
    const live = new LiveFromReplay({ core, consolePort, disks, ...continueOptionsOf(options) });
    const late: { opened?: ReplayLive } = {};
    const failed = (error: GodwitError): void => {
      if (late.opened) late.opened.recordingFailed = true;
      parts.say(`godwit: ${sentencesOf(error)}\n`);
    };
    late.opened = new ReplayLive(live, await record(parts, core, live, failed));
    return late.opened;
  }

  private constructor(live: LiveFromReplay, recordings: MachineRecordings | undefined) {
    this.live = live;
    this.recordings = recordings;
  }

  type(bytes: Uint8Array): void {
    this.live.type(bytes);
  }

  stop(): void {
    this.live.stop();
  }

  /** Gives the exit status: the guest's; 0 when it was stopped. */
  async run(): Promise<number> {
    const finish = await this.live.run();
    await this.recordings?.close(finish);
    const least = this.recordingFailed ? EXIT_FAILURE : 0;
    if (finish === undefined || finish.kind === 'pass') return Math.max(finish?.code ?? 0, least);
    return Math.max(finish.code, EXIT_FAILURE);
  }
}

/** The recording of how it goes on. */
async function record(
  { recording, options }: ReplayLiveParts,
  core: ReturnType<Player['takeMachine']>,
  live: LiveFromReplay,
  onFailure: (error: GodwitError) => void,
): Promise<MachineRecordings | undefined> {
  const { start, images } = recording;
  if (options.record === undefined) return undefined;
  const recordings = new MachineRecordings({
    core,
    listen: (listener) => live.listen(listener),
    machine: {
      memoryBytes: start.memoryBytes,
      disks: start.disks,
      ...(start.shares && { shares: start.shares }),
      consolePort: start.consolePort,
    },
    images: () => images,
    onFailure,
    // Its thread has nobody else to wait for.
    hold: () => {},
  });
  await recordings.start(options.record);
  return recordings;
}
