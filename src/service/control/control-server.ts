/** Lets other processes find a machine of this process by a name, and control it. */
import type { OpenAction } from '../../api/actions.ts';
import type { DebuggerState } from '../../api/debug.ts';
import type { MachineHandle } from '../../api/machine.ts';
import { toWireError } from '../../api/wire-error.ts';
import { GodwitError } from '../../common/errors.ts';
import type { Announced } from '../../platform/endpoints.ts';
import { platform } from '../../platform/platform.ts';
import type { ByteStream } from '../../platform/streams.ts';
import { bytesOfText } from './byte-text.ts';
import { ConsoleViewers, type Typist } from './console-viewers.ts';
import { LineWriter, StreamLines } from './control-lines.ts';
import {
  CONTROL_ACTIONS,
  CONTROL_VERSION,
  type ControlActions,
  type ControlAnswer,
  type ControlRequest,
  type Greeting,
  MAX_REQUEST_BYTES,
  type MachineFacts,
  parseRequest,
  requestId,
} from './control-protocol.ts';
import { endpoints } from './endpoints.ts';
import { assertMachineName } from './machine-name.ts';

const MAX_CONNECTIONS = 32;
/** Requests of one connection that wait for their answers. */
const MAX_WAITING = 16;
/** A connection that does not take its answers is ended. */
const MAX_UNTAKEN_BYTES = 4 * 1024 * 1024;

export interface ControlServerOptions {
  /** Default: machine-1, machine-2, ... */
  readonly name?: string;
  readonly machine: MachineHandle;
  readonly memoryBytes: number;
  readonly disks: readonly string[];
}

/** What a connection that was told all that it will be told has left to take it. */
const LEAVING_MS = 1000;

export class ControlServer {
  /** Those who look at the console, and type. */
  readonly viewers: ConsoleViewers;
  private readonly options: ControlServerOptions;
  private announced: Announced | undefined;
  private readonly streams = new Set<ByteStream>();
  private readonly startedMs = platform().clock.nowMs();

  /**
   * Throws GodwitError 'usage' for a name that is taken or none, 'denied' when there is no safe place for the socket.
   */
  static async open(options: ControlServerOptions): Promise<ControlServer> {
    const { name } = options;
    if (name !== undefined) assertMachineName(name);
    const server = new ControlServer(options);
    const choose = (taken: readonly string[]): string => {
      if (name !== undefined && taken.includes(name)) {
        throw new GodwitError('usage', `There is a machine "${name}" already.`);
      }
      return name ?? freeName(taken);
    };
    server.announced = await endpoints().announce(choose, (stream) => server.accept(stream));
    return server;
  }

  private debugger: DebuggerState | undefined;

  private constructor(options: ControlServerOptions) {
    this.options = options;
    this.viewers = new ConsoleViewers(options.machine);
    options.machine.on('debugger', (state) => {
      this.debugger = state;
    });
  }

  get name(): string {
    return this.announced!.name;
  }

  get path(): string {
    return this.announced!.path;
  }

  /** The name is free, and all connections are ended, once they have what was said to them. */
  async close(): Promise<void> {
    const withdrawn = this.announced!.withdraw();
    await this.viewers.close();
    for (const stream of this.streams) stream.end();
    const closeLate = (): void => {
      for (const stream of this.streams) stream.close();
    };
    const cancel = platform().timers.later(LEAVING_MS, closeLate, { keepAlive: true });
    await withdrawn;
    cancel();
  }

  private accept(stream: ByteStream): void {
    if (this.streams.size >= MAX_CONNECTIONS) {
      stream.close();
      return;
    }
    this.streams.add(stream);
    const connection = new Connection(stream, {
      perform: (request, tell) => this.perform(request, tell, stream),
      undo: (action, parameters) => void this.options.machine.perform(action, parameters).catch(() => {}),
    });
    stream.onClose(() => {
      this.streams.delete(stream);
      this.viewers.leave(stream);
      connection.close();
    });
  }

  private async perform({ id, action, parameters }: ControlRequest, tell: Tell, asker: Typist): Promise<unknown> {
    switch (action) {
      case 'status':
        return this.facts();
      case 'attach':
        return await this.viewers.attach(asker, (progress) => tell({ id, progress }));
      case 'type':
        return await this.viewers.type(asker, bytesOfText((parameters as ParametersOf<'type'>).bytes));
      case 'window':
        return this.viewers.resize(asker, parameters as ParametersOf<'window'>);
      default:
        return await this.performOnMachine(action, parameters, (progress) => void tell({ id, progress }));
    }
  }

  private async performOnMachine(
    action: OpenAction,
    parameters: unknown,
    onProgress: (progress: unknown) => void,
  ): Promise<unknown> {
    const { machine } = this.options;
    const row = CONTROL_ACTIONS[action];
    const stopListening = 'progress' in row ? machine.on(row.progress, onProgress) : undefined;
    try {
      return await machine.perform(action, parameters);
    } finally {
      stopListening?.();
    }
  }

  private facts(): MachineFacts {
    const { machine, memoryBytes, disks } = this.options;
    const uptimeMs = Math.round(platform().clock.nowMs() - this.startedMs);
    const { processId: pid } = endpoints();
    return {
      name: this.name,
      pid,
      status: machine.status,
      memoryBytes,
      uptimeMs,
      disks,
      ...(this.debugger && { debugger: this.debugger }),
    };
  }
}

type ParametersOf<Name extends keyof ControlActions> = ControlActions[Name]['parameters'];

/** Resolves when it was taken. */
type Tell = (answer: ControlAnswer) => Promise<void>;

type UndoAction = 'agent-cancel';

interface ConnectionActions {
  perform(request: ControlRequest, tell: Tell): Promise<unknown>;
  /** Whoever asked for something has gone. */
  undo(action: UndoAction, parameters: unknown): void;
}

/** One that asks, and what it waits for. */
class Connection {
  private readonly writer: LineWriter;
  private readonly waiting = new Set<number>();
  private isOpen = true;
  private readonly actions: ConnectionActions;
  /** What is to be undone when it closes. */
  private readonly undone: { readonly action: UndoAction; readonly parameters: unknown }[] = [];

  constructor(stream: ByteStream, actions: ConnectionActions) {
    this.actions = actions;
    this.writer = new LineWriter(stream, MAX_UNTAKEN_BYTES);
    void this.tell({ godwit: CONTROL_VERSION, tool: platform().toolName });
    new StreamLines(stream, MAX_REQUEST_BYTES, {
      line: (line) => void this.answer(line),
      overflow: () => {
        const error = new GodwitError('limit', `A request has ${MAX_REQUEST_BYTES} bytes at most.`);
        void this.tell({ error: toWireError(error) });
        stream.end();
      },
    });
  }

  close(): void {
    this.isOpen = false;
    for (const { action, parameters } of this.undone.splice(0)) this.actions.undo(action, parameters);
  }

  private readonly tell = async (message: ControlAnswer | Greeting): Promise<void> => {
    if (this.isOpen) await this.writer.write(message);
  };

  private async answer(line: string): Promise<void> {
    const id = requestId(line);
    const numbered = id === undefined ? {} : { id };
    try {
      const request = parseRequest(line);
      const result = (await this.once(request)) ?? null;
      void this.tell({ id: request.id, result });
    } catch (error) {
      const { stack: _, ...wire } = toWireError(error);
      void this.tell({ ...numbered, error: wire });
    }
  }

  private async once(request: ControlRequest): Promise<unknown> {
    const { waiting } = this;
    if (waiting.size >= MAX_WAITING || waiting.has(request.id)) {
      throw new GodwitError('limit', 'Too many requests wait for their answers, or two have the same number.');
    }
    waiting.add(request.id);
    try {
      const result = await this.actions.perform(request, this.tell);
      this.noteUndo(request, result);
      return result;
    } finally {
      waiting.delete(request.id);
    }
  }

  private noteUndo({ action }: ControlRequest, result: unknown): void {
    const row = CONTROL_ACTIONS[action];
    if (!('undo' in row)) return;
    if (this.isOpen) this.undone.push({ action: row.undo, parameters: result });
    else this.actions.undo(row.undo, result);
  }
}

function freeName(taken: readonly string[]): string {
  for (let number = 1; ; number++) {
    const name = `machine-${number}`;
    if (!taken.includes(name)) return name;
  }
}
