import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Disk } from '../../src/backend/disk/disk.ts';
import { createDisk, openDisk } from '../../src/backend/disk/live/open-disk.ts';
import type { Images } from '../../src/machine/linux.ts';
import type { MachineSnapshot } from '../../src/machine/machine-snapshot.ts';
import { LiveMachine } from './live-recording.ts';

const MIB = 1024 ** 2;
const DISK_BYTES = 32 * MIB;

/**
 * A guest at its shell prompt with a disk, kept as it was when it came there: machines that go on from there start at
 * once.
 */
export class BootedMachine {
  private readonly machine: LiveMachine;
  private readonly snapshot: MachineSnapshot;
  private readonly folder: string;
  private readonly disk: Disk;
  private forks = 0;

  static async boot(images: Images): Promise<BootedMachine> {
    const folder = mkdtempSync(join(tmpdir(), 'godwit-recording-'));
    const path = join(folder, 'disk.qcow2');
    await createDisk(path, { sizeBytes: DISK_BYTES });
    const disk = await openDisk(path);
    const machine = await LiveMachine.create({ images, disks: [disk] });
    const finished = machine.start();
    await machine.shows('~#');
    machine.type('[ -e /dev/vda ] || modprobe virtio_blk; while [ ! -e /dev/vda ]; do sleep 0.1; done; echo re"ady"\r');
    await machine.shows('ready');
    await machine.stop();
    await finished;
    return new BootedMachine(machine, folder, disk);
  }

  private constructor(machine: LiveMachine, folder: string, disk: Disk) {
    this.machine = machine;
    this.folder = folder;
    this.disk = disk;
    this.snapshot = machine.core.snapshot();
  }

  /** A machine that goes on from the prompt, with a disk of its own. `close` is for when it has stopped. */
  async fork(): Promise<{ machine: LiveMachine; close: () => Promise<void> }> {
    const path = join(this.folder, `fork${this.forks++}.qcow2`);
    await this.disk.flush();
    copyFileSync(join(this.folder, 'disk.qcow2'), path);
    const disk = await openDisk(path);
    const machine = this.machine.fork(this.snapshot, [disk]);
    const close = async () => {
      machine.core.dispose();
      await disk.close();
      rmSync(path);
    };
    return { machine, close };
  }

  async close(): Promise<void> {
    this.snapshot.memory.release();
    this.machine.core.dispose();
    await this.disk.close();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
