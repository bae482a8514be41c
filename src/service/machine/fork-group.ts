import type { ForkReport } from '../../api/checkpoint.ts';
import type { MachineLink } from '../../api/link.ts';
import { type MachineConfiguration, type RestoreConfiguration, THREADS_LIMIT } from '../../api/options.ts';
import { GodwitError } from '../../common/errors.ts';
import { compilesApart } from '../../machine/engine.ts';
import { holderOf, LOCK_WORDS, MemoryLock } from '../../memory/lock.ts';
import { platform } from '../../platform/platform.ts';
import { LOST, MachineThread, type Receiver, type ThreadEvents } from './machine-thread.ts';
import { FIRST_THREAD } from './thread-machines.ts';
import type { LockWord } from './thread-messages.ts';

/** The main thread's number as a holder of the lock. */
const MAIN = 1000;
const LOCK_TRIES = 1000;

/**
 * A machine and all its forks, in one memory: they are spread over threads, one for each processor, all of which see
 * the same frames. The threads beside the first are started with the first fork, and serve forks from the moment that
 * they are ready.
 */
export class ForkGroup {
  private readonly threads: (MachineThread | undefined)[] = [];
  /** Those that forks can be put into. */
  private readonly open = new Set<MachineThread>();
  private readonly interpreter: WebAssembly.Module;
  private readonly compilesApart: boolean;
  private readonly threadCount: number;
  private lock: LockWord | undefined;
  /** Threads that have not said yet that they are done, when no machine is left. */
  private readonly undone = new Set<number>();
  private exitReports: (() => void)[] = [];

  /** `threads`: at most so many. */
  constructor(
    configuration: MachineConfiguration | RestoreConfiguration,
    interpreter: WebAssembly.Module,
    threads: number = Math.min(platform().threads.processors, THREADS_LIMIT),
  ) {
    this.interpreter = interpreter;
    this.threadCount = threads;
    this.compilesApart = compilesApart(configuration.translation);
    const first = new MachineThread(
      { task: configuration, interpreter, compilesApart: this.compilesApart },
      this.events(FIRST_THREAD),
    );
    this.threads.push(first);
    this.open.add(first);
  }

  /** The first machine can be started. */
  get ready(): Promise<void> {
    return this.threads[FIRST_THREAD]!.ready;
  }

  private events(number: number): ThreadEvents {
    return {
      machineEnded: (deliver) => this.reportEnd(deliver),
      shutDown: () => this.noteShutDown(number),
      exited: () => this.exited(number),
    };
  }

  attach(thread: number, machine: number, receiver: Receiver): void {
    const attached = this.threads[thread];
    if (attached) attached.attach(machine, receiver);
    else receiver.fail(new GodwitError('state', LOST));
  }

  link(thread: number, machine: number): MachineLink {
    return {
      post: (message) => this.threads[thread]?.send(machine, message),
      terminate: () => this.terminate(thread, machine),
    };
  }

  /**
   * Has a fork made in the thread that has the fewest machines; if several, in the parent's, where that costs least.
   */
  async fork(parent: number, request: (thread: number) => Promise<ForkReport>): Promise<ForkReport> {
    this.grow();
    const thread = this.threads[parent] ? this.leastLoaded(parent) : parent;
    const work = request(thread);
    try {
      return (await this.threads[thread]?.expecting(work)) ?? (await work);
    } catch (error) {
      // The last machine may have ended meanwhile, and a fork that nobody waits for any more have begun.
      if (this.isEmpty) this.shutDown();
      throw error;
    }
  }

  private leastLoaded(parent: number): number {
    let best = parent;
    for (const [number, thread] of this.threads.entries()) {
      if (thread && this.open.has(thread) && thread.load < this.threads[best]!.load) best = number;
    }
    return best;
  }

  /** Starts the other threads, once. Nobody waits for them. */
  private grow(): void {
    if (this.lock || this.threadCount === 1) return;
    this.lock = new Int32Array(new SharedArrayBuffer(LOCK_WORDS * Int32Array.BYTES_PER_ELEMENT));
    for (let number = FIRST_THREAD + 1; number < this.threadCount; number++) this.addThread(number, this.lock);
  }

  private addThread(number: number, lock: LockWord): void {
    const { interpreter } = this;
    const [port, first] = platform().threads.channel();
    const task = { thread: number, lock, first };
    const thread = new MachineThread({ task, interpreter, compilesApart: this.compilesApart }, this.events(number));
    this.threads[number] = thread;
    this.threads[FIRST_THREAD]!.post({ kind: 'share', thread: number, port, lock });
    thread.ready.then(
      () => this.admit(number, thread),
      // What the first machine was made from is gone, perhaps: forks go to the threads that there are.
      () => {},
    );
  }

  /** Connects it with those that are ready. */
  private admit(number: number, thread: MachineThread): void {
    for (const [other, peer] of this.threads.entries()) {
      if (!peer || !this.open.has(peer) || other === FIRST_THREAD) continue;
      const [one, another] = platform().threads.channel();
      peer.post({ kind: 'connect', thread: number, port: one });
      thread.post({ kind: 'connect', thread: other, port: another });
    }
    this.open.add(thread);
  }

  private get isEmpty(): boolean {
    return this.threads.every((thread) => !thread || thread.load === 0);
  }

  /** A machine is over. With the last one the threads take away what is left before its handle learns it. */
  private reportEnd(deliver: () => void): void {
    if (!this.lock || !this.isEmpty) {
      deliver();
      return;
    }
    this.exitReports.push(deliver);
    this.shutDown();
  }

  private shutDown(): void {
    for (const [number, thread] of this.threads.entries()) {
      if (!thread) continue;
      this.undone.add(number);
      thread.post({ kind: 'shut-down' });
    }
  }

  private noteShutDown(number: number): void {
    this.undone.delete(number);
    if (this.undone.size > 0) return;
    for (const deliver of this.exitReports.splice(0)) deliver();
  }

  private exited(number: number): void {
    const thread = this.threads[number];
    if (!thread) return;
    this.open.delete(thread);
    this.threads[number] = undefined;
    this.noteShutDown(number);
    // In the middle of a change to what all threads share: the others would wait for ever.
    const isStuck = this.lock !== undefined && holderOf(this.lock) === number;
    if (isStuck || (this.isEmpty && this.exitReports.length === 0)) this.endAll();
  }

  private endAll(): void {
    for (const thread of this.threads) void thread?.terminate();
  }

  /** Ends the machine's thread at once, if no other machine would suffer. */
  private async terminate(number: number, machine: number): Promise<void> {
    const thread = this.threads[number];
    if (!thread) return;
    thread.detach(machine);
    if (this.isEmpty) await Promise.all(this.threads.map((each) => each?.terminate()));
    else if (thread.load === 0 && number !== FIRST_THREAD) await this.terminateApart(thread);
    // Others need the thread: all that can be done is to ask.
    else thread.send(machine, { kind: 'request', id: -1, action: 'stop', parameters: undefined });
  }

  /** Others go on with the memory: nobody may be changing what they share. */
  private async terminateApart(thread: MachineThread): Promise<void> {
    const lock = new MemoryLock(this.lock!, MAIN);
    for (let tries = 0; !lock.tryAcquire(); tries++) {
      if (tries === LOCK_TRIES)
        throw new GodwitError('state', 'The machine cannot be killed: its thread does not answer.');
      await platform().timers.sleep(1);
    }
    try {
      await thread.terminate();
    } finally {
      lock.release();
    }
  }
}
