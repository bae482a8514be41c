import { invariant, present } from '../common/invariant.ts';
import type { MachineCore } from '../machine/core.ts';
import type { MachineSnapshot } from '../machine/machine-snapshot.ts';

/** A place in a replay that the machine can be put back to. */
export interface Waypoint {
  readonly snapshot: MachineSnapshot;
  /** Events that had been delivered. */
  readonly delivered: number;
  /** Bytes of output so far. */
  readonly outputPosition: number;
}

export interface WaypointBudget {
  /** How many are kept. */
  readonly count: number;
  /** How many frames they may hold beside those of the machine itself, about. */
  readonly frames: number;
}

/** Branches of a waypoint. */
function branchesOf({ snapshot }: Waypoint): bigint {
  return snapshot.point.branches;
}

/**
 * The temporary checkpoints of a replay, by branch count. When there are too many, those go first whose neighbours are
 * near each other in proportion to their distance from where the replay stands: so they lie densely there, where steps
 * back need them, and thinly far away.
 */
export class Waypoints {
  private readonly core: MachineCore;
  private readonly budget: WaypointBudget;
  private readonly sorted: Waypoint[] = [];
  /** Frames in use when there was no waypoint. */
  private readonly baseFrames: number;

  constructor(core: MachineCore, budget: WaypointBudget) {
    this.core = core;
    this.budget = budget;
    this.baseFrames = core.engine.arena.frameCount;
  }

  get count(): number {
    return this.sorted.length;
  }

  /** Where the waypoints are, rising. */
  get branches(): bigint[] {
    return this.sorted.map(branchesOf);
  }

  /** Keeps the machine as it is now, unless there is a waypoint with this branch count. */
  take(delivered: number, outputPosition: () => number): void {
    const { branches } = this.core.current;
    const at = this.indexAfter(branches);
    const before = this.sorted[at - 1];
    if (before && branchesOf(before) === branches) return;
    // Taking the snapshot hands over what the machine has printed so far.
    const snapshot = this.core.snapshot();
    this.sorted.splice(at, 0, { snapshot, delivered, outputPosition: outputPosition() });
    this.thin(branches);
  }

  /** The last waypoint with at most this many branches. There is always the first. */
  atOrBefore(branches: bigint): Waypoint {
    const found = this.sorted[Math.max(0, this.indexAfter(branches) - 1)];
    return present(found, 'the first waypoint is kept');
  }

  /** Index of the first waypoint behind this branch count. */
  private indexAfter(branches: bigint): number {
    let low = 0;
    let high = this.sorted.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (branchesOf(this.sorted[middle]!) <= branches) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  private get tooMany(): boolean {
    const { count, frames } = this.budget;
    return this.sorted.length > count || this.core.engine.arena.frameCount - this.baseFrames > frames;
  }

  private thin(here: bigint): void {
    // The first one is the beginning of history and stays; two more are the least that steps need.
    while (this.sorted.length > 3 && this.tooMany) {
      const at = this.leastUseful(here);
      const [given] = this.sorted.splice(at, 1);
      invariant(given && at > 0, `a waypoint is given up that is not the first: ${at}`);
      given.snapshot.memory.release();
    }
  }

  private leastUseful(here: bigint): number {
    let least = Number.POSITIVE_INFINITY;
    let index = 1;
    for (let i = 1; i < this.sorted.length; i++) {
      const at = branchesOf(this.sorted[i]!);
      const next = this.sorted[i + 1];
      const gap = Number((next ? branchesOf(next) : at) - branchesOf(this.sorted[i - 1]!));
      const distance = Math.abs(Number(here - at)) + 1;
      const use = gap / distance;
      if (use < least) {
        least = use;
        index = i;
      }
    }
    return index;
  }

  release(): void {
    for (const { snapshot } of this.sorted.splice(0)) snapshot.memory.release();
  }
}
