/**
 * Threads that have no memory in common but what is given to them as shared, and messages between them: `worker_threads` in Node.js,
 * workers in a browser. What a thread runs is named, since hosts find a program's text in different ways; each name stands for a function
 * in service/thread-tasks.ts.
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
  /** Set once, before which messages wait. */
  onMessage(listener: (message: unknown) => void): void;
  /** The other end is closed or its thread has ended, where the host tells. */
  onClose(listener: () => void): void;
  /** The next message that has come and was not heard, for who cannot wait for the event loop; undefined: none. */
  takeNow(): { readonly message: unknown } | undefined;
  close(): void;
}

/** A thread, as seen by the one that started it. */
export interface Thread extends Port {
  /** It ended by itself or through an error, not by `terminate`. */
  onEnd(listener: (error: unknown) => void): void;
  /** Whether the process stays for the thread's sake; at first it does. */
  keepAlive(wanted: boolean): void;
  /** Ends the thread at once, whatever it does. */
  terminate(): Promise<void>;
}

/** What a thread is given when it starts. */
export interface ThreadStart {
  /** The way to the thread that started this one. */
  readonly parent: Port;
  readonly data: unknown;
}

export interface SpawnOptions {
  /** For debuggers and process lists. */
  readonly name: string;
  /** Copied as a message is. */
  readonly data?: unknown;
  /** It produces little garbage, and is to keep little room for it. */
  readonly smallHeap?: boolean;
}

export interface Threads {
  /** How many threads of this host execute at the same time. */
  readonly processors: number;
  spawn(task: ThreadTask, options: SpawnOptions): Thread;
  /** Two ends, one of which is to be given away. */
  channel(): { readonly here: Port; readonly there: RemotePort };
  /** The port that came with a message. */
  port(remote: RemotePort): Port;
  /** This thread gives way to others where processors are few. A courtesy: not all hosts can. */
  lowerPriority(): void;
}
