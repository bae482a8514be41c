import { GodwitError } from '../common/errors.ts';
import { callback } from '../common/schema.ts';
import type { OpenAction } from './actions.ts';
import {
  ACTIONS,
  type ActionName,
  type ActionRow,
  type FromMachine,
  type MachineActions,
  parseParameters,
} from './actions.ts';
import {
  type CheckpointOptions,
  type CheckpointReport,
  FORK_OPTIONS,
  type ForkOptions,
  type ForkReport,
} from './checkpoint.ts';
import { MachineConsole } from './console.ts';
import type { DebugOptions } from './debug.ts';
import {
  type EventMessage,
  eventOf,
  LISTENER_EVENT,
  type ListenerEvent,
  type MachineEnd,
  type MachineEvents,
  takenBytesOf,
} from './events.ts';
import {
  type AskAgent,
  type ExecOptions,
  type ExecResult,
  execute,
  type GuestCommand,
  GuestProcess,
  type SpawnOptions,
} from './guest-process.ts';
import { ActionClient, type MachineLink } from './link.ts';
import { type RecordingReport, type RecordOptions, SAVE_FLIGHT_MORE, type SaveFlightOptions } from './recording.ts';
import type { MachineStatistics } from './statistics.ts';
import { type MachineStatus, requireStatus } from './status.ts';
import { fromWireError } from './wire-error.ts';

/** A machine waits for the promises of its 'trace' listeners before it traces much more. Listeners do not throw. */
export type MachineListener<Event> = (event: Event) => void | Promise<void>;

const LISTENER = callback<MachineListener<never>>();

/**
 * A machine that runs somewhere else, in a thread of its own. Control calls are answered between slices of its
 * execution, within milliseconds.
 */
export class MachineHandle {
  /** Its console: what the guest prints, and what is typed. */
  readonly console: MachineConsole;
  /**
   * Resolves when the guest has powered off or failed, or `stop` was called; all files are closed then. Rejects with a
   * GodwitError when the machine broke down. It need not be awaited.
   */
  readonly finished: Promise<MachineEnd>;
  private readonly link: MachineLink;
  private readonly client: ActionClient;
  private readonly listeners = new Map<ListenerEvent, Set<MachineListener<never>>>();
  /** Actions that the handle has a part in itself. */
  private readonly ownActions: { readonly [Name in OpenAction]?: () => Promise<MachineActions[Name]['result']> } = {
    stop: async () => {
      await this.stop();
      return undefined;
    },
    statistics: () => this.stats(),
  };
  private state: MachineStatus;
  private end: MachineEnd | undefined;
  private stopping: Promise<void> | undefined;
  private settle: { resolve(end: MachineEnd): void; reject(error: GodwitError): void } = {
    resolve: () => {},
    reject: () => {},
  };

  /** @internal `status`: forks run already when their handle is made. */
  constructor(link: MachineLink, status: 'created' | 'running' = 'created') {
    this.state = status;
    this.link = link;
    this.client = new ActionClient(link);
    this.finished = new Promise((resolve, reject) => {
      this.settle = { resolve, reject };
    });
    this.finished.catch(() => {});
    this.console = new MachineConsole({
      write: (bytes) => this.ask('input', { bytes }),
      resize: (columns, rows) => this.ask('resize', { columns, rows }),
      consumed: (bytes) => this.link.post({ kind: 'consumed', bytes }),
    });
  }

  /** What it does, as far as this side knows: a machine that ended just now may be 'running' for a moment longer. */
  get status(): MachineStatus {
    return this.state;
  }

  /**
   * @internal For fronts: an action by its name, with parameters that are checked here. As the method of that name.
   * @throws GodwitError 'usage' for parameters that make no sense, 'state' when the machine is in none for it
   */
  async perform<Name extends OpenAction>(action: Name, parameters: unknown): Promise<MachineActions[Name]['result']> {
    const own = this.ownActions[action];
    if (!own) return await this.ask(action, parameters);
    parseParameters(action, parameters);
    return await own();
  }

  private async ask<Name extends ActionName>(
    action: Name,
    parameters?: unknown,
  ): Promise<MachineActions[Name]['result']> {
    const { when }: ActionRow = ACTIONS[action];
    const parsed = parseParameters(action, parameters);
    if (when) requireStatus(this.state, when.to, when.from);
    if (when?.becomes) this.state = when.becomes;
    return await this.client.request(action, parsed);
  }

  /** Begins to execute. Throws GodwitError('state') unless the machine was just created. */
  async start(): Promise<void> {
    await this.ask('start');
  }

  /**
   * Holds the machine: when this resolves no instruction executes and guest time stands still. Pausing a paused machine
   * does nothing. Throws GodwitError('state') when it is not running.
   */
  async pause(): Promise<void> {
    await this.ask('pause');
  }

  /** Lets a paused machine go on. Does nothing to a running one. Throws GodwitError('state') for all others. */
  async resume(): Promise<void> {
    await this.ask('resume');
  }

  /**
   * Keeps the machine as it is now, under a name, while it goes on: it stands still for about a millisecond, whatever
   * its size. Resolves when the checkpoint is on stable storage. Works on running and on paused machines.
   * @throws GodwitError 'state' when the machine has not been started or has ended, 'usage' for a name that is taken,
   * 'full', 'io'
   */
  async checkpoint(options: CheckpointOptions = {}): Promise<CheckpointReport> {
    return await this.ask('checkpoint', options);
  }

  /**
   * Gives up the checkpoint that is being made, if there is one: `checkpoint` rejects then with GodwitError('state').
   */
  async cancelCheckpoint(): Promise<void> {
    await this.ask('cancel-checkpoint');
  }

  /**
   * Records everything that reaches the machine from here on, so that `godwit replay` can show again what it does. A
   * machine that was not started yet is recorded from its beginning.
   * @throws GodwitError 'state' when the machine has ended, 'usage' for a file that exists, 'denied', 'not-found',
   * 'full'
   */
  async record(options: RecordOptions): Promise<void> {
    await this.ask('record', options);
  }

  /**
   * Ends a recording, or the flight recorder, whose recording is made then; the file is whole when this resolves.
   * `path` may be left out when there is only one.
   */
  async stopRecording(path?: string): Promise<RecordingReport> {
    return await this.ask('stop-recording', { path });
  }

  /**
   * Makes a recording of what `record` with `lastMinutes` keeps, which goes on. Gives its length in bytes.
   * @throws GodwitError 'state' when there is no flight recorder, 'usage' for a file that exists
   */
  async saveFlight(path: string, options: Omit<SaveFlightOptions, 'path'> = {}): Promise<number> {
    return await this.ask('save-flight', { ...SAVE_FLIGHT_MORE.parse(options, 'options'), path });
  }

  /**
   * Lets gdb connect, and gives the address for its `target remote`. The machine stops when a debugger connects, and
   * goes on when it goes.
   * @throws GodwitError 'state' when the machine has ended or debuggers can connect already, 'usage', 'locked',
   * 'denied' for the address
   */
  async debug(options: DebugOptions): Promise<string> {
    return await this.ask('debug', options);
  }

  /** @internal For what the guest's agent does. */
  protected readonly askAgent: AskAgent = (action, parameters) => this.ask(action, parameters);

  /**
   * Runs a command in the guest, and gives its output and status when it has ended. A text is a line for the guest's
   * /bin/sh; a list is a program and its arguments. The guest needs an agent, which godwit's own guests have; one that
   * still boots is waited for.
   * @throws GodwitError 'state' when no agent answers, the machine does not run or ends, or the command was given up;
   * 'usage', 'limit'
   */
  async exec(command: GuestCommand, options: ExecOptions = {}): Promise<ExecResult> {
    return await execute(this.askAgent, command, options);
  }

  /** The same for one whose output is read while it runs. */
  async spawn(command: GuestCommand, options: SpawnOptions = {}): Promise<GuestProcess> {
    return await GuestProcess.start(this.askAgent, command, options);
  }

  /**
   * @internal For platforms, whose handle makes one of the answer. `place` chooses the thread, and has the request
   * sent. `goesOn`: it goes on from a state that a machine was in, so there is something to fork before it starts.
   */
  protected async requestFork(
    options: ForkOptions,
    goesOn: boolean,
    place: (send: (thread: number) => Promise<ForkReport>) => Promise<ForkReport>,
  ): Promise<ForkReport> {
    const { to, from } = ACTIONS.fork.when;
    const parsed = FORK_OPTIONS.parse(options, 'options');
    requireStatus(this.state, to, goesOn ? from : from.filter((status) => status !== 'created'));
    return await place((thread) => this.ask('fork', { ...parsed, thread }));
  }

  /**
   * Ends the machine as if its power failed: the guest is not asked. What it wrote to its disks is on stable storage
   * and the images are unlocked when this resolves. Stopping a machine that has ended, or twice, does nothing.
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

  /**
   * Ends the machine's thread at once. Writes that were under way may be lost: for machines that `stop` does not end.
   */
  async kill(): Promise<void> {
    this.fail(new GodwitError('state', 'The machine was killed.'));
    await this.link.terminate();
  }

  /** What the machine did so far, or in all when it has ended. */
  async stats(): Promise<MachineStatistics> {
    return this.end?.statistics ?? (await this.ask('statistics'));
  }

  /** Calls `listener` for each event of that name. Returns what takes it away again. */
  on<Name extends ListenerEvent>(name: Name, listener: MachineListener<MachineEvents[Name]>): () => void {
    LISTENER_EVENT.parse(name, 'name');
    LISTENER.parse(listener, 'listener');
    const listeners = this.listeners.get(name) ?? new Set();
    this.listeners.set(name, listeners.add(listener));
    return () => listeners.delete(listener);
  }

  /** @internal For platforms: a message of the machine's thread. */
  receive(message: FromMachine): void {
    switch (message.kind) {
      case 'ready':
        break;
      case 'reply':
      case 'refusal':
        this.client.receive(message);
        break;
      case 'output':
        this.console.receive(message.bytes);
        break;
      case 'ended':
        this.finish(message.end);
        break;
      case 'failed':
        this.fail(fromWireError(message.error));
        break;
      default:
        void this.tell(message);
    }
  }

  /** Those who listen. */
  private async tell(message: EventMessage): Promise<void> {
    const heard = eventOf(message);
    if (!heard) return;
    try {
      await Promise.all([...(this.listeners.get(heard.name) ?? [])].map((listener) => listener(heard.event)));
    } finally {
      // A listener that throws is nothing that the machine should wait for.
      const bytes = takenBytesOf(message);
      if (bytes > 0) this.link.post({ kind: 'consumed', bytes });
    }
  }

  private finish(end: MachineEnd): void {
    if (this.state === 'failed' || this.state === 'ended') return;
    this.state = 'ended';
    this.end = end;
    this.close(new GodwitError('state', 'The machine has ended.'));
    this.settle.resolve(end);
  }

  /** @internal For platforms: the machine's thread is gone. */
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
