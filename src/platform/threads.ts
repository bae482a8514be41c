/**
 * Threads that have no memory in common but what is given to them as shared, and messages between them:
 * `worker_threads` in Node.js, workers in a browser. What a thread runs is named, since hosts find a program's text in
 * different ways; each name stands for a function in service/thread-tasks.ts.
 */

export type ThreadTask = 'machine' | 'compiler' | 'checkpoint-writer';

/** What can be given away with a message. */
export type Transferable = ArrayBuffer | RemotePort;

/** A port on its way to another thread. Opaque: `Threads.port` of the thread that it comes to makes a Port of it. */
export interface RemotePort {
  readonly remotePort: never;
}

/** One end of a channel. Messages are copied as `structuredClone` does, and come in order. */
export interface Port {
  post(message: unknown, transfer?: readonly Transferable[]): void;
  /** Set once, before which messages wait. While it is set and the port is open the thread does not end by itself. */
  onMessage(listener: (message: unknown) => void): void;
  /** The other end is closed or its thread has ended, where the host tells. */
  onClose(listener: () => void): void;
  /**
   * The next message that has come and was not heard, for who has no listener and cannot wait; undefined: none. Where a
   * host delivers messages only by its event loop, one that came since the last turn is not there yet.
   */
  takeNow(): { readonly message: unknown } | undefined;
  /** Nothing comes or goes any more. What was posted before still arrives. */
  close(): void;
}

/** A thread, as seen by the one that started it. */
export interface Thread {
  post(message: unknown, transfer?: readonly Transferable[]): void;
  /** Set once, before the thread has anything to say. */
  onMessage(listener: (message: unknown) => void): void;
  /** It has ended, after all that it said was heard: by itself, by `terminate`, or through `error`, if there is one. */
  onEnd(listener: (error: unknown) => void): void;
  /** Whether the process stays for the thread's sake; at first it does. */
  keepAlive(wanted: boolean): void;
  /** Ends the thread at once, whatever it does. */
  terminate(): Promise<void>;
}

/** What a thread is given when it starts. */
export interface ThreadStart {
  /** The way to the thread that started this one. When it is closed the thread ends, if nothing else is under way. */
  readonly parent: Port;
  readonly data: unknown;
}

export interface SpawnOptions {
  /** For debuggers and process lists. */
  readonly name: string;
  /** Copied as a message is. */
  readonly data?: unknown;
  /** It has little in its own heap, and keeps what it has: it is to have little room for garbage. */
  readonly smallHeap?: boolean;
}

export interface Threads {
  /** How many threads of this host execute at the same time. */
  readonly processors: number;
  spawn(task: ThreadTask, options: SpawnOptions): Thread;
  /** Two ends, to be given away with a message, or used here by way of `port`. */
  channel(): readonly [RemotePort, RemotePort];
  /** A port that came with a message, or an end of a channel of this thread. Once for each. */
  port(remote: RemotePort): Port;
  /** This thread gives way to others where processors are few. A courtesy: not all hosts can. */
  lowerPriority(): void;
}
