/**
 * How other processes talk to a machine, over a unix domain socket: lines of JSON, in UTF-8.
 *
 *     client                                     the process that runs the machine
 *       | <-- { "godwit": 1, "tool": "..." } --      |   at once: the version of this protocol
 *       | -- { "id": 1, "action": "pause" } -->      |   "parameters" where there are any
 *       | <-- { "id": 1, "result": null } ----       |   in any order; or
 *       | <-- { "id": 1, "error": { ... } } --       |   with "code", "message", and "hint" where there is one
 *       | <-- { "id": 2, "progress": { ... } }       |   any number of these before the answer
 *
 * Bytes are texts in Base64. What a client has started in a guest by `agent-start` is killed when it goes.
 *
 * Version rule: actions, and fields that may be left out, can be added within a version; who does not know an action
 * says so.
 */
import { ACTIONS, type ActionRow, gives, type MachineEnd, type OpenAction, type ResultOf } from '../../api/actions.ts';
import type { CheckpointProgress } from '../../api/checkpoint.ts';
import type { DebuggerState } from '../../api/debug.ts';
import { TERMINAL_SIZE } from '../../api/options.ts';
import type { MachineStatus } from '../../api/status.ts';
import type { WireError } from '../../api/wire-error.ts';
import { GodwitError } from '../../common/errors.ts';
import { anything, isObject, nothing, object, optional, type Parsed } from '../../common/schema.ts';
import { byteText } from './byte-text.ts';

export const CONTROL_VERSION = 1;
/** Longer lines are no requests. */
export const MAX_REQUEST_BYTES = 64 * 1024;
/** Answers are trusted more, but not without end. */
export const MAX_ANSWER_BYTES = 1024 * 1024;

export interface Greeting {
  readonly godwit: number;
  readonly tool: string;
}

/** A machine as others see it. */
export interface MachineFacts {
  readonly name: string;
  readonly pid: number;
  readonly status: MachineStatus;
  readonly memoryBytes: number;
  /** Milliseconds since it was started. */
  readonly uptimeMs: number;
  readonly disks: readonly string[];
  /** Missing: nobody can debug it. */
  readonly debugger?: DebuggerState;
}

/** What a console shows; said any number of times before `attach` is answered. */
export interface ConsoleOutput {
  /** Bytes, each as the character of its number (byte-text.ts). */
  readonly output: string;
  /** So many bytes before it were lost: whoever is shown them is too slow. */
  readonly lostBytes?: number;
}

/** How a machine ended. */
export type ConsoleEnd = Pick<MachineEnd, 'reason' | 'exitCode'>;

/** What is typed at a time. In JSON a byte may take six. */
export const TYPED_LIMIT_BYTES = 8 * 1024;

/** Answered by the front of the machine's process: the machine itself knows none of it. */
const FRONT_ACTIONS = {
  status: { takes: nothing(), gives: gives<MachineFacts>(), open: true },
  /** Shows the console, beginning with the last that it showed, until the machine's end, which is the answer. */
  attach: { takes: nothing(), gives: gives<ConsoleEnd>(), open: true },
  /** Answered when the guest's device has it. */
  type: { takes: object({ bytes: byteText(TYPED_LIMIT_BYTES) }), gives: gives<undefined>(), open: true },
  /** The size of the window of who asks. The guest's terminal is as large as that of who typed last. */
  window: { takes: TERMINAL_SIZE, gives: gives<undefined>(), open: true },
} as const satisfies Readonly<Record<string, ActionRow>>;

type OpenRows = { readonly [Name in OpenAction]: (typeof ACTIONS)[Name] };

/** The rows of api/actions.ts that are open to other processes, and those of this front. */
export const CONTROL_ACTIONS: OpenRows & typeof FRONT_ACTIONS = {
  ...(Object.fromEntries(Object.entries(ACTIONS).filter(([, row]) => row.open)) as OpenRows),
  ...FRONT_ACTIONS,
};

export type ControlAction = keyof typeof CONTROL_ACTIONS;

export type ControlActions = {
  readonly [Name in ControlAction]: {
    parameters: Parsed<(typeof CONTROL_ACTIONS)[Name]['takes']>;
    result: ResultOf<(typeof CONTROL_ACTIONS)[Name]>;
  };
};

/** What is told of an action before its answer. */
export type ProgressOf<Action extends ControlAction> = Action extends 'attach' ? ConsoleOutput : CheckpointProgress;

export interface ControlRequest {
  readonly id: number;
  readonly action: ControlAction;
  /** Checked, as the action's row says. */
  readonly parameters: unknown;
}

export type ControlAnswer =
  | { readonly id: number; readonly result: unknown }
  /** `id` is missing where the request's could not be made out. */
  | { readonly id?: number; readonly error: WireError }
  | { readonly id: number; readonly progress: unknown };

/** Throws GodwitError('usage') for all that is no request; `requestId` may still find out which it was. */
export function parseRequest(line: string): ControlRequest {
  const value = parseObject(line);
  const id = idOf(value);
  if (id === undefined) throw refusal('"id" is a whole number');
  const { action, parameters } = ENVELOPE.parse(value, 'request');
  if (!isControlAction(action)) {
    throw new GodwitError('usage', `There is no action ${JSON.stringify(action)?.slice(0, 80)}.`, {
      hint: `There are ${Object.keys(CONTROL_ACTIONS).join(', ')}.`,
    });
  }
  return { id, action, parameters: CONTROL_ACTIONS[action].takes.parse(parameters, action) };
}

const ENVELOPE = object({ id: anything(), action: optional(anything()), parameters: optional(anything()) });

function isControlAction(action: unknown): action is ControlAction {
  return typeof action === 'string' && Object.hasOwn(CONTROL_ACTIONS, action);
}

/** The number of a request, if it can be made out. */
export function requestId(line: string): number | undefined {
  try {
    return idOf(parseObject(line));
  } catch {
    return undefined;
  }
}

/** Throws GodwitError('usage') for what is no object. */
export function parseObject(line: string): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw refusal('it is no JSON');
  }
  if (!isObject(value)) throw refusal('it is no object');
  return value;
}

function idOf({ id }: Readonly<Record<string, unknown>>): number | undefined {
  return Number.isSafeInteger(id) ? (id as number) : undefined;
}

function refusal(what: string): GodwitError {
  return new GodwitError('usage', `The request makes no sense: ${what}.`);
}
