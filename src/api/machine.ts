import { GodwitError } from '../common/errors.ts';
import type { FromMachine, MachineEnd } from './actions.ts';
import type { CheckpointOptions, CheckpointProgress, CheckpointReport, ForkOptions, ForkReport } from './checkpoint.ts';
import { MachineConsole } from './console.ts';
import { checkDebugOptions, type DebugOptions } from './debug.ts';
import { ActionClient, type MachineLink } from './link.ts';
import type { RecordingReport, RecordOptions, SaveFlightOptions } from './recording.ts';
import type { MachineStatistics } from './statistics.ts';
import { fromWireError } from './wire-error.ts';

export type MachineStatus = 'created' | 'running' | 'paused' | 'ended' | 'failed';

/** What listeners get; see `MachineHandle.on`. */
export interface MachineEvents {
  /** The host failed to read or write a disk; the guest got an I/O error. `disk` counts from 0. */
  'disk-error': { readonly disk: number; readonly error: GodwitError };
  /** A recording could not be written any further; the machine goes on without it. */
  'recording-error': GodwitError;
  /** Now and then while a checkpoint is being made. */
  'checkpoint-progress': CheckpointProgress;
  /** Lines of a trace, each with its line end. */
  trace: string;
}

/** A machine waits for the promises of its 'trace' listeners before it traces much more. Listeners do not throw. */
type Listener<Event> = (event: Event) => void | Promise<void>;

/**
 * A machine that runs somewhere else, in a thread of its own. Control calls are answered between slices of its execution, within
 * milliseconds. The statuses:
 *
 *     created --start--> running <--pause/resume--> paused
 *         |                 |                         |
 *         +---- stop -------+---- stop, guest --------+----> ended
 *                           +---- a mistake of ours --+----> failed
 */
export class MachineHandle {
  readonly console: MachineConsole;
  /**
   * Resolves when the guest has powered off or failed, or `stop` was called; all files are closed then. Rejects with a GodwitError
   * when the machine broke down. It need not be awaited.
   */
  readonly finished: Promise<MachineEnd>;
  private readonly link: MachineLink;
  private readonly client: ActionClient;
  private readonly listeners: { [Name in keyof MachineEvents]: Set<Listener<MachineEvents[Name]>> } = {
    'disk-error': new Set(),
    'recording-error': new Set(),
    'checkpoint-progress': new Set(),
    trace: new Set(),
  };
  private state: MachineStatus;
  private end: MachineEnd | undefined;
  private stopping: Promise<void> | undefined;
  private settle: { resolve(end: MachineEnd): void; reject(error: GodwitError): void } = {
    resolve: () => {},
    reject: () => {},
  };

  /** `status`: forks run already when their handle is made. */
  constructor(link: MachineLink, status: 'created' | 'running' = 'created') {
    this.state = status;
    this.link = link;
    this.client = new ActionClient(link);
    this.finished = new Promise((resolve, reject) => {
      this.settle = { resolve, reject };
    });
    this.finished.catch(() => {});
    this.console = new MachineConsole({
      write: (bytes) => this.client.request('input', { bytes }),
      resize: (columns, rows) => this.client.request('resize', { columns, rows }),
      consumed: (bytes) => this.link.post({ kind: 'consumed', bytes }),
    });
  }

  get status(): MachineStatus {
    return this.state;
  }

  /** Begins to execute. Throws GodwitError('state') unless the machine was just created. */
  async start(): Promise<void> {
    this.require('be started', 'created');
    this.state = 'running';
    await this.client.request('start', undefined);
  }

  /**
   * Holds the machine: when this resolves no instruction executes and guest time stands still. Pausing a paused machine does nothing.
   * Throws GodwitError('state') when it is not running.
   */
  async pause(): Promise<void> {
    this.require('be paused', 'running', 'paused');
    this.state = 'paused';
    await this.client.request('pause', undefined);
  }

  /** Lets a paused machine go on. Does nothing to a running one. Throws GodwitError('state') for all others. */
  async resume(): Promise<void> {
    this.require('go on', 'running', 'paused');
    this.state = 'running';
    await this.client.request('resume', undefined);
  }

  /**
   * Keeps the machine as it is now, under a name, while it goes on: it stands still for about a millisecond, whatever its size. Resolves
   * when the checkpoint is on stable storage. Works on running and on paused machines.
   * @throws GodwitError 'state' when the machine has not been started or has ended, 'usage' for a name that is taken, 'full', 'io'
   */
  async checkpoint(options: CheckpointOptions = {}): Promise<CheckpointReport> {
    this.require('be checkpointed', 'running', 'paused');
    return await this.client.request('checkpoint', options);
  }

  /** Gives up the checkpoint that is being made, if there is one: `checkpoint` rejects then with GodwitError('state'). */
  async cancelCheckpoint(): Promise<void> {
    await this.client.request('cancel-checkpoint', undefined);
  }

  /**
   * Records everything that reaches the machine from here on, so that `godwit replay` can show again what it does. A machine that was not
   * started yet is recorded from its beginning.
   * @throws GodwitError 'state' when the machine has ended, 'usage' for a file that exists, 'denied', 'not-found', 'full'
   */
  async record(options: RecordOptions): Promise<void> {
    this.require('be recorded', 'created', 'running', 'paused');
    checkRecordOptions(options);
    await this.client.request('record', options);
  }

  /**
   * Ends a recording, or the flight recorder, whose recording is made then; the file is whole when this resolves. `path` may be left out
   * when there is only one.
   */
  async stopRecording(path?: string): Promise<RecordingReport> {
    return await this.client.request('stop-recording', path === undefined ? {} : { path });
  }

  /**
   * Makes a recording of what `record` with `lastMinutes` keeps, which goes on. Gives its length in bytes.
   * @throws GodwitError 'state' when there is no flight recorder, 'usage' for a file that exists
   */
  async saveFlight(path: string, { replace = false }: Omit<SaveFlightOptions, 'path'> = {}): Promise<number> {
    return await this.client.request('save-flight', { path, replace });
  }

  /**
   * Lets gdb connect, and gives the address for its `target remote`. The machine stops when a debugger connects, and goes on when it
   * goes.
   * @throws GodwitError 'state' when the machine has ended or debuggers can connect already, 'usage', 'locked', 'denied' for the address
   */
  async debug(options: DebugOptions): Promise<string> {
    this.require('be debugged', 'created', 'running', 'paused');
    checkDebugOptions(options);
    return await this.client.request('debug', options);
  }

  /**
   * For platforms, whose handle makes one of the answer. `place` chooses the thread, and has the request sent. `goesOn`: it goes on from a state
   * that a machine was in, so there is something to fork before it starts.
   */
  protected async requestFork(
    options: ForkOptions,
    goesOn: boolean,
    place: (send: (thread: number) => Promise<ForkReport>) => Promise<ForkReport>,
  ): Promise<ForkReport> {
    this.require('be forked', ...(goesOn ? (['created'] as const) : []), 'running', 'paused');
    return await place((thread) => this.client.request('fork', { ...options, thread }));
  }

  /**
   * Ends the machine as if its power failed: the guest is not asked. What it wrote to its disks is on stable storage and the
   * images are unlocked when this resolves. Stopping a machine that has ended, or twice, does nothing.
   */
  stop(): Promise<void> {
    this.stopping ??= this.stopOnce();
    return this.stopping;
  }

  private async stopOnce(): Promise<void> {
    if (this.state === 'ended' || this.state === 'failed') return;
    // What remains is to wait for the end: one that came first is as good.
    this.client.request('stop', undefined).catch(() => {});
    await this.finished;
  }

  /** Ends the machine's thread at once. Writes that were under way may be lost: for machines that `stop` does not end. */
  async kill(): Promise<void> {
    this.fail(new GodwitError('state', 'The machine was killed.'));
    await this.link.terminate();
  }

  /** What the machine did so far, or in all when it has ended. */
  async stats(): Promise<MachineStatistics> {
    return this.end?.statistics ?? (await this.client.request('statistics', undefined));
  }

  /** Calls `listener` for each event of that name. Returns what takes it away again. */
  on<Name extends keyof MachineEvents>(name: Name, listener: Listener<MachineEvents[Name]>): () => void {
    this.listeners[name].add(listener);
    return () => this.listeners[name].delete(listener);
  }

  private require(what: string, ...statuses: MachineStatus[]): void {
    if (statuses.includes(this.state)) return;
    const is: Record<MachineStatus, string> = {
      created: 'has not been started',
      running: 'is running already',
      paused: 'has been started already',
      ended: 'has ended',
      failed: 'broke down',
    };
    throw new GodwitError('state', `The machine cannot ${what}: it ${is[this.state]}.`);
  }

  /** For platforms: a message of the machine's thread. */
  receive(message: FromMachine): void {
    switch (message.kind) {
      case 'reply':
      case 'refusal':
        this.client.receive(message);
        break;
      case 'output':
        this.console.receive(message.bytes);
        break;
      case 'disk-error':
        void this.emit('disk-error', { disk: message.disk, error: fromWireError(message.error) });
        break;
      case 'recording-error':
        void this.emit('recording-error', fromWireError(message.error));
        break;
      case 'checkpoint-progress':
        void this.emit('checkpoint-progress', message.progress);
        break;
      case 'trace':
        // A trace that is written slowly holds the machine up.
        void this.emit('trace', message.text).then(() =>
          this.link.post({ kind: 'consumed', bytes: message.text.length }),
        );
        break;
      case 'ended':
        this.finish(message.end);
        break;
      case 'failed':
        this.fail(fromWireError(message.error));
        break;
      case 'ready':
        break;
    }
  }

  private async emit<Name extends keyof MachineEvents>(name: Name, event: MachineEvents[Name]): Promise<void> {
    await Promise.all([...this.listeners[name]].map((listener) => listener(event)));
  }

  private finish(end: MachineEnd): void {
    if (this.state === 'failed' || this.state === 'ended') return;
    this.state = 'ended';
    this.end = end;
    this.close(new GodwitError('state', 'The machine has ended.'));
    this.settle.resolve(end);
  }

  /** For platforms: the machine's thread is gone. */
  fail(error: GodwitError): void {
    if (this.state === 'failed' || this.state === 'ended') return;
    this.state = 'failed';
    this.close(error);
    this.settle.reject(error);
  }

  private close(error: GodwitError): void {
    this.client.close(error);
    this.console.end();
  }
}

function checkRecordOptions({ path, lastMinutes }: RecordOptions): void {
  if (typeof path !== 'string' || path === '')
    throw new GodwitError('usage', 'A recording needs the path of its file.');
  if (lastMinutes !== undefined && !(Number.isFinite(lastMinutes) && lastMinutes > 0)) {
    throw new GodwitError('usage', `A flight recorder cannot keep ${lastMinutes} minutes.`);
  }
}
