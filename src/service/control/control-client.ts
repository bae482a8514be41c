/** Finds machines of other processes, and asks things of them. */
import type { AskAgent } from '../../api/guest-process.ts';
import { fromWireError, type WireError } from '../../api/wire-error.ts';
import { GodwitError, isForeseen } from '../../common/errors.ts';
import { PendingRequests } from '../../common/pending-requests.ts';
import { platform } from '../../platform/platform.ts';
import type { ByteStream } from '../../platform/streams.ts';
import { LineWriter, StreamLines } from './control-lines.ts';
import {
  CONTROL_ACTIONS,
  CONTROL_VERSION,
  type ControlAction,
  type ControlActions,
  MAX_ANSWER_BYTES,
  MAX_REQUEST_BYTES,
  type MachineFacts,
  type ProgressOf,
  parseObject,
} from './control-protocol.ts';
import { endpoints } from './endpoints.ts';
import { assertMachineName } from './machine-name.ts';

/** A process that does not answer so long is taken for one that hangs. */
const GREETING_LIMIT_MS = 5000;

/** While a promise of it is open, nothing more is read. */
type OnProgress<Progress> = (progress: Progress) => unknown;

interface Greeted {
  resolve(): void;
  reject(error: GodwitError): void;
}

/** A connection to a machine of another process. */
export class ControlClient {
  readonly name: string;
  private readonly stream: ByteStream;
  private readonly writer: LineWriter;
  private readonly requests = new PendingRequests<unknown, OnProgress<never> | undefined>();
  private held = 0;
  private greeted: Greeted | undefined;

  /**
   * Throws GodwitError 'not-found' when there is no such machine, 'unsupported' when it speaks another version, 'io'
   * when it does not answer.
   */
  static async open(name: string): Promise<ControlClient> {
    assertMachineName(name);
    const client = new ControlClient(name, await connectTo(name));
    try {
      await client.greeting();
      return client;
    } catch (error) {
      client.close();
      throw error;
    }
  }

  private constructor(name: string, stream: ByteStream) {
    this.name = name;
    this.stream = stream;
    this.writer = new LineWriter(stream, MAX_REQUEST_BYTES);
    stream.onClose(() => this.end(new GodwitError('io', `The machine "${name}" ended, or its process did.`)));
    new StreamLines(stream, MAX_ANSWER_BYTES, {
      line: (line) => this.receive(line),
      overflow: () => this.fail('its answer is too long'),
    });
  }

  private greeting(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.greeted = { resolve, reject };
      platform().timers.later(GREETING_LIMIT_MS, () => {
        reject(new GodwitError('io', `The machine "${this.name}" does not answer.`));
      });
    });
  }

  /**
   * Throws GodwitError 'usage' for parameters that make no sense, 'io' when the machine is gone, and what the machine
   * throws.
   */
  async request<Action extends ControlAction>(
    action: Action,
    parameters: ControlActions[Action]['parameters'],
    onProgress?: OnProgress<ProgressOf<Action>>,
  ): Promise<ControlActions[Action]['result']> {
    const parsed = CONTROL_ACTIONS[action].takes.parse(parameters, action);
    const answer = this.requests.request(
      onProgress,
      (id) => void this.writer.write({ id, action, parameters: parsed }),
    );
    return (await answer) as ControlActions[Action]['result'];
  }

  /** For what the guest's agent does. */
  readonly askAgent: AskAgent = (action, parameters) => this.request(action, parameters as never) as Promise<never>;

  close(): void {
    this.stream.close();
  }

  private receive(line: string): void {
    let message: Readonly<Record<string, unknown>>;
    try {
      message = parseObject(line);
    } catch {
      this.fail('its answer is no JSON');
      return;
    }
    if (this.greeted) this.greet(message);
    else this.dispatch(message);
  }

  private greet({ godwit, tool }: Readonly<Record<string, unknown>>): void {
    const { greeted } = this;
    this.greeted = undefined;
    if (godwit === CONTROL_VERSION) {
      greeted?.resolve();
      return;
    }
    const other = typeof tool === 'string' ? tool.slice(0, 80) : 'something else';
    greeted?.reject(
      new GodwitError(
        'unsupported',
        `The machine "${this.name}" runs in ${other}, which is controlled in another way.`,
      ),
    );
  }

  private dispatch({ id, result, error, progress }: Readonly<Record<string, unknown>>): void {
    const number = id as number;
    if (progress !== undefined) this.hold(this.requests.contextOf(number)?.(progress as never));
    else if (error === undefined) this.requests.resolve(number, result === null ? undefined : result);
    else this.requests.reject(number, fromWireError(error as WireError));
  }

  private hold(taken: unknown): void {
    if (!(taken instanceof Promise)) return;
    if (this.held++ === 0) this.stream.pause();
    const go = (): void => {
      if (--this.held === 0) this.stream.resume();
    };
    taken.then(go, go);
  }

  private fail(why: string): void {
    this.end(new GodwitError('io', `The machine "${this.name}" cannot be understood: ${why}.`));
    this.stream.close();
  }

  private end(error: GodwitError): void {
    this.greeted?.reject(error);
    this.requests.close(error);
  }
}

async function connectTo(name: string): Promise<ByteStream> {
  try {
    return await endpoints().connect(name);
  } catch (error) {
    throw error instanceof GodwitError && error.code === 'not-found' ? noMachine(name) : error;
  }
}

function noMachine(name: string): GodwitError {
  return new GodwitError('not-found', `No machine "${name}" is running.`, {
    hint: '"godwit ps" lists those that are.',
  });
}

/** All machines of this user that answer. Those that do not are named, with the reason. */
export async function listMachines(): Promise<{
  machines: MachineFacts[];
  silent: { name: string; error: GodwitError }[];
}> {
  const names = await endpoints().list();
  const machines: MachineFacts[] = [];
  const silent: { name: string; error: GodwitError }[] = [];
  await Promise.all(
    names.map(async (name) => {
      try {
        machines.push(await factsOf(name));
      } catch (error) {
        if (!isForeseen(error)) throw error;
        // A socket whose process died; the next machine that starts takes it away.
        if (error.code !== 'not-found') silent.push({ name, error });
      }
    }),
  );
  const byName = (a: { name: string }, b: { name: string }): number => names.indexOf(a.name) - names.indexOf(b.name);
  return { machines: machines.sort(byName), silent: silent.sort(byName) };
}

async function factsOf(name: string): Promise<MachineFacts> {
  const client = await ControlClient.open(name);
  try {
    return await client.request('status', undefined);
  } finally {
    client.close();
  }
}

/** The machine of that name; without one, the only machine there is. Throws GodwitError 'not-found', 'usage'. */
export async function findMachine(name: string | undefined, how = 'with --machine'): Promise<ControlClient> {
  if (name !== undefined) return await ControlClient.open(name);
  const { machines } = await listMachines();
  const [only] = machines;
  if (!only) throw new GodwitError('not-found', 'No machine is running.', { hint: 'Start one with "godwit run".' });
  if (machines.length === 1) return await ControlClient.open(only.name);
  throw new GodwitError('usage', `${machines.length} machines are running: name one ${how}.`, {
    hint: `They are ${machines.map((machine) => machine.name).join(', ')}.`,
  });
}
