import type { AgentOutput, AgentRequest, AgentStart, GuestExit } from '../../api/agent.ts';
import type { TerminalSize } from '../../api/terminal.ts';
import { GodwitError } from '../../common/errors.ts';
import { platform } from '../../platform/platform.ts';
import {
  AGENT_VERSION,
  concatenate,
  encodeFrame,
  encodeFrames,
  type Frame,
  FrameReader,
  TO_AGENT_BYTES,
  Type,
  WINDOW_BYTES,
} from './frames.ts';
import { GuestTask, type Stream } from './guest-task.ts';

/** What it needs of its machine. */
export interface AgentPort {
  /** The machine has a port for an agent. */
  readonly exists: boolean;
  /** A program of the guest has it open. */
  readonly isOpen: boolean;
  /** Nanoseconds since 1970, as the guest's real-time clock has it. */
  readonly guestNanoseconds: bigint;
  send(bytes: Uint8Array): void;
}

/** For an agent that has not answered yet. */
const WAIT_MS = 30_000;
const TASKS = { execute: 0, put: 1, get: 2 } as const;
const WITH_TERMINAL = 1;
const START_BYTES = 10;
const CREDIT_BYTES = 8;
const STREAM_NUMBERS = { output: 1, errors: 2 } as const;
const NOTHING = new Uint8Array(0);

const NO_PORT = 'This machine has no port for an agent in its guest.';
const SILENT = 'No agent answers in the guest.';
const PUT_IT_THERE =
  "godwit's own guests start it by themselves; guest-agent/README.md says how another guest gets it.";

interface Waiter {
  resolve(): void;
  reject(error: GodwitError): void;
}

/**
 * The host's side of the agent in one machine's guest. All that comes from there is checked and bounded; an agent that
 * breaks a rule is not heard any more until it starts anew.
 */
export class MachineAgent {
  private readonly port: AgentPort;
  private reader = new FrameReader();
  /** Undefined: none was begun since the machine is here, or since the agent started. */
  private session: number | undefined;
  private ready = false;
  private refused: GodwitError | undefined;
  private readonly tasks = new Map<number, GuestTask>();
  private nextRequest = 1;
  /** What it may do at a time, as it said. */
  private tasksLimit = 0;
  private waiters: Waiter[] = [];

  constructor(port: AgentPort) {
    this.port = port;
  }

  /** The guest has opened the port, or closed it. */
  opened(isOpen: boolean): void {
    if (isOpen) return;
    this.forget(new GodwitError('state', 'The agent in the guest has ended, and what it was doing with it.'));
    this.refused = undefined;
  }

  /** Sets the guest's wall clock (CLOCK_REALTIME), if it has an agent. */
  setClock(wallNanoseconds: bigint): void {
    if (!this.port.isOpen) return;
    this.begin();
    const payload = new Uint8Array(8);
    new DataView(payload.buffer).setBigUint64(0, wallNanoseconds, true);
    this.say(0, Type.clock, payload);
  }

  /**
   * Ends what the agent does for whoever had this machine before: for a fork, or a machine that was restored. Nothing
   * when no agent is there.
   */
  begin(): void {
    if (this.session !== undefined || !this.port.isOpen) return;
    this.session = newSession();
    const version = new Uint8Array(4);
    new DataView(version.buffer).setUint32(0, AGENT_VERSION, true);
    // It may be in the midst of a frame.
    const hello = encodeFrame(this.session, 0, Type.hello, version);
    this.port.send(concatenate([new Uint8Array(TO_AGENT_BYTES), hello]));
  }

  private forget(error: GodwitError): void {
    this.session = undefined;
    this.ready = false;
    for (const task of this.tasks.values()) task.fail(error);
  }

  private say(request: number, type: number, payload: Uint8Array = NOTHING): void {
    this.port.send(encodeFrame(this.session!, request, type, payload));
  }

  /** What the agent sent. */
  receive(bytes: Uint8Array): void {
    this.reader.push(bytes, (frame) => this.take(frame));
  }

  private take(frame: Frame): void {
    const { session, type, payload } = frame;
    if (session === 0 && type === Type.hello) this.greetNew();
    // It still does something for whoever had the machine before.
    else if (this.session === undefined) this.begin();
    else if (session === this.session && !this.refused) this.takeOurs(frame, new DataView(payload.slice().buffer));
  }

  /** It has just started, with the guest or again. */
  private greetNew(): void {
    this.forget(new GodwitError('state', 'The agent in the guest has started anew.'));
    this.refused = undefined;
    this.setClock(this.port.guestNanoseconds);
  }

  private takeOurs({ type, request, payload }: Frame, view: DataView): void {
    const task = this.tasks.get(request);
    switch (type) {
      case Type.hello:
        this.welcome(view);
        break;
      case Type.output:
      case Type.errors: {
        const stream: Stream = type === Type.output ? 'output' : 'errors';
        if (task && !task.receive(stream, payload)) this.refuse('it sends more than was asked for');
        break;
      }
      case Type.credit:
        if (view.byteLength !== CREDIT_BYTES) this.refuse('a message has the wrong length');
        else if (task && !task.addInputCredit(view.getUint32(4, true))) this.refuse('it takes more than it was sent');
        break;
      case Type.exit:
        if (view.byteLength !== 2) this.refuse('a message has the wrong length');
        else task?.end(exitOf(view));
        break;
      default:
        this.refuse('it sends a message of an unknown kind');
    }
  }

  private welcome(view: DataView): void {
    if (view.byteLength !== CREDIT_BYTES) {
      this.refuse('a message has the wrong length');
      return;
    }
    const version = view.getUint32(0, true);
    if (version !== AGENT_VERSION) {
      this.refuse(`it is of version ${version}, and not ${AGENT_VERSION}`, 'unsupported');
      return;
    }
    this.tasksLimit = view.getUint32(4, true);
    this.ready = true;
    for (const { resolve } of this.waiters.splice(0)) resolve();
  }

  private refuse(why: string, code: 'io' | 'unsupported' = 'io'): void {
    const error = new GodwitError(code, `The agent in the guest cannot be understood: ${why}.`, {
      hint: 'End it in the guest; it starts again by itself.',
    });
    this.forget(error);
    this.refused = error;
    for (const { reject } of this.waiters.splice(0)) reject(error);
  }

  /** Throws GodwitError('state') when there is no agent, or it does not answer in time. */
  private async answer(waitMs: number): Promise<void> {
    const { port } = this;
    if (!port.exists) {
      throw new GodwitError('state', NO_PORT, {
        hint: 'It was made without one: by --no-agent, or by an older godwit.',
      });
    }
    if (this.refused) throw this.refused;
    this.begin();
    if (this.ready) return;
    await new Promise<void>((resolve, reject) => {
      const waiter: Waiter = {
        resolve: () => {
          cancel();
          resolve();
        },
        reject: (error) => {
          cancel();
          reject(error);
        },
      };
      const cancel = platform().timers.later(waitMs, () => {
        this.waiters = this.waiters.filter((other) => other !== waiter);
        reject(new GodwitError('state', SILENT, { hint: PUT_IT_THERE }));
      });
      this.waiters.push(waiter);
    });
  }

  /** Throws GodwitError 'state' without an agent, 'limit' for too much, 'io' or 'unsupported' for a strange agent. */
  async start(start: AgentStart): Promise<AgentRequest> {
    const texts = textsOf(start);
    if (texts.length > WINDOW_BYTES) {
      throw new GodwitError('limit', `A command has ${WINDOW_BYTES} bytes at most, with its environment.`);
    }
    await this.answer(start.waitMs ?? WAIT_MS);
    if ([...this.tasks.values()].filter((task) => !task.isOver).length >= this.tasksLimit) {
      throw new GodwitError('limit', `The guest's agent does ${this.tasksLimit} things at a time, and not more.`);
    }
    const request = this.nextRequest++;
    this.tasks.set(request, new GuestTask(request));
    this.port.send(encodeFrames(this.session!, request, Type.arguments, texts));
    this.say(request, Type.start, startPayload(start));
    return { request };
  }

  private taskOf(request: number): GuestTask {
    const task = this.tasks.get(request);
    if (task) return task;
    throw new GodwitError('state', 'The command in the guest has ended, or there was none of that number.');
  }

  async write(request: number, bytes: Uint8Array, end: boolean): Promise<void> {
    const task = this.taskOf(request);
    for (let at = 0; at < bytes.length; ) {
      const count = await task.takeInputCredit(bytes.length - at);
      if (count === 0) return;
      this.port.send(encodeFrames(this.session!, request, Type.input, bytes.subarray(at, at + count)));
      at += count;
    }
    if (end && !task.isOver) this.say(request, Type.inputEnd);
  }

  /** Its end is forgotten with that. */
  async read(request: number): Promise<AgentOutput> {
    const task = this.taskOf(request);
    try {
      const read = await task.read();
      if (read.exit) this.tasks.delete(request);
      else if (!task.isOver) this.giveCredit(request, read);
      return read;
    } catch (error) {
      this.tasks.delete(request);
      throw error;
    }
  }

  private giveCredit(request: number, read: AgentOutput): void {
    for (const stream of ['output', 'errors'] as const) {
      const bytes = read[stream]?.length ?? 0;
      if (bytes === 0) continue;
      const payload = new Uint8Array(CREDIT_BYTES);
      payload[0] = STREAM_NUMBERS[stream];
      new DataView(payload.buffer).setUint32(4, bytes, true);
      this.say(request, Type.credit, payload);
    }
  }

  signal(request: number, signal: number): void {
    const task = this.tasks.get(request);
    if (task && !task.isOver) this.say(request, Type.signal, Uint8Array.of(signal));
  }

  resize(request: number, { columns, rows }: TerminalSize): void {
    const task = this.tasks.get(request);
    if (!task || task.isOver) return;
    const payload = new Uint8Array(4);
    new DataView(payload.buffer).setUint16(0, rows, true);
    new DataView(payload.buffer).setUint16(2, columns, true);
    this.say(request, Type.resize, payload);
  }

  cancel(request: number): void {
    const task = this.tasks.get(request);
    if (!task) return;
    if (!task.isOver) this.say(request, Type.cancel);
    this.tasks.delete(request);
    task.fail(new GodwitError('state', 'The command in the guest was given up.'));
  }
}

function newSession(): number {
  const [word] = crypto.getRandomValues(new Uint32Array(1));
  return word === 0 ? 1 : word!;
}

function exitOf(view: DataView): GuestExit {
  return view.getUint8(0) === 0 ? { code: view.getUint8(1) } : { signal: view.getUint8(1) };
}

function textsOf({ folder = '', user = '', arguments: words, environment = [] }: AgentStart): Uint8Array {
  const texts = [folder, user, ...words, ...environment];
  return new TextEncoder().encode(texts.map((text) => `${text}\0`).join(''));
}

function startPayload({ task, terminal, arguments: words, environment = [] }: AgentStart): Uint8Array {
  const payload = new Uint8Array(START_BYTES);
  const view = new DataView(payload.buffer);
  view.setUint8(0, TASKS[task]);
  view.setUint8(1, terminal ? WITH_TERMINAL : 0);
  view.setUint16(2, terminal?.rows ?? 0, true);
  view.setUint16(4, terminal?.columns ?? 0, true);
  view.setUint16(6, words.length, true);
  view.setUint16(8, environment.length, true);
  return payload;
}
