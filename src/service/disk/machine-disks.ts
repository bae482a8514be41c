import type { DiskConfiguration, MachineConfiguration } from '../../api/options.ts';
import { type FrozenDisk, LiveDisk, type PreparedOverlay } from '../../backend/disk/live/live-disk.ts';
import { createDisk } from '../../backend/disk/live/open-disk.ts';
import { sectorsOf } from '../../backend/disk/sectors.ts';
import { join } from '../../common/paths.ts';
import type { BlockCompletion } from '../../device/virtio/block/backend.ts';
import type { VirtioBlock } from '../../device/virtio/block/virtio-block.ts';
import type { DiskDescription } from '../../machine/board.ts';
import { platform } from '../../platform/platform.ts';
import type { OutputGate } from '../../run/output-gate.ts';
import { DiskPort } from './disk-port.ts';

/** What the disks of a machine are connected to. */
export interface DiskHooks {
  /** The memory that frame spans lie in. */
  readonly memory: () => Uint8Array;
  readonly complete: (disk: number, id: number, completion: BlockCompletion) => void;
  /** The host failed; the guest gets an error status besides. */
  readonly failed: (disk: number, error: unknown) => void;
  /** Stands before what changes disks. Default: open. */
  readonly gate?: OutputGate | undefined;
}

/** Disks that do not change any more, as plain data, and what the machine knew them as. */
export interface DisksToFork {
  readonly frozen: readonly Pick<FrozenDisk, 'path' | 'format' | 'sizeBytes'>[];
  readonly configured: readonly DiskConfiguration[];
}

/** A disk as a checkpoint has it. `sizeBytes` is what the machine was told, which sees whole sectors of it. */
export type RestoredDisk = DiskConfiguration & { readonly format: 'raw' | 'qcow2'; readonly sizeBytes: number };

/** The disks of one machine: open, locked and connected. */
export class MachineDisks {
  private readonly disks: readonly LiveDisk[];
  private readonly configurations: readonly DiskConfiguration[];
  private readonly temporary: TemporaryImages | undefined;
  private ports: DiskPort[] = [];
  private hooks: DiskHooks | undefined;

  /** Opens and locks all disks, or none. Throws GodwitError. */
  static async open({ disks }: Pick<MachineConfiguration, 'disks'>): Promise<MachineDisks> {
    const late: { disks?: MachineDisks } = {};
    const reportError = (disk: number) => (error: unknown) => late.disks?.hooks?.failed(disk, error);
    const opened = await openAll(disks, reportError);
    late.disks = new MachineDisks(opened, disks);
    return late.disks;
  }

  /** Shows frozen disks. What the machine writes goes to images over them, which are gone when it ends. */
  static async openOver({ frozen, configured }: DisksToFork): Promise<MachineDisks> {
    return await MachineDisks.openTemporary(frozen.map((disk, i) => ({ ...configured[i]!, ...disk })));
  }

  /** The same over the disks of a checkpoint; or with copy-on-write images in `folder`, which stay. */
  static async openRestored(disks: readonly RestoredDisk[], folder: string | undefined): Promise<MachineDisks> {
    if (disks.length === 0) return new MachineDisks([], []);
    if (folder === undefined) return await MachineDisks.openTemporary(disks);
    await platform().files.makeFolder(folder);
    const configurations: DiskConfiguration[] = [];
    for (const [i, { path, format, readonly, serial, sizeBytes }] of disks.entries()) {
      const overlay = join(folder, `disk${i}.qcow2`);
      if (!readonly) await createDisk(overlay, { sizeBytes: sectorsOf(sizeBytes), backing: { path, format } });
      configurations.push({ path: readonly ? path : overlay, format: readonly ? format : 'qcow2', readonly, serial });
    }
    return new MachineDisks(await openAll(configurations, () => () => {}), configurations);
  }

  private static async openTemporary(disks: readonly RestoredDisk[]): Promise<MachineDisks> {
    const temporary = new TemporaryImages();
    const open = ({ path, format, readonly, sizeBytes }: RestoredDisk, index: number): Promise<LiveDisk> => {
      const place = () => temporary.place(index);
      return LiveDisk.over(path, { format, readonly, sizeBytes: sectorsOf(sizeBytes), place });
    };
    const configurations = disks.map(({ path, format, readonly, serial }) => ({ path, format, readonly, serial }));
    return new MachineDisks(await allOrNone(disks, open), configurations, temporary);
  }

  private constructor(
    disks: readonly LiveDisk[],
    configurations: readonly DiskConfiguration[],
    temporary?: TemporaryImages,
  ) {
    this.disks = disks;
    this.configurations = configurations;
    this.temporary = temporary;
  }

  /** To be called once, before anything is asked of the disks. */
  connect(hooks: DiskHooks): void {
    this.hooks = hooks;
    this.ports = this.disks.map(
      (disk, index) =>
        new DiskPort({
          disk,
          memory: hooks.memory,
          complete: (id, completion) => hooks.complete(index, id, completion),
          failed: (error) => hooks.failed(index, error),
          gate: hooks.gate,
        }),
    );
  }

  get configured(): readonly DiskConfiguration[] {
    return this.configurations;
  }

  isReadonly(disk: number): boolean {
    return this.disks[disk]!.readonly;
  }

  get descriptions(): DiskDescription[] {
    return this.disks.map(({ sizeBytes, readonly }, index) => ({
      sizeBytes,
      readonly,
      serial: this.configurations[index]!.serial,
      backend: this.ports[index]!,
    }));
  }

  /** Asks again for what was under way when the machine was saved. */
  resubmit(devices: readonly VirtioBlock[]): void {
    for (const [index, device] of devices.entries()) {
      for (const submission of device.pendingRequests()) this.ports[index]!.submit(submission);
    }
  }

  /** Images that are gone when the machine ends cannot be kept, so those are copied. */
  prepareForCheckpoint(parents: 'keep' | 'copy'): Promise<PreparedOverlay[]> {
    return this.prepareOverlays((disk) => ({
      parent: this.disks[disk]!.isTemporary ? 'copy' : parents,
    }));
  }

  /** Puts overlays over all disks, to be switched to. All or none. */
  async prepareOverlays(
    request: (disk: number) => Parameters<LiveDisk['prepareOverlay']>[0],
  ): Promise<PreparedOverlay[]> {
    const prepared: PreparedOverlay[] = [];
    try {
      for (const [index, disk] of this.disks.entries()) prepared.push(await disk.prepareOverlay(request(index)));
      return prepared;
    } catch (error) {
      for (const overlay of prepared) await overlay.cancel().catch(() => {});
      throw error;
    }
  }

  /** Something went wrong with a disk that the guest does not notice. */
  report(disk: number, error: unknown): void {
    this.hooks?.failed(disk, error);
  }

  /** Takes away what is gone with the machine, when it and all machines over its disks have closed them. */
  async removeTemporary(): Promise<void> {
    await this.temporary?.remove();
  }

  /** Flushes and closes all disks, whatever happens to some of them. Gives the first error. */
  async close(): Promise<unknown> {
    await Promise.all(this.ports.map((port) => port.drain()));
    const results = await Promise.allSettled(this.disks.map((disk) => disk.close()));
    return results.find((result) => result.status === 'rejected')?.reason;
  }
}

/** Images of machines whose disks are of no use when they have ended: in a folder that is made for the first. */
class TemporaryImages {
  private folder: Promise<string> | undefined;
  private count = 0;

  /** Where a disk's next image can be. */
  async place(disk: number): Promise<string> {
    this.folder ??= platform().files.makeTemporaryFolder();
    const number = this.count++;
    return join(await this.folder, `disk${disk}-${number}.qcow2`);
  }

  async remove(): Promise<void> {
    const folder = await this.folder?.catch(() => undefined);
    if (folder !== undefined) await platform().files.removeTree(folder);
  }
}

function openAll(
  disks: readonly DiskConfiguration[],
  onError: (disk: number) => (error: unknown) => void,
): Promise<LiveDisk[]> {
  return allOrNone(disks, ({ path, readonly, format }, index) =>
    LiveDisk.open(path, { readonly, onError: onError(index), ...(format && { format }) }),
  );
}

async function allOrNone<T>(
  disks: readonly T[],
  open: (disk: T, index: number) => Promise<LiveDisk>,
): Promise<LiveDisk[]> {
  const opened: LiveDisk[] = [];
  try {
    for (const [index, disk] of disks.entries()) opened.push(await open(disk, index));
    return opened;
  } catch (error) {
    await Promise.allSettled(opened.map((disk) => disk.close()));
    throw error;
  }
}
