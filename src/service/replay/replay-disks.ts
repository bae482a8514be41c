import type { DiskOptions } from '../../api/options.ts';
import { machineSizeOf, openDisk, wholeSectors } from '../../backend/disk/live/open-disk.ts';
import { GodwitError } from '../../common/errors.ts';
import type { BlockBackend } from '../../device/virtio/block/backend.ts';
import type { MachineCore } from '../../machine/core.ts';
import { platform } from '../../platform/platform.ts';
import type { RecordedDisk } from '../../recording/start.ts';
import type { LiveRunner } from '../../run/live-runner.ts';
import { MachineDisks, type RestoredDisk } from '../disk/machine-disks.ts';

/**
 * Disks for a replay that is to go live. The images given are as the machine's disks were when the recording began;
 * they stay so. What the replayed guest writes goes to temporary images over them, so that they are always what the
 * guest believes them to be.
 */
export class ReplayDisks {
  private readonly disks: MachineDisks;
  private core: MachineCore | undefined;
  private live: LiveRunner | undefined;
  private outstanding = 0;
  private settled: (() => void) | undefined;
  private failure: unknown;

  /** Throws GodwitError 'usage' when they cannot be the machine's, and what opening images throws. */
  static async open(images: readonly DiskOptions[], recorded: readonly RecordedDisk[]): Promise<ReplayDisks> {
    if (images.length !== recorded.length) {
      throw new GodwitError('usage', `The recorded machine has ${recorded.length} disks, not ${images.length}.`, {
        hint: 'Give each with --disk, as it was when the recording began.',
      });
    }
    const restored: RestoredDisk[] = [];
    for (const [index, image] of images.entries()) restored.push(await inspect(image, recorded[index]!));
    return new ReplayDisks(await MachineDisks.openRestored(restored, undefined));
  }

  private constructor(disks: MachineDisks) {
    this.disks = disks;
    disks.connect({
      memory: () => this.core!.ram.bytes,
      complete: (disk, id, completion) => {
        this.outstanding--;
        if (this.outstanding === 0) this.settled?.();
        this.live?.completeBlock(disk, id, completion);
      },
      failed: (_disk, error) => {
        this.failure ??= error;
      },
    });
  }

  /** What the replayed machine's requests go to. Reads are answered by the recording. */
  backend(disk: number): BlockBackend {
    const { backend } = this.disks.descriptions[disk]!;
    return {
      submit: (submission) => {
        if (!this.live && submission.kind === 'read') return;
        this.outstanding++;
        backend.submit(submission);
      },
      fence: () => backend.fence(),
    };
  }

  /** Before the machine runs. */
  attach(core: MachineCore): void {
    this.core = core;
    for (const [disk, device] of core.board.disks.entries()) {
      // What was under way when the recording began was written by the one who recorded, perhaps.
      for (const submission of device.pendingRequests()) this.backend(disk).submit(submission);
    }
  }

  get machineDisks(): MachineDisks {
    return this.disks;
  }

  /** Resolves when the disks have all that was written so far. Throws GodwitError when it could not be written. */
  async settle(): Promise<void> {
    while (this.outstanding > 0) {
      await new Promise<void>((done) => {
        this.settled = done;
      });
    }
    if (this.failure !== undefined) throw this.failure;
  }

  /** From now on the disks answer. Throws GodwitError when what the replay wrote could not be written. */
  async goLive(runner: LiveRunner): Promise<void> {
    await this.settle();
    this.live = runner;
    this.outstanding += this.core!.board.disks.reduce((sum, device) => sum + device.pendingRequests().length, 0);
    this.disks.resubmit(this.core!.board.disks);
  }

  async close(): Promise<void> {
    this.live = undefined;
    await this.disks.close();
    await this.disks.removeTemporary();
  }
}

async function inspect(image: DiskOptions, recorded: RecordedDisk): Promise<RestoredDisk> {
  const { format } = image;
  const disk = await openDisk(image.path, { readonly: true, ...(format === undefined ? {} : { format }) });
  const sizeBytes = machineSizeOf(disk);
  const found = disk.format === 'raw' ? 'raw' : 'qcow2';
  await disk.close();
  if (wholeSectors(recorded.sizeBytes) !== wholeSectors(sizeBytes)) {
    throw new GodwitError(
      'usage',
      `${image.path} has ${sizeBytes} bytes, but the recorded machine's disk ${recorded.sizeBytes}.`,
    );
  }
  const { readonly, serial } = recorded;
  return {
    path: platform().files.absolute(image.path),
    format: found,
    sizeBytes: recorded.sizeBytes,
    readonly,
    serial,
  };
}
