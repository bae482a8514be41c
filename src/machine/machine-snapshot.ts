import type { FrameSnapshot } from '../memory/snapshot.ts';
import type { PlainData } from '../state/plain-data.ts';
import type { ExecutionPoint } from './execution-point.ts';

/** A machine as it was at one execution point. Holds frames until it is released. */
export interface MachineSnapshot {
  readonly point: ExecutionPoint;
  readonly instructionsRetired: bigint;
  readonly state: PlainData;
  readonly memory: FrameSnapshot;
}

/** What a fork needs of a snapshot. */
export type ForkState = Pick<MachineSnapshot, 'state' | 'memory'>;
