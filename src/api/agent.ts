/** What can be asked of the agent in a guest: to run a command, or to write or read files. */
import { binary, choice, flag, list, object, optional, type Schema, string, wholeNumber } from '../common/schema.ts';
import { TERMINAL_SIZE, type TerminalSize } from './terminal.ts';

/** 'put' and 'get' write and read a stream of files (guest-agent/protocol.h). */
export type AgentTask = 'execute' | 'put' | 'get';

export interface AgentStart {
  readonly task: AgentTask;
  /** A command and its arguments; the path for 'get'; the path and the name of what is copied for 'put'. */
  readonly arguments: readonly string[];
  /** "NAME=value", beside PATH, HOME, USER, LOGNAME and SHELL. */
  readonly environment?: readonly string[];
  /** Where it is started. Default: the user's home. */
  readonly folder?: string;
  /** By name or number. Default: root. */
  readonly user?: string;
  /** It gets a terminal of this size, whose output is standard output. */
  readonly terminal?: TerminalSize;
  /** For an agent that has not answered yet: a guest that boots. Default: 30 s. */
  readonly waitMs?: number;
}

/** Linux takes longer ones from nobody; a request over the control socket is shorter. */
const TEXT_LIMIT = 128 * 1024;
const TEXTS_LIMIT = 1024;
const VARIABLES_LIMIT = 500;
const WAIT_LIMIT_MS = 24 * 3600 * 1000;
const REQUEST_LIMIT = 0xffff_ffff;
const SIGNAL_LIMIT = 64;

export const AGENT_START: Schema<AgentStart> = object({
  task: choice('execute', 'put', 'get'),
  arguments: list(string(TEXT_LIMIT), 1, TEXTS_LIMIT),
  environment: optional(list(string(TEXT_LIMIT), 0, VARIABLES_LIMIT)),
  folder: optional(string(TEXT_LIMIT)),
  user: optional(string(TEXT_LIMIT)),
  terminal: optional(TERMINAL_SIZE),
  waitMs: optional(wholeNumber(0, WAIT_LIMIT_MS)),
});

const request = wholeNumber(1, REQUEST_LIMIT);

/** Names what was started. */
export const AGENT_REQUEST: Schema<AgentRequest> = object({ request });
export const AGENT_WRITE = object({ request, bytes: binary(), end: optional(flag()) });
export const AGENT_SIGNAL = object({ request, signal: wholeNumber(1, SIGNAL_LIMIT) });
export const AGENT_RESIZE = object({ request, size: TERMINAL_SIZE });

export interface AgentRequest {
  readonly request: number;
}

/** How a program in the guest ended: by itself, or by a signal. */
export type GuestExit = { readonly code: number } | { readonly signal: number };

/** What a program in the guest did since the last time. */
export interface AgentOutput {
  readonly output?: Uint8Array;
  readonly errors?: Uint8Array;
  /** There is no more. */
  readonly exit?: GuestExit;
}
