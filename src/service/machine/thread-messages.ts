/**
 * Between a thread of machines, the process's main thread, and the other threads that run forks in the same memory.
 *
 *     main                          thread 0 (the first machine's)          thread n (for forks)
 *       | -- begin { configuration } -->  |                                     |
 *       | -- begin { join: number, lock, port to thread 0 } ------------------> |
 *       | -- share { n, port, lock } -->  | -- join { memory, origin } -------> |   opens what the origin names
 *       | <---------------------------------------------------- joined, failed -|
 *       | -- connect { port to each other thread } -> all of them               |
 *       | -- machine's request 'fork' -> whichever has it -- fork { snapshot } ->|   and the answer back
 *       | -- shut-down --> all of them, when the last machine has ended           |
 *       | <------------------------------------------------- shut-down -------|
 */
import type { FromMachine, ToMachine } from '../../api/actions.ts';
import type { ContinueOptions } from '../../api/checkpoint.ts';
import type { MachineConfiguration, RestoreConfiguration } from '../../api/options.ts';
import type { WireError } from '../../api/wire-error.ts';
import type { HandedSnapshot } from '../../memory/snapshot.ts';
import type { RemotePort } from '../../platform/threads.ts';
import type { PlainData } from '../../state/plain-data.ts';
import type { CheckpointPlace } from '../checkpoint/checkpointer.ts';
import type { DisksToFork } from '../disk/machine-disks.ts';
import type { RepliesOnTheirWay } from '../share/machine-shares.ts';

/** A message, and whose it is. */
export interface Envelope<Message> {
  readonly machine: number;
  readonly message: Message;
}

/** The word of the lock of a memory that several threads use (memory/lock.ts). */
export type LockWord = Int32Array<SharedArrayBuffer>;

/** How a thread takes part in a fork group: its number, and its way to the first thread. */
export interface Joining {
  readonly thread: number;
  readonly lock: LockWord;
  readonly first: RemotePort;
}

/** The first message to a thread: what it is for. */
export interface ThreadRequest {
  readonly task: MachineConfiguration | RestoreConfiguration | Joining;
  readonly interpreter: WebAssembly.Module;
  /** To the thread that compiles regions, if there is one. */
  readonly compiler?: RemotePort;
}

/** From the main thread. */
export type ToThread =
  | Envelope<ToMachine>
  /** To the first thread: another one is to run forks. */
  | { readonly kind: 'share'; readonly thread: number; readonly port: RemotePort; readonly lock: LockWord }
  /** A way to another thread of the fork group. */
  | { readonly kind: 'connect'; readonly thread: number; readonly port: RemotePort }
  /** No machine of the fork group is left. */
  | { readonly kind: 'shut-down' };

/** To the main thread. */
export type FromThread =
  | Envelope<FromMachine>
  /** Forks can be put here, or can't. */
  | { readonly kind: 'joined' }
  | { readonly kind: 'failed'; readonly error: WireError }
  | { readonly kind: 'shut-down' };

/** What all machines of a fork group go back to: what the first one was made from. */
export interface ForkGroupOrigin {
  readonly configuration: MachineConfiguration;
  /** What its pages come from that nobody has touched. */
  readonly checkpoint?: CheckpointPlace;
}

/** A fork on its way to the thread that it is to run in. */
export interface ForkRequest extends Required<ContinueOptions> {
  readonly memory: HandedSnapshot;
  readonly state: PlainData;
  readonly disks: DisksToFork;
  /** Answers of shared folders that the machine had not got yet. */
  readonly replies: RepliesOnTheirWay;
  readonly parent: CheckpointPlace | undefined;
  readonly start: boolean;
}

/** Between threads of a fork group. */
export type PeerMessage =
  | { readonly kind: 'join'; readonly memory: WebAssembly.Memory; readonly origin: ForkGroupOrigin }
  | { readonly kind: 'fork'; readonly id: number; readonly request: ForkRequest }
  | { readonly kind: 'forked'; readonly id: number; readonly machine: number }
  | { readonly kind: 'refused'; readonly id: number; readonly error: WireError };
