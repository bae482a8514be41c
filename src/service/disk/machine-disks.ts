import type { DiskConfiguration, MachineConfiguration } from '../../api/options.ts';
import { type FrozenDisk, LiveDisk, type PreparedOverlay } from '../../backend/disk/live/live-disk.ts';
import { createDisk } from '../../backend/disk/live/open-disk.ts';
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

/** What a disk is made of, and what is to be taken away when the machine ends. */
interface Opened {
  readonly disks: LiveDisk[];
  readonly configurations: readonly DiskConfiguration[];
  readonly temporaryFolder?: string;
}

/** Disks that do not change any more, as plain data, and what the machine knew them as. */
export interface DisksToFork {
  readonly frozen: readonly Pick<FrozenDisk, 'path' | 'format'>[];
  readonly configured: readonly DiskConfiguration[];
}

/** A disk as a checkpoint has it. */
export type RestoredDisk = DiskConfiguration & { readonly format: 'raw' | 'qcow2' };

/** The disks of one machine: open, locked and connected. */
export class MachineDisks {
  private readonly disks: readonly LiveDisk[];
  private readonly configurations: readonly DiskConfiguration[];
  private readonly temporaryFolder: string | undefined;
  private ports: DiskPort[] = [];
  private hooks: DiskHooks | undefined;

  /** Opens and locks all disks, or none. Throws GodwitError. */
  static async open({ disks }: Pick<MachineConfiguration, 'disks'>): Promise<MachineDisks> {
    const late: { disks?: MachineDisks } = {};
    const reportError = (disk: number) => (error: unknown) => late.disks?.hooks?.failed(disk, error);
    const opened = await openAll(disks, reportError);
    late.disks = new MachineDisks({ disks: opened, configurations: disks });
    return late.disks;
  }

  /** Copy-on-write images over frozen disks, in a folder that is gone when they are closed. */
  static async openOver({ frozen, configured }: DisksToFork): Promise<MachineDisks> {
    if (frozen.length === 0) return new MachineDisks({ disks: [], configurations: [] });
    const { files } = platform();
    const temporaryFolder = await files.makeTemporaryFolder();
    try {
      const configurations = await Promise.all(
        frozen.map(async ({ path, format }, i): Promise<DiskConfiguration> => {
          const configuration = configured[i]!;
          if (configuration.readonly) return configuration;
          const overlay = join(temporaryFolder, `disk${i}.qcow2`);
          await createDisk(overlay, { backing: { path: files.absolute(path), format }, temporary: true });
          return { ...configuration, path: overlay, format: 'qcow2' };
        }),
      );
      const opened = await openAll(configurations, () => () => {});
      return new MachineDisks({ disks: opened, configurations, temporaryFolder });
    } catch (error) {
      await files.removeTree(temporaryFolder);
      throw error;
    }
  }

  /** Copy-on-write images over the disks of a checkpoint: in `folder`, or in one that is gone when they are closed. */
  static async openRestored(disks: readonly RestoredDisk[], folder: string | undefined): Promise<MachineDisks> {
    if (disks.length === 0) return new MachineDisks({ disks: [], configurations: [] });
    const { files } = platform();
    const temporaryFolder = folder === undefined ? await files.makeTemporaryFolder() : undefined;
    const at = folder ?? temporaryFolder!;
    try {
      if (folder !== undefined) await files.makeFolder(folder);
      const configurations = await Promise.all(
        disks.map(async ({ path, format, readonly, serial }, i): Promise<DiskConfiguration> => {
          if (readonly) return { path, format, readonly, serial };
          const overlay = join(at, `disk${i}.qcow2`);
          await createDisk(overlay, { backing: { path, format }, temporary: folder === undefined });
          return { path: overlay, format: 'qcow2', readonly, serial };
        }),
      );
      const opened = await openAll(configurations, () => () => {});
      return new MachineDisks({ disks: opened, configurations, ...(temporaryFolder && { temporaryFolder }) });
    } catch (error) {
      if (temporaryFolder !== undefined) await files.removeTree(temporaryFolder);
      throw error;
    }
  }

  private constructor({ disks, configurations, temporaryFolder }: Opened) {
    this.disks = disks;
    this.configurations = configurations;
    this.temporaryFolder = temporaryFolder;
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
      parent: platform().files.isTemporary(this.disks[disk]!.path) ? 'copy' : parents,
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
    if (this.temporaryFolder !== undefined) await platform().files.removeTree(this.temporaryFolder);
  }

  /** Flushes and closes all disks, whatever happens to some of them. Gives the first error. */
  async close(): Promise<unknown> {
    await Promise.all(this.ports.map((port) => port.drain()));
    const results = await Promise.allSettled(this.disks.map((disk) => disk.close()));
    return results.find((result) => result.status === 'rejected')?.reason;
  }
}

async function openAll(
  disks: readonly DiskConfiguration[],
  onError: (disk: number) => (error: unknown) => void,
): Promise<LiveDisk[]> {
  const opened: LiveDisk[] = [];
  try {
    for (const [index, { path, readonly, format }] of disks.entries()) {
      const reportError = onError(index);
      opened.push(await LiveDisk.open(path, { readonly, onError: reportError, ...(format && { format }) }));
    }
    return opened;
  } catch (error) {
    await Promise.allSettled(opened.map((disk) => disk.close()));
    throw error;
  }
}
