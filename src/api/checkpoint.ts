/** What can be asked of a machine's past and future: checkpoints of it, and forks. */
import { choice, flag, object, optional, type Schema, text, wholeNumber } from '../common/schema.ts';

/** How `MachineHandle.checkpoint` makes a checkpoint. */
export interface CheckpointOptions {
  /** Default: a name that tells the time. */
  readonly name?: string;
  /** Folder of all checkpoints. Default: the user's. */
  readonly store?: string;
  /**
   * What becomes of the disks' present images. 'keep' (default): they belong to the checkpoint from now on and the
   * machine goes on over copy-on-write images. 'copy': they are copied into the checkpoint, and the machine gets them
   * back afterwards.
   */
  readonly disks?: 'keep' | 'copy';
  /** Write all of memory, also what the machine's checkpoint before has. Default false. */
  readonly full?: boolean;
  /**
   * It is no part of the machine's history: it is written in full, and the machine's next checkpoint neither builds on
   * it nor lies below it.
   */
  readonly apart?: boolean;
}

export const CHECKPOINT_OPTIONS: Schema<CheckpointOptions> = object({
  name: optional(text()),
  store: optional(text()),
  disks: optional(choice('keep', 'copy')),
  full: optional(flag()),
  apart: optional(flag()),
});

/** A file that a checkpoint rests on. */
export interface RestReport {
  /** Absolute. */
  readonly path: string;
  /** A disk's image, an image under one, or what the machine boots from when it resets itself. */
  readonly use: 'disk' | 'base' | 'kernel' | 'initrd' | 'firmware';
  /**
   * 'kept': it belongs to the checkpoint now, and its mode says that nobody is to write it. 'copied': it is in the
   * checkpoint. 'pinned': its size, time and checksum are written down; when it is not as it was, the checkpoint can't
   * be restored, and `verify` says so.
   */
  readonly how: 'kept' | 'copied' | 'pinned';
}

/** A checkpoint that was made. */
export interface CheckpointReport {
  /** 16 hexadecimal digits. */
  readonly id: string;
  /** The name that was given, or one that tells the time. */
  readonly name: string;
  /** The checkpoint folder. */
  readonly path: string;
  /** Milliseconds in which no guest instruction was executed on its account. */
  readonly pauseMs: number;
  /** From the request until everything was on stable storage. */
  readonly wallMs: number;
  /** Size of the checkpoint's file; images of disks are not in it. */
  readonly fileBytes: number;
  /** What it rests on beside that file. */
  readonly restsOn: readonly RestReport[];
}

/** How far a checkpoint is that is being made. */
export interface CheckpointProgress {
  /** Of the checkpoint, as in its report. */
  readonly name: string;
  /** Bytes of its file, of which nobody knows beforehand how many there will be. */
  readonly fileBytes: number;
  /** Bytes of the disks that are copied, or were passed over because they are empty. */
  readonly copiedBytes: number;
  /** Bytes of the disks that are to be copied in all; 0: the images are kept as they are. */
  readonly toCopyBytes: number;
}

/** Whether a machine that goes on from the same state as another is to be told apart from it. */
export type IdentityChoice = 'fresh' | 'same';
export const IDENTITIES: readonly IdentityChoice[] = ['fresh', 'same'];

/** What the time is for a machine that goes on from a state which is some time ago. */
export type ClockChoice = 'follow' | 'steps' | 'keep';
export const CLOCKS: readonly ClockChoice[] = ['follow', 'steps', 'keep'];

/** How a machine goes on from a state that another machine may go on from, too. */
export interface ContinueOptions {
  /**
   * 'fresh' (default): it is another machine, with random numbers of its own, and its kernel is told so (VM generation
   * id). 'same': it goes on with the same random numbers. With a kept clock, two that get the same input then do the
   * same.
   */
  readonly identity?: IdentityChoice;
  /**
   * 'follow' (default): guest time makes up for an absence of up to a second; after a longer one it goes on from where
   * it was, and the real-time clock is right at once. 'steps': guest time makes up for any absence, whenever the guest
   * rests. 'keep': the clocks go on from where they were.
   */
  readonly clock?: ClockChoice;
}

export const CONTINUE_FIELDS = { identity: optional(choice(...IDENTITIES)), clock: optional(choice(...CLOCKS)) };

/** How `Machine.fork` makes the second machine. */
export interface ForkOptions extends ContinueOptions {
  /** Execute at once. Default true. */
  readonly start?: boolean;
}

const THREAD_NUMBERS = 0xffff;

const FORK_FIELDS = { ...CONTINUE_FIELDS, start: optional(flag()) };

export const FORK_OPTIONS: Schema<ForkOptions> = object(FORK_FIELDS);

/** `thread`: where it is to run; fronts of this process choose it. */
export const FORK_REQUEST: Schema<ForkOptions & { readonly thread?: number }> = object({
  ...FORK_FIELDS,
  thread: optional(wholeNumber(0, THREAD_NUMBERS)),
});

export interface ForkReport {
  /** The number of its thread, of those that run machines in this memory. */
  readonly thread: number;
  /** The number of the new machine in its thread. */
  readonly machine: number;
  /** Milliseconds in which the parent did not execute. */
  readonly pauseMs: number;
  readonly started: boolean;
}

/** How `Machine.restore` makes a machine of a checkpoint. */
export interface RestoreOptions extends ContinueOptions {
  /** Folder of all checkpoints. Default: the user's. */
  readonly store?: string;
  /**
   * Where the machine's disks are put: copy-on-write images over those of the checkpoint, "disk0.qcow2" and so on,
   * which must not exist. Default: a folder that is gone when the machine ends.
   */
  readonly diskFolder?: string;
}
