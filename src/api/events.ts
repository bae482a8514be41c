/**
 * All that a machine says by itself: one row for each event. A row says what a message carries, and what those who
 * listen get of it; rows without that are for the handle alone. To add an event, add its row and say it.
 */
import type { GodwitError } from '../common/errors.ts';
import { choice, type Schema } from '../common/schema.ts';
import type { CheckpointProgress } from './checkpoint.ts';
import type { DebuggerState } from './debug.ts';
import type { ConsolePort } from './options.ts';
import type { MachineStatistics } from './statistics.ts';
import { fromWireError, type WireError } from './wire-error.ts';

/** How a machine ended. */
export interface MachineEnd {
  /** 'power-off' and 'failure' are the guest's doing; 'stopped' is that of `stop`. */
  readonly reason: 'power-off' | 'failure' | 'stopped';
  /** What a process that stands for the guest exits with: 0 to 255; not 0 for a failure. */
  readonly exitCode: number;
  /** What it did in all. */
  readonly statistics: MachineStatistics;
}

interface EventRow<Carried, Event> {
  /** What listeners get. */
  readonly toEvent?: (carried: Carried) => Event;
  /** Listeners that are slow hold the machine up: so many bytes have been taken when all have taken theirs. */
  readonly takenBytes?: (carried: Carried) => number;
}

function forHandle<Carried>(): EventRow<Carried, never> {
  return {};
}

function forListeners<Carried, Event>(
  toEvent: (carried: Carried) => Event,
  more: Pick<EventRow<Carried, Event>, 'takenBytes'> = {},
): EventRow<Carried, Event> & { readonly toEvent: (carried: Carried) => Event } {
  return { toEvent, ...more };
}

export const EVENTS = {
  output: forHandle<{ readonly port: ConsolePort; readonly bytes: Uint8Array }>(),
  /** The last message, or `failed`: files are closed. */
  ended: forHandle<{ readonly end: MachineEnd }>(),
  failed: forHandle<{ readonly error: WireError }>(),
  /** The host failed to read or write a disk; the guest got an I/O error. `disk` counts from 0. */
  'disk-error': forListeners(
    ({ disk, error }: { readonly disk: number; readonly error: WireError }): DiskError => ({
      disk,
      error: fromWireError(error),
    }),
  ),
  /** A recording could not be written any further; the machine goes on without it. */
  'recording-error': forListeners(({ error }: { readonly error: WireError }) => fromWireError(error)),
  /** Debuggers can connect, one has come, or it is gone. */
  debugger: forListeners(({ state }: { readonly state: DebuggerState }) => state),
  /** Now and then while a checkpoint is being made. */
  'checkpoint-progress': forListeners(({ progress }: { readonly progress: CheckpointProgress }) => progress),
  /** Lines of a trace, each with its line end. */
  trace: forListeners(({ text }: { readonly text: string }) => text, { takenBytes: ({ text }) => text.length }),
};

/** The host failed to read or write a disk of the machine; its guest got an I/O error. */
export interface DiskError {
  /** Which of the machine's disks, from 0. */
  readonly disk: number;
  /** Mostly 'io', 'full' or 'damaged'. */
  readonly error: GodwitError;
}

type Events = typeof EVENTS;
export type EventName = keyof Events;

/** What an event's message carries. */
type Carried<Name extends EventName> = Events[Name] extends EventRow<infer C, infer _Event> ? C : never;

/** A message of that event, as a machine's thread sends it. */
export type EventMessage = { [Name in EventName]: { readonly kind: Name } & Carried<Name> }[EventName];

/** What the rows give to listeners. */
type RowEvents = {
  [Name in EventName as Events[Name] extends { readonly toEvent: unknown } ? Name : never]: Events[Name] extends {
    readonly toEvent: (carried: never) => infer Event;
  }
    ? Event
    : never;
};

/** What listeners get; see `MachineHandle.on`. The rows' own types, with words for those who read them. */
export interface MachineEvents {
  /** The host failed to read or write a disk; the guest got an I/O error, and goes on. */
  readonly 'disk-error': DiskError;
  /** A recording could not be written any further; the machine goes on without it. */
  readonly 'recording-error': GodwitError;
  /** Debuggers can connect, one has come, or it is gone. */
  readonly debugger: DebuggerState;
  /** Now and then while a checkpoint is being made. */
  readonly 'checkpoint-progress': CheckpointProgress;
  /** Lines of a trace, each with its line end (`MachineOptions.trace`). */
  readonly trace: string;
}

/** Names of the events that can be listened to. */
export type ListenerEvent = keyof MachineEvents;

export const LISTENER_EVENT: Schema<ListenerEvent> = choice(
  ...(Object.keys(EVENTS) as EventName[]).filter((name): name is ListenerEvent => 'toEvent' in EVENTS[name]),
);

/** Does not compile when a row and its words for users differ. */
export type EventsAgree = [Agree<RowEvents, MachineEvents>, Agree<MachineEvents, RowEvents>];
type Agree<A extends B, B> = A;

/** What those who listen get of a message; undefined for what is the handle's alone. */
export function eventOf(message: EventMessage): { readonly name: ListenerEvent; readonly event: never } | undefined {
  const { toEvent } = EVENTS[message.kind] as EventRow<EventMessage, never>;
  return toEvent && { name: message.kind as ListenerEvent, event: toEvent(message) };
}

/** Bytes that the machine may send more of when listeners have taken this. */
export function takenBytesOf(message: EventMessage): number {
  return (EVENTS[message.kind] as EventRow<EventMessage, unknown>).takenBytes?.(message) ?? 0;
}
