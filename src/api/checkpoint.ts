/** What can be asked of a machine's past and future: checkpoints of it, and forks. */

export interface CheckpointOptions {
  /** Default: a name that tells the time. */
  readonly name?: string;
  /** Folder of all checkpoints. Default: the user's. */
  readonly store?: string;
  /**
   * What becomes of the disks' present images. 'keep' (default): they belong to the checkpoint from now on and the machine goes on over
   * copy-on-write images. 'copy': they are copied into the checkpoint, and the machine gets them back afterwards.
   */
  readonly disks?: 'keep' | 'copy';
  /** Write all of memory, also what the machine's checkpoint before has. Default false. */
  readonly full?: boolean;
  /** It is no part of the machine's history: it is written in full, and the machine's next checkpoint neither builds on it nor lies below it. */
  readonly apart?: boolean;
}

export interface CheckpointReport {
  readonly id: string;
  readonly name: string;
  /** The checkpoint folder. */
  readonly path: string;
  /** Milliseconds in which no guest instruction was executed on its account. */
  readonly pauseMs: number;
  /** From the request until everything was on stable storage. */
  readonly wallMs: number;
  readonly fileBytes: number;
}

/** How far a checkpoint is that is being made. */
export interface CheckpointProgress {
  readonly name: string;
  /** Bytes of its file, of which nobody knows beforehand how many there will be. */
  readonly fileBytes: number;
  /** Bytes of the disks that are copied, or were passed over because they are empty. */
  readonly copiedBytes: number;
  readonly toCopyBytes: number;
}

export interface ForkOptions {
  /**
   * An exact copy, which goes on with the same random numbers and clock, instead of an individual of its own. Two exact twins
   * that get the same input do the same. Default false.
   */
  readonly exactTwin?: boolean;
  /** Execute at once. Default true. */
  readonly start?: boolean;
}

export interface ForkReport {
  /** The number of its thread, of those that run machines in this memory. */
  readonly thread: number;
  /** The number of the new machine in its thread. */
  readonly machine: number;
  /** Milliseconds in which the parent did not execute. */
  readonly pauseMs: number;
  readonly started: boolean;
}

export interface RestoreOptions {
  /** Folder of all checkpoints. Default: the user's. */
  readonly store?: string;
  /** As for a fork. */
  readonly exactTwin?: boolean;
  /**
   * Where the machine's disks are put: copy-on-write images over those of the checkpoint, "disk0.qcow2" and so on, which must not exist.
   * Default: a folder that is gone when the machine ends.
   */
  readonly diskFolder?: string;
}
