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
 * Version rule: actions, and fields that may be left out, can be added within a version; who does not know an action says so.
 */
import type { MachineActions } from '../../api/actions.ts';
import type { CheckpointOptions, CheckpointProgress } from '../../api/checkpoint.ts';
import type { DebugOptions } from '../../api/debug.ts';
import type { MachineStatus } from '../../api/machine.ts';
import type { RecordOptions, SaveFlightOptions } from '../../api/recording.ts';
import type { WireError } from '../../api/wire-error.ts';
import { GodwitError } from '../../common/errors.ts';

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
}

type ByName<Name extends keyof MachineActions> = { readonly [Action in Name]: MachineActions[Action] };

export type ControlActions = ByName<
  | 'pause'
  | 'resume'
  | 'stop'
  | 'statistics'
  | 'checkpoint'
  | 'cancel-checkpoint'
  | 'record'
  | 'stop-recording'
  | 'save-flight'
  | 'debug'
> & { readonly status: { parameters: undefined; result: MachineFacts } };

export type ControlAction = keyof ControlActions;

export type ControlRequest = {
  [Action in ControlAction]: {
    readonly id: number;
    readonly action: Action;
    readonly parameters: ControlActions[Action]['parameters'];
  };
}[ControlAction];

export type ControlAnswer =
  | { readonly id: number; readonly result: unknown }
  /** `id` is missing where the request's could not be made out. */
  | { readonly id?: number; readonly error: WireError }
  | { readonly id: number; readonly progress: CheckpointProgress };

type Parse<Action extends ControlAction> = (
  parameters: Readonly<Record<string, unknown>>,
) => ControlActions[Action]['parameters'];

const none = (parameters: Readonly<Record<string, unknown>>): undefined => {
  only(parameters, []);
};

const PARSERS: { readonly [Action in ControlAction]: Parse<Action> } = {
  status: none,
  pause: none,
  resume: none,
  stop: none,
  statistics: none,
  'cancel-checkpoint': none,
  checkpoint: (parameters): CheckpointOptions => {
    only(parameters, ['name', 'store', 'disks', 'full', 'apart']);
    const { disks } = parameters;
    if (disks !== undefined && disks !== 'keep' && disks !== 'copy') throw refusal('"disks" is "keep" or "copy"');
    return {
      ...text(parameters, 'name'),
      ...text(parameters, 'store'),
      ...(disks === undefined ? {} : { disks }),
      ...flag(parameters, 'full'),
      ...flag(parameters, 'apart'),
    };
  },
  record: (parameters): RecordOptions => {
    only(parameters, ['path', 'replace', 'lastMinutes']);
    const { lastMinutes } = parameters;
    if (lastMinutes !== undefined && typeof lastMinutes !== 'number') throw refusal('"lastMinutes" is a number');
    return {
      path: needed(parameters, 'path'),
      ...flag(parameters, 'replace'),
      ...(lastMinutes === undefined ? {} : { lastMinutes }),
    };
  },
  'stop-recording': (parameters) => {
    only(parameters, ['path']);
    return text(parameters, 'path');
  },
  'save-flight': (parameters): SaveFlightOptions => {
    only(parameters, ['path', 'replace']);
    return { path: needed(parameters, 'path'), ...flag(parameters, 'replace') };
  },
  debug: (parameters): DebugOptions => {
    only(parameters, ['listen', 'stopped']);
    const { listen } = parameters;
    if (typeof listen === 'number') return { listen, ...flag(parameters, 'stopped') };
    return { listen: needed(parameters, 'listen'), ...flag(parameters, 'stopped') };
  },
};

/** Throws GodwitError('usage') for all that is no request; `idOf` may still find out which it was. */
export function parseRequest(line: string): ControlRequest {
  const value = parseObject(line);
  const id = idOf(value);
  if (id === undefined) throw refusal('"id" is a whole number');
  only(value, ['id', 'action', 'parameters']);
  const { action, parameters = {} } = value;
  if (typeof action !== 'string' || !Object.hasOwn(PARSERS, action)) {
    throw new GodwitError('usage', `There is no action ${JSON.stringify(action)?.slice(0, 80)}.`, {
      hint: `There are ${Object.keys(PARSERS).join(', ')}.`,
    });
  }
  if (!isObject(parameters)) throw refusal('"parameters" is an object');
  const parse = PARSERS[action as ControlAction] as Parse<ControlAction>;
  return { id, action, parameters: parse(parameters) } as ControlRequest;
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

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function idOf({ id }: Readonly<Record<string, unknown>>): number | undefined {
  return Number.isSafeInteger(id) ? (id as number) : undefined;
}

function only(value: Readonly<Record<string, unknown>>, known: readonly string[]): void {
  const other = Object.keys(value).find((name) => !known.includes(name));
  if (other !== undefined) throw refusal(`it has ${JSON.stringify(other.slice(0, 80))}, which means nothing`);
}

function text<Name extends string>(
  value: Readonly<Record<string, unknown>>,
  name: Name,
): { readonly [Key in Name]?: string } {
  const found = value[name];
  if (found === undefined) return {};
  if (typeof found !== 'string' || found === '' || found.length > 4096 || found.includes('\0')) {
    throw refusal(`"${name}" is a text of 1 to 4096 characters`);
  }
  return { [name]: found } as { readonly [Key in Name]?: string };
}

function needed(value: Readonly<Record<string, unknown>>, name: string): string {
  const found = text(value, name)[name];
  if (found === undefined) throw refusal(`"${name}" is missing`);
  return found;
}

function flag<Name extends string>(
  value: Readonly<Record<string, unknown>>,
  name: Name,
): { readonly [Key in Name]?: boolean } {
  const found = value[name];
  if (found === undefined) return {};
  if (typeof found !== 'boolean') throw refusal(`"${name}" is true or false`);
  return { [name]: found } as { readonly [Key in Name]?: boolean };
}

function refusal(what: string): GodwitError {
  return new GodwitError('usage', `The request makes no sense: ${what}.`);
}
