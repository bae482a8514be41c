import { GodwitError } from '../common/errors.ts';
import {
  anyText,
  bytes,
  either,
  milliseconds,
  object,
  optional,
  regularExpression,
  type Schema,
} from '../common/schema.ts';
import { ConsoleReader } from './console-reader.ts';
import { Transcript } from './transcript.ts';

/** What a console needs of its machine. */
export interface ConsoleActions {
  write(bytes: Uint8Array): Promise<void>;
  resize(columns: number, rows: number): Promise<void>;
  /** That many bytes of output have been consumed. */
  consumed(bytes: number): void;
}

/** How long `MachineConsole.waitFor` waits. */
export interface WaitOptions {
  /** Milliseconds. Default: for ever. */
  readonly timeoutMs?: number;
}

const DATA: Schema<string | Uint8Array> = either(anyText(), bytes(), 'a text or a Uint8Array');
const PATTERN: Schema<string | RegExp> = either(anyText(), regularExpression(), 'a text or a regular expression');
const WAIT_OPTIONS: Schema<WaitOptions> = object({ timeoutMs: optional(milliseconds()) });

/**
 * A machine's console. Output is read by iterating, any number of times at once:
 *
 *     for await (const bytes of machine.console) process.stdout.write(bytes);
 *
 * Each iterator gets all output from the moment it is made to the machine's end. The guest waits while an iterator has
 * more than 1 MiB unread; without iterators nothing waits. The last 1 MiB of text is kept for `waitFor` and
 * `transcript`.
 */
export class MachineConsole implements AsyncIterable<Uint8Array> {
  private readonly actions: ConsoleActions;
  private readonly readers = new Set<ConsoleReader>();
  private readonly watchers = new Set<(bytes: Uint8Array) => void>();
  private readonly text = new Transcript();
  private received = 0;
  private acknowledged = 0;
  private ended = false;

  /** @internal Machines make their console themselves. */
  constructor(actions: ConsoleActions) {
    this.actions = actions;
  }

  /**
   * Types into the console. Text is sent as UTF-8; Enter is "\r", as on a keyboard ("\n" works as well with Linux).
   * Resolves when the guest's device has taken all, in order; a Linux that has not opened its serial port yet is waited
   * for, so nothing is lost. Rejects with GodwitError('state') when the machine ends before.
   */
  async write(data: string | Uint8Array): Promise<void> {
    const parsed = DATA.parse(data, 'data');
    await this.actions.write(typeof parsed === 'string' ? new TextEncoder().encode(parsed) : parsed);
  }

  /**
   * The terminal has another size. Reaches the guest on the virtio console (virtio 1.2, 5.3.4); a UART knows no size.
   */
  async resize(columns: number, rows: number): Promise<void> {
    await this.actions.resize(columns, rows);
  }

  /**
   * Waits until the console shows a text or a match of an expression, in what came after the last match, and returns
   * what matched. Rejects with GodwitError('state') when the machine ends or the time is over without it.
   */
  async waitFor(pattern: string | RegExp, options: WaitOptions = {}): Promise<string> {
    const { timeoutMs } = WAIT_OPTIONS.parse(options, 'options');
    return await this.text.waitFor(PATTERN.parse(pattern, 'pattern'), timeoutMs);
  }

  /** The last 1 MiB of output, as text. */
  get transcript(): string {
    return this.text.all;
  }

  /** All output from now on, in pieces as they come, to the machine's end. */
  [Symbol.asyncIterator](): AsyncIterableIterator<Uint8Array> {
    const reader = new ConsoleReader(this.received, {
      progress: () => this.acknowledge(),
      done: () => {
        this.readers.delete(reader);
        this.acknowledge();
      },
    });
    if (this.ended) reader.end();
    else this.readers.add(reader);
    return reader;
  }

  /** @internal `watch` sees all output, and nobody waits for it. It does not throw. Returns what ends that. */
  watch(watch: (bytes: Uint8Array) => void): () => void {
    this.watchers.add(watch);
    return () => this.watchers.delete(watch);
  }

  /** @internal The guest printed. */
  receive(bytes: Uint8Array): void {
    this.received += bytes.length;
    for (const reader of this.readers) reader.push(bytes);
    for (const watch of this.watchers) watch(bytes);
    this.text.push(bytes);
    this.acknowledge();
  }

  /** @internal Nothing more will come. */
  end(): void {
    this.ended = true;
    for (const reader of [...this.readers]) reader.end();
    this.text.end(new GodwitError('state', 'The machine ended.'));
  }

  private acknowledge(): void {
    let slowest = this.received;
    for (const reader of this.readers) slowest = Math.min(slowest, reader.consumed);
    if (slowest === this.acknowledged || this.ended) return;
    this.actions.consumed(slowest - this.acknowledged);
    this.acknowledged = slowest;
  }
}
