/**
 * All that can be asked of a machine while it exists, and all that it says. One list for every front: the library and the
 * command line send these messages to the machine's thread.
 *
 *     front                                   machine's thread
 *       | -- configuration (at creation) -->       |   opens files, locks disks, puts images into memory
 *       | <----------- ready or failed ---         |
 *       | -- request { id, action } ------>        |
 *       | <----- reply or refusal { id } --        |   in any order
 *       | <----- output, disk-error, trace, ...    |
 *       | -- consumed (output was read) ->        |   it stops printing when too much is on its way
 *       | <----------- ended or failed ---         |   the last message; files are closed
 */
import type { CheckpointOptions, CheckpointProgress, CheckpointReport, ForkOptions, ForkReport } from './checkpoint.ts';
import type { DebugOptions } from './debug.ts';
import type { ConsolePort, TerminalSize } from './options.ts';
import type { RecordingReport, RecordOptions, SaveFlightOptions } from './recording.ts';
import type { MachineStatistics } from './statistics.ts';
import type { WireError } from './wire-error.ts';

export interface MachineActions {
  /** Begins to execute. Once. */
  start: { parameters: undefined; result: undefined };
  /** No instruction executes and guest time stands still when it is answered. */
  pause: { parameters: undefined; result: undefined };
  resume: { parameters: undefined; result: undefined };
  /** Ends the machine as if its power failed; what it wrote to its disks is kept. */
  stop: { parameters: undefined; result: undefined };
  statistics: { parameters: undefined; result: MachineStatistics };
  /** Bytes for the console; answered when the guest's device has them all. */
  input: { parameters: { readonly bytes: Uint8Array }; result: undefined };
  resize: { parameters: TerminalSize; result: undefined };
  /** A checkpoint of the machine as it is when this is asked for; answered when it is on stable storage. */
  checkpoint: { parameters: CheckpointOptions; result: CheckpointReport };
  /** The checkpoint that is being made is given up: `checkpoint` is refused then, and nothing of it is left. */
  'cancel-checkpoint': { parameters: undefined; result: undefined };
  /** A second machine in the same memory, that goes on from here; in the same thread unless another is named. */
  fork: { parameters: ForkOptions & { readonly thread?: number }; result: ForkReport };
  /** Everything from here on is recorded. */
  record: { parameters: RecordOptions; result: undefined };
  /** Answered when the file is whole. Without a path: the only recording. */
  'stop-recording': { parameters: { readonly path?: string }; result: RecordingReport };
  /** What the flight recorder keeps becomes a recording; answered when the file is whole, with its length. */
  'save-flight': { parameters: SaveFlightOptions; result: number };
  /** Debuggers can connect, to the address that is the answer. */
  debug: { parameters: DebugOptions; result: string };
}

export type ActionName = keyof MachineActions;

export type ActionRequest = {
  [Name in ActionName]: {
    readonly kind: 'request';
    readonly id: number;
    readonly action: Name;
    readonly parameters: MachineActions[Name]['parameters'];
  };
}[ActionName];

export type ToMachine = ActionRequest | { readonly kind: 'consumed'; readonly bytes: number };

/** How a machine ended. */
export interface MachineEnd {
  /** 'power-off' and 'failure' are the guest's doing; 'stopped' is that of `stop`. */
  readonly reason: 'power-off' | 'failure' | 'stopped';
  /** What a process that stands for the guest exits with: 0 to 255; not 0 for a failure. */
  readonly exitCode: number;
  readonly statistics: MachineStatistics;
}

export type FromMachine =
  | { readonly kind: 'ready' }
  | { readonly kind: 'reply'; readonly id: number; readonly result: unknown }
  | { readonly kind: 'refusal'; readonly id: number; readonly error: WireError }
  | { readonly kind: 'output'; readonly port: ConsolePort; readonly bytes: Uint8Array }
  /** The host failed to read or write a disk; the guest was told so too. */
  | { readonly kind: 'disk-error'; readonly disk: number; readonly error: WireError }
  /** A recording had to be given up, and the machine goes on. */
  | { readonly kind: 'recording-error'; readonly error: WireError }
  | { readonly kind: 'checkpoint-progress'; readonly progress: CheckpointProgress }
  | { readonly kind: 'trace'; readonly text: string }
  | { readonly kind: 'ended'; readonly end: MachineEnd }
  | { readonly kind: 'failed'; readonly error: WireError };
