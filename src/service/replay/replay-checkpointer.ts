import type { CheckpointOptions, CheckpointReport } from '../../api/checkpoint.ts';
import type { MachineCore } from '../../machine/core.ts';
import type { Recording } from '../../recording/recording.ts';
import type { MachineDescription } from '../checkpoint/checkpointed-machine.ts';
import { Checkpointer } from '../checkpoint/checkpointer.ts';
import { MachineDisks } from '../disk/machine-disks.ts';
import type { ReplayDisks } from './replay-disks.ts';
import { refuseShares } from './replay-shares.ts';

/** The machine's own size of its terminal is part of its state. */
const TERMINAL = { columns: 80, rows: 24 };

export interface ReplayCheckpointerParts {
  /** Of a replay, which does not run while a checkpoint is made. */
  readonly core: MachineCore;
  readonly recording: Recording;
  /** The machine's disks as they are at this place; for a machine that has some. */
  readonly disks: ReplayDisks | undefined;
}

/** Makes checkpoints of a replayed machine, at any place. The replay does not notice, and can go on. */
export class ReplayCheckpointer {
  private readonly disks: ReplayDisks | undefined;
  private readonly checkpoints: Promise<Checkpointer>;

  constructor({ core, recording, disks }: ReplayCheckpointerParts) {
    this.disks = disks;
    this.checkpoints = checkpointerOf(core, recording, disks);
  }

  /** Resolves when it is on stable storage. Each is a child of the one before. Throws GodwitError. */
  async keep(options: Pick<CheckpointOptions, 'name' | 'store'>): Promise<CheckpointReport> {
    const checkpoints = await this.checkpoints;
    await this.disks?.settle();
    return await checkpoints.create({ ...options, disks: 'copy' });
  }

  /** The one that is being made is given up. */
  cancel(): void {
    void this.checkpoints.then((checkpoints) => checkpoints.cancel());
  }
}

async function checkpointerOf(
  core: MachineCore,
  { start, images, source }: Recording,
  replayDisks: ReplayDisks | undefined,
): Promise<Checkpointer> {
  refuseShares(start, `a checkpoint of a replay of ${source.name}`);
  const disks = replayDisks?.machineDisks ?? (await MachineDisks.openRestored([], undefined));
  const description: MachineDescription = {
    ...images,
    consolePort: start.consolePort,
    terminal: TERMINAL,
    disks: disks.configured,
  };
  return new Checkpointer(core, disks, description, { onProgress: () => {} });
}
