/**
 * All that can be asked of a machine while it exists: one row for each action. Every front follows from these rows: the
 * library, the command line, and what other processes ask over a socket. To add an action, add its row here, what
 * performs it (service/machine/actions.ts) and a front's words.
 *
 *     front                                   machine's thread
 *       | -- configuration (at creation) -->       |   opens files, locks disks, puts images into memory
 *       | <----------- ready or failed ---         |
 *       | -- request { id, action } ------>        |
 *       | <----- reply or refusal { id } --        |   in any order
 *       | <----- output, disk-error, trace, ...    |   events (api/events.ts)
 *       | -- consumed (output was read) ->        |   it stops printing when too much is on its way
 *       | <----------- ended or failed ---         |   the last message; files are closed
 */
import { bytes, nothing, object, optional, type Parsed, type Schema, text } from '../common/schema.ts';
import {
  AGENT_REQUEST,
  AGENT_RESIZE,
  AGENT_SIGNAL,
  AGENT_START,
  AGENT_WRITE,
  type AgentOutput,
  type AgentRequest,
} from './agent.ts';
import { CHECKPOINT_OPTIONS, type CheckpointReport, FORK_REQUEST, type ForkReport } from './checkpoint.ts';
import { DEBUG_OPTIONS } from './debug.ts';
import type { EventMessage, ListenerEvent } from './events.ts';
import { TERMINAL_SIZE } from './options.ts';
import { RECORD_OPTIONS, type RecordingReport, SAVE_FLIGHT_OPTIONS } from './recording.ts';
import type { MachineStatistics } from './statistics.ts';
import type { MachineStatus } from './status.ts';
import type { WireError } from './wire-error.ts';

export type { MachineEnd } from './events.ts';

/** In what state of the machine an action makes sense. */
export interface StatusRule {
  /** As in "The machine cannot <be paused>". */
  readonly to: string;
  readonly from: readonly MachineStatus[];
  /** What the machine's handle calls it from the request on. */
  readonly becomes?: MachineStatus;
}

export interface ActionRow {
  readonly takes: Schema<unknown>;
  /** Only a type. */
  readonly gives: Gives<unknown>;
  /** Other processes of the user may ask for it, too. */
  readonly open: boolean;
  /** Left out: at any time. */
  readonly when?: StatusRule;
  /** Tells who asked how far it is. */
  readonly progress?: ListenerEvent;
  /** Asked for with the answer when the process that asked has gone. */
  readonly undo?: 'agent-cancel';
}

export interface Gives<Result> {
  /** Never there: it carries the type. */
  readonly result?: () => Result;
}

export function gives<Result>(): Gives<Result> {
  return {};
}

const NO_ANSWER = gives<undefined>();

const STARTED = ['running', 'paused'] as const;
const LIVE = ['created', ...STARTED] as const;

export const ACTIONS = {
  /** Begins to execute. Once. */
  start: {
    takes: nothing(),
    gives: NO_ANSWER,
    open: false,
    when: { to: 'be started', from: ['created'], becomes: 'running' },
  },
  /** No instruction executes and guest time stands still when it is answered. */
  pause: {
    takes: nothing(),
    gives: NO_ANSWER,
    open: true,
    when: { to: 'be paused', from: STARTED, becomes: 'paused' },
  },
  resume: { takes: nothing(), gives: NO_ANSWER, open: true, when: { to: 'go on', from: STARTED, becomes: 'running' } },
  /** Ends the machine as if its power failed; what it wrote to its disks is kept. */
  stop: { takes: nothing(), gives: NO_ANSWER, open: true },
  statistics: { takes: nothing(), gives: gives<MachineStatistics>(), open: true },
  /** Bytes for the console; answered when the guest's device has them all. */
  input: { takes: object({ bytes: bytes() }), gives: NO_ANSWER, open: false },
  resize: { takes: TERMINAL_SIZE, gives: NO_ANSWER, open: false },
  /** A checkpoint of the machine as it is when this is asked for; answered when it is on stable storage. */
  checkpoint: {
    takes: CHECKPOINT_OPTIONS,
    gives: gives<CheckpointReport>(),
    open: true,
    when: { to: 'be checkpointed', from: STARTED },
    progress: 'checkpoint-progress',
  },
  /** The checkpoint that is being made is given up: `checkpoint` is refused then, and nothing of it is left. */
  'cancel-checkpoint': { takes: nothing(), gives: NO_ANSWER, open: true },
  /** A second machine in the same memory, that goes on from here; in the same thread unless another is named. */
  fork: { takes: FORK_REQUEST, gives: gives<ForkReport>(), open: false, when: { to: 'be forked', from: LIVE } },
  /** Everything from here on is recorded. */
  record: { takes: RECORD_OPTIONS, gives: NO_ANSWER, open: true, when: { to: 'be recorded', from: LIVE } },
  /** Answered when the file is whole. Without a path: the only recording. */
  'stop-recording': { takes: object({ path: optional(text()) }), gives: gives<RecordingReport>(), open: true },
  /** What the flight recorder keeps becomes a recording; answered when the file is whole, with its length. */
  'save-flight': { takes: SAVE_FLIGHT_OPTIONS, gives: gives<number>(), open: true },
  /** Debuggers can connect, to the address that is the answer. */
  debug: { takes: DEBUG_OPTIONS, gives: gives<string>(), open: true, when: { to: 'be debugged', from: LIVE } },
  /**
   * Has the agent in the guest run a command, or write or read files. What it prints is read by `agent-read`, until its
   * end comes with that.
   */
  'agent-start': {
    takes: AGENT_START,
    gives: gives<AgentRequest>(),
    open: true,
    when: { to: 'run a command', from: ['running'] },
    undo: 'agent-cancel',
  },
  /** Bytes for its standard input; answered when more may be sent. `end`: there will be no more. */
  'agent-write': { takes: AGENT_WRITE, gives: NO_ANSWER, open: true },
  /** Answered when there is something. */
  'agent-read': { takes: AGENT_REQUEST, gives: gives<AgentOutput>(), open: true },
  /** For the program and what it started. */
  'agent-signal': { takes: AGENT_SIGNAL, gives: NO_ANSWER, open: true },
  'agent-resize': { takes: AGENT_RESIZE, gives: NO_ANSWER, open: true },
  /** Nobody waits for it any more: it is killed. Does nothing to one that has ended. */
  'agent-cancel': { takes: AGENT_REQUEST, gives: NO_ANSWER, open: true },
} as const satisfies Readonly<Record<string, ActionRow>>;

type Rows = typeof ACTIONS;
export type ActionName = keyof Rows;
/** Those that other processes may ask for. */
export type OpenAction = { [Name in ActionName]: Rows[Name]['open'] extends true ? Name : never }[ActionName];

export type ResultOf<Row extends ActionRow> = Row['gives'] extends Gives<infer Result> ? Result : never;

export type MachineActions = {
  [Name in ActionName]: { parameters: Parsed<Rows[Name]['takes']>; result: ResultOf<Rows[Name]> };
};

/** Checks what is to become the parameters of an action. Throws GodwitError('usage'), which names the field. */
export function parseParameters<Name extends ActionName>(
  action: Name,
  parameters: unknown,
): MachineActions[Name]['parameters'] {
  return ACTIONS[action].takes.parse(parameters, action) as MachineActions[Name]['parameters'];
}

export type ActionRequest = {
  [Name in ActionName]: {
    readonly kind: 'request';
    readonly id: number;
    readonly action: Name;
    readonly parameters: MachineActions[Name]['parameters'];
  };
}[ActionName];

export type ToMachine = ActionRequest | { readonly kind: 'consumed'; readonly bytes: number };

export type FromMachine =
  | { readonly kind: 'ready' }
  | { readonly kind: 'reply'; readonly id: number; readonly result: unknown }
  | { readonly kind: 'refusal'; readonly id: number; readonly error: WireError }
  | EventMessage;
