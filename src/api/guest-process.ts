/** Programs in a guest, by its agent. */
import { fromBase64 } from '../common/base64.ts';
import type { CancellationSignal } from '../common/cancellation.ts';
import { GodwitError } from '../common/errors.ts';
import { isObject } from '../common/schema.ts';
import type { ActionName, MachineActions } from './actions.ts';
import type { AgentStart, GuestExit } from './agent.ts';
import { signalName, signalNumber } from './signals.ts';
import type { TerminalSize } from './terminal.ts';

export type AgentAction = Extract<ActionName, `agent-${string}`>;

/** Asks a machine, in this process or another. */
export type AskAgent = <Name extends AgentAction>(
  action: Name,
  parameters: MachineActions[Name]['parameters'],
) => Promise<MachineActions[Name]['result']>;

/** A program and its arguments, or a line for the guest's /bin/sh. */
export type GuestCommand = string | readonly string[];

/** How a program is started in a guest. */
export interface SpawnOptions {
  /** Variables beside PATH, HOME, USER, LOGNAME and SHELL, which the guest's agent sets. */
  readonly env?: Readonly<Record<string, string>>;
  /** The folder that it is started in. Default: the user's home. */
  readonly cwd?: string;
  /** A user of the guest, by name or number. Default: root. */
  readonly user?: string;
  /** It gets a terminal of this size; what it prints on standard error then comes with standard output. */
  readonly terminal?: TerminalSize;
  /** So many milliseconds an agent is waited for that has not answered yet, as while a guest boots. Default 30000. */
  readonly agentTimeoutMs?: number;
}

/** How `MachineHandle.exec` runs a command. */
export interface ExecOptions extends SpawnOptions {
  /** For its standard input, which is empty otherwise. */
  readonly stdin?: string | Uint8Array | AsyncIterable<Uint8Array>;
  /** After so many milliseconds the command is killed, and `exec` rejects with GodwitError('state'). */
  readonly timeoutMs?: number;
  /** When it aborts, the command is killed, and `exec` rejects with GodwitError('state'). */
  readonly signal?: CancellationSignal;
  /** With more output than that the command is killed, and `exec` rejects with GodwitError('limit'). Default 64 MiB. */
  readonly maxBytes?: number;
}

/** How a program in a guest ended. */
export interface GuestStatus {
  /** Its exit status; 128 and the signal's number where one ended it, as a shell has it. */
  readonly exitCode: number;
  /** Such as 'SIGKILL'; null: it ended by itself. */
  readonly signal: string | null;
}

/** What came of a command. */
export interface ExecResult extends GuestStatus {
  /** What it printed on standard output, as text in UTF-8. */
  readonly stdout: string;
  /** The same of standard error. */
  readonly stderr: string;
  /** What it printed on standard output, as it is. */
  readonly stdoutBytes: Uint8Array;
  /** The same of standard error. */
  readonly stderrBytes: Uint8Array;
}

/** What a program printed, piece by piece. */
export interface GuestOutput {
  /** Where. */
  readonly stream: 'stdout' | 'stderr';
  /** A piece of it, which may end in the midst of a character. */
  readonly bytes: Uint8Array;
}

const MAX_BYTES = 64 * 1024 ** 2;
/** Fits into a request over the control socket. */
const WRITE_BYTES = 32 * 1024;
const SIGNAL_BASE = 128;

const OPTIONS: readonly (keyof ExecOptions)[] = [
  ...(['env', 'cwd', 'user', 'terminal', 'agentTimeoutMs'] as const),
  ...(['stdin', 'timeoutMs', 'signal', 'maxBytes'] as const),
];

/** The rest is checked with what is asked of the machine. */
function requireOptions(options: ExecOptions): void {
  const refuse = (what: string): never => {
    throw new GodwitError('usage', `A command's option makes no sense: ${what}.`, {
      hint: `There are ${OPTIONS.join(', ')}.`,
    });
  };
  if (!isObject(options)) refuse('they are an object');
  const unknown = Object.keys(options).find((name) => !(OPTIONS as readonly string[]).includes(name));
  if (unknown !== undefined) refuse(`there is no "${unknown}"`);
  const { env = {}, stdin, timeoutMs = 1, maxBytes = 0, signal } = options;
  if (!isObject(env)) refuse('"env" is an object');
  if (!(timeoutMs > 0) || typeof timeoutMs !== 'number') refuse('"timeoutMs" is a number above 0');
  if (!Number.isInteger(maxBytes) || maxBytes < 0) refuse('"maxBytes" is a whole number');
  if (signal !== undefined && typeof signal?.addEventListener !== 'function') refuse('"signal" is an AbortSignal');
  const isStream = typeof (stdin as AsyncIterable<unknown> | undefined)?.[Symbol.asyncIterator] === 'function';
  if (stdin !== undefined && typeof stdin !== 'string' && !(stdin instanceof Uint8Array) && !isStream) {
    refuse('"stdin" is a text, bytes, or an iterable of bytes');
  }
}

export function wordsOf(command: GuestCommand): readonly string[] {
  if (typeof command === 'string') return ['/bin/sh', '-c', command];
  if (Array.isArray(command) && command.length > 0 && command.every((word) => typeof word === 'string')) return command;
  throw new GodwitError('usage', 'A command is a text, or a list of a program and its arguments.');
}

function startOf(command: GuestCommand, options: SpawnOptions): AgentStart {
  requireOptions(options);
  const { env = {}, cwd, user, terminal, agentTimeoutMs } = options;
  const wrong = Object.entries(env).find(([name, value]) => !/^[^=\0]+$/.test(name) || typeof value !== 'string');
  if (wrong)
    throw new GodwitError('usage', `"${wrong[0]}" cannot be a variable: it has a name without "=", and a text.`);
  return {
    task: 'execute',
    arguments: wordsOf(command),
    environment: Object.entries(env).map(([name, value]) => `${name}=${value}`),
    ...(cwd !== undefined && { folder: cwd }),
    ...(user !== undefined && { user }),
    ...(terminal && { terminal }),
    ...(agentTimeoutMs !== undefined && { waitMs: agentTimeoutMs }),
  };
}

/**
 * A program that runs in a guest. What it prints is read by iterating, once; it waits when that is not done:
 *
 *     const process = await machine.spawn(['make', '-j2']);
 *     for await (const { stream, bytes } of process) ...
 *     const { exitCode } = await process.exited;
 */
export class GuestProcess implements AsyncIterable<GuestOutput> {
  /** Resolves when all that it printed has been read and it has ended. It need not be awaited. */
  readonly exited: Promise<GuestStatus>;
  private readonly ask: AskAgent;
  private readonly request: number;
  private settle: { resolve(status: GuestStatus): void; reject(error: unknown): void } = {
    resolve: () => {},
    reject: () => {},
  };

  /** @internal By a task of the agent that is no command. */
  static async begin(ask: AskAgent, start: AgentStart): Promise<GuestProcess> {
    return new GuestProcess(ask, (await ask('agent-start', start)).request);
  }

  /** @internal Machines start their processes themselves. */
  static start(ask: AskAgent, command: GuestCommand, options: SpawnOptions = {}): Promise<GuestProcess> {
    return GuestProcess.begin(ask, startOf(command, options));
  }

  private constructor(ask: AskAgent, request: number) {
    this.ask = ask;
    this.request = request;
    this.exited = new Promise((resolve, reject) => {
      this.settle = { resolve, reject };
    });
    this.exited.catch(() => {});
  }

  /** What it prints, piece by piece. When that is not read to its end the program is killed. */
  async *[Symbol.asyncIterator](): AsyncGenerator<GuestOutput, void, undefined> {
    const { ask, request } = this;
    let ended = false;
    try {
      while (!ended) {
        const { output, errors, exit } = await ask('agent-read', { request });
        if (output) yield { stream: 'stdout', bytes: bytesOf(output) };
        if (errors) yield { stream: 'stderr', bytes: bytesOf(errors) };
        if (!exit) continue;
        ended = true;
        this.settle.resolve(statusOf(exit));
      }
    } catch (error) {
      ended = true;
      this.settle.reject(error);
      throw error;
    } finally {
      if (!ended) await this.cancel();
    }
  }

  /** For its standard input; resolves when more may be written. What it does not read any more is dropped. */
  async write(data: string | Uint8Array): Promise<void> {
    const { ask, request } = this;
    const bytes = typeof data === 'string' ? new TextEncoder().encode(data) : data;
    for (let at = 0; at < bytes.length; at += WRITE_BYTES) {
      await ask('agent-write', { request, bytes: bytes.subarray(at, at + WRITE_BYTES) });
    }
  }

  /** There is no more standard input. */
  async end(): Promise<void> {
    await this.ask('agent-write', { request: this.request, bytes: new Uint8Array(0), end: true });
  }

  /** Sends a signal to it and to what it started. Default: SIGTERM. */
  async kill(signal: string | number = 'SIGTERM'): Promise<void> {
    await this.ask('agent-signal', { request: this.request, signal: signalNumber(signal) });
  }

  /** Its terminal has another size. */
  async resize(size: TerminalSize): Promise<void> {
    await this.ask('agent-resize', { request: this.request, size });
  }

  /** Kills it and what it started; nobody reads what it printed. */
  async cancel(): Promise<void> {
    await this.ask('agent-cancel', { request: this.request });
    this.settle.reject(new GodwitError('state', 'The command in the guest was given up.'));
  }
}

/** From another process bytes come in Base64. */
function bytesOf(bytes: Uint8Array | string): Uint8Array {
  if (typeof bytes !== 'string') return bytes;
  const decoded = fromBase64(bytes);
  if (decoded) return decoded;
  throw new GodwitError('io', 'The machine cannot be understood: its answer is not in Base64.');
}

function statusOf(exit: GuestExit): GuestStatus {
  if ('code' in exit) return { exitCode: exit.code, signal: null };
  return { exitCode: SIGNAL_BASE + exit.signal, signal: signalName(exit.signal) };
}

export function quote(command: GuestCommand): string {
  const text = typeof command === 'string' ? command : command.join(' ');
  return text.length > 60 ? `${text.slice(0, 60)}...` : text;
}

/** Writes all of it, and the end; a program that has ended needs none. */
export async function feed(process: GuestProcess, stdin: ExecOptions['stdin']): Promise<void> {
  if (typeof stdin === 'string' || stdin instanceof Uint8Array) await process.write(stdin);
  else if (stdin) for await (const bytes of stdin) await process.write(bytes);
  await process.end();
}

interface Gathered {
  readonly stdout: Uint8Array[];
  readonly stderr: Uint8Array[];
}

async function gather(process: GuestProcess, maxBytes: number): Promise<Gathered> {
  const gathered: Gathered = { stdout: [], stderr: [] };
  let count = 0;
  for await (const { stream, bytes } of process) {
    count += bytes.length;
    if (count > maxBytes) {
      throw new GodwitError('limit', `The command printed more than ${maxBytes} bytes, and was killed.`, {
        hint: 'Give a larger maxBytes, or read what it prints piece by piece with spawn().',
      });
    }
    gathered[stream].push(bytes);
  }
  return gathered;
}

/** Runs a command to its end. */
export async function execute(ask: AskAgent, command: GuestCommand, options: ExecOptions = {}): Promise<ExecResult> {
  requireOptions(options);
  wordsOf(command);
  const { stdin, timeoutMs, signal, maxBytes = MAX_BYTES } = options;
  const givenUp = new GodwitError('state', `The command "${quote(command)}" was given up.`);
  if (signal?.aborted) throw givenUp;
  const process = await GuestProcess.start(ask, command, options);
  let why: GodwitError | undefined;
  const stop = (error: GodwitError): void => {
    why ??= error;
    process.cancel().catch(() => {});
  };
  const timer =
    timeoutMs === undefined
      ? undefined
      : setTimeout(
          () =>
            stop(
              new GodwitError(
                'state',
                `The command "${quote(command)}" did not end in ${timeoutMs} ms, and was killed.`,
              ),
            ),
          timeoutMs,
        );
  const onAbort = (): void => stop(givenUp);
  signal?.addEventListener('abort', onAbort);
  if (signal?.aborted) onAbort();
  const feeding = feed(process, stdin).catch((error: unknown) => error);
  try {
    const { stdout, stderr } = await gather(process, maxBytes);
    return { ...(await process.exited), ...texts('stdout', stdout), ...texts('stderr', stderr) } as ExecResult;
  } catch (error) {
    throw why ?? error;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', onAbort);
    void feeding;
  }
}

function texts(name: string, chunks: readonly Uint8Array[]): Record<string, unknown> {
  const bytes = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return { [name]: new TextDecoder().decode(bytes), [`${name}Bytes`]: bytes };
}
