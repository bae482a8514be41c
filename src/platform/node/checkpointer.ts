import { randomBytes } from 'node:crypto';
import type { MachineConfiguration } from '../../api/options.ts';
import { VMGENID_BYTES } from '../../device/vmgenid/registers.ts';
import type { Arrival, MachineCore, MachineSnapshot } from '../../machine/core.ts';
import { MachineDisks } from './machine-disks.ts';

/** A machine as it was at one moment, with its disks as they were. */
export interface Frozen {
  readonly snapshot: MachineSnapshot;
  /** Copy-on-write images over the disks. */
  readonly disks: MachineDisks;
  /** Milliseconds in which the machine did not execute. */
  readonly pauseMs: number;
}

const SEED_BYTES = 32;

/** What makes of a copy a machine of its own. */
export function individualArrivals(): Arrival[] {
  return [{ kind: 'individual', seed: randomBytes(SEED_BYTES), generationId: randomBytes(VMGENID_BYTES) }];
}

/** Keeps a machine as it is at a moment, while it goes on. */
export class Checkpointer {
  private readonly core: MachineCore;
  private readonly disks: MachineDisks;
  private readonly configuration: MachineConfiguration;

  constructor(core: MachineCore, disks: MachineDisks, configuration: MachineConfiguration) {
    this.core = core;
    this.disks = disks;
    this.configuration = configuration;
  }

  /** Snapshot and disks of one moment, for a machine that goes on from it. The snapshot is to be released. */
  async freezeForFork(): Promise<Frozen> {
    const prepared = await this.disks.prepareOverlays(() => ({ parent: 'keep' }));
    const startedMs = performance.now();
    const snapshot = this.core.snapshot();
    const switched = prepared.map((overlay) => overlay.switch());
    const pauseMs = performance.now() - startedMs;
    try {
      const frozen = await Promise.all(switched);
      return { snapshot, disks: await MachineDisks.openOver(frozen, this.disks), pauseMs };
    } catch (error) {
      snapshot.memory.release();
      throw error;
    }
  }
}
