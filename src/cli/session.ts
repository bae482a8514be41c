/** A machine on this terminal until it ends. */

import type { DebugOptions } from '../api/debug.ts';
import { formatByteSize } from '../api/index.ts';
import { type GodwitError, isForeseen } from '../common/errors.ts';
import { ControlServer } from '../service/control/control-server.ts';
import type { Machine } from '../service/machine/machine.ts';
import { EXIT_FAILURE } from './errors.ts';
import { ESCAPE_HELP, type EscapeCommand } from './escape-keys.ts';
import { type Front, JsonFront, PlainFront, statisticsLine } from './front.ts';
import { Keyboard } from './keyboard.ts';
import { OutputClosed, writeAll } from './output.ts';
import { Signals } from './signals.ts';
import { RawTerminal, terminalSize } from './terminal.ts';
import type { TraceFile } from './trace-file.ts';

/** What a person says of a run, whatever the machine is made from. */
export interface SessionOptions {
  readonly name?: string;
  readonly headless?: boolean;
  readonly json?: boolean;
  readonly stats?: boolean;
  readonly record?: string;
  readonly flightRecorder?: number;
  readonly gdb?: DebugOptions['listen'];
  readonly gdbStopped?: boolean;
}

const MIB = 1024 ** 2;

/** What others are told of the machine. */
export interface SessionFacts {
  readonly console: string;
  readonly memoryBytes: number;
  readonly disks: readonly string[];
}

/** One run: the machine between the user's terminal and the signals of the process. */
export class Session {
  private readonly machine: Machine;
  private readonly options: SessionOptions;
  private readonly facts: SessionFacts;
  private control: ControlServer | undefined;
  private readonly front: Front;
  private readonly terminal: RawTerminal | undefined;
  private readonly signals: Signals;
  private keyboard: Keyboard | undefined;
  private readonly trace: TraceFile | undefined;
  /** The first thing that keeps the run from being of use. */
  private failure: unknown;
  private outputLost = false;
  /** What was to be recorded is not, or not all of it. */
  private recordingLost = false;

  constructor(machine: Machine, options: SessionOptions, facts: SessionFacts, trace?: TraceFile) {
    this.machine = machine;
    this.trace = trace;
    this.options = options;
    this.facts = facts;
    this.front = options.json ? new JsonFront() : new PlainFront((text) => this.say(text));
    const interactive = !options.headless && !options.json && process.stdin.isTTY;
    this.terminal = interactive ? new RawTerminal(process.stdin, process.stdout) : undefined;
    this.signals = new Signals(() => this.quit());
  }

  /** To stderr. */
  private say(text: string): void {
    process.stderr.write(this.forTerminal(text));
  }

  /** In raw mode a line feed alone does not go to the line's start. */
  private forTerminal(text: string): string {
    return this.terminal?.isRaw ? text.replaceAll('\n', '\r\n') : text;
  }

  async run(): Promise<number> {
    const { machine, front, options } = this;
    machine.on('disk-error', ({ disk, error }) => front.diskError(disk, error));
    machine.on('trace', (text) => this.showTrace(text));
    machine.on('recording-error', (error) => this.loseRecording(error));
    try {
      this.control = await this.openControl();
      this.connect();
      const { console: port, memoryBytes } = this.facts;
      front.started({ console: port, memory: `${memoryBytes / MIB}M`, name: this.control?.name ?? null });
      await this.record();
      await this.letGdbConnect();
      const printing = this.print();
      await machine.start();
      const end = await machine.finished;
      await printing;
      this.disconnect();
      await this.trace?.close();
      if (this.failure !== undefined) throw this.failure;
      if (!this.outputLost) await front.ended(end, options.stats === true);
      return this.signals.exitCode ?? (end.exitCode || (this.recordingLost ? EXIT_FAILURE : 0));
    } finally {
      this.disconnect();
      await machine.stop();
      await this.control?.close();
    }
  }

  /** Where there is no place for a socket, a machine that was given no name runs all the same. */
  private async openControl(): Promise<ControlServer | undefined> {
    const { machine, facts, options } = this;
    const name = options.name === undefined ? {} : { name: options.name };
    try {
      return await ControlServer.open({ machine, memoryBytes: facts.memoryBytes, disks: facts.disks, ...name });
    } catch (error) {
      if (options.name !== undefined || !isForeseen(error)) throw error;
      this.say(`godwit: Other processes cannot control this machine: ${error.message}\n`);
      return undefined;
    }
  }

  private async record(): Promise<void> {
    const { record: path, flightRecorder: lastMinutes } = this.options;
    if (path !== undefined) await this.machine.record({ path, ...(lastMinutes === undefined ? {} : { lastMinutes }) });
  }

  private async letGdbConnect(): Promise<void> {
    const { gdb: listen, gdbStopped: stopped = false } = this.options;
    if (listen === undefined) return;
    const address = await this.machine.debug({ listen, stopped });
    const state = stopped ? 'the machine waits for gdb' : 'gdb can connect';
    this.say(`godwit: ${state}: target remote ${address}\n`);
  }

  private async saveFlight(): Promise<void> {
    const { record: path, flightRecorder } = this.options;
    if (path === undefined || flightRecorder === undefined) {
      this.say('\ngodwit: there is no flight recorder.\n');
      return;
    }
    try {
      const bytes = await this.machine.saveFlight(path);
      this.say(`\ngodwit: the last minutes are in ${path} (${formatByteSize(bytes)}).\n`);
    } catch (error) {
      if (!isForeseen(error)) throw error;
      this.say(`\ngodwit: ${error.message}\n`);
    }
  }

  private connect(): void {
    const { terminal, options } = this;
    this.signals.listen();
    if (terminal) {
      const name = this.control ? `this is ${this.control.name}; ` : '';
      this.say(`godwit: ${name}Ctrl-A x quits, Ctrl-A h shows what else Ctrl-A does.\n`);
      terminal.enter();
      const size = terminalSize(process.stdout);
      if (size) this.control?.viewers.begin(this, size);
      process.stdout.on('resize', this.resized);
    }
    if (options.headless) return;
    this.keyboard = new Keyboard({
      input: process.stdin,
      console: { write: (data) => this.type(data) },
      ...(terminal && { onCommand: (command: EscapeCommand) => void this.obey(command) }),
    });
  }

  private disconnect(): void {
    this.keyboard?.close();
    this.terminal?.restore();
    this.signals.ignore();
    process.stdout.off('resize', this.resized);
  }

  /** Others may have typed meanwhile, in windows of other sizes. */
  private async type(data: string | Uint8Array): Promise<void> {
    if (this.control && typeof data !== 'string') await this.control.viewers.type(this, data);
    else await this.machine.console.write(data);
  }

  private readonly resized = (): void => {
    const size = terminalSize(process.stdout);
    if (size) this.control?.viewers.resize(this, size);
    if (size && !this.control) this.machine.console.resize(size.columns, size.rows).catch(() => {});
  };

  private async print(): Promise<void> {
    try {
      for await (const bytes of this.machine.console) await this.front.output(bytes);
    } catch (error) {
      this.loseOutput(error);
    }
  }

  private loseRecording(error: GodwitError): void {
    this.recordingLost = true;
    this.front.recordingError(error);
  }

  private loseOutput(error: unknown): void {
    this.outputLost = true;
    // The machine has no purpose any more.
    if (error instanceof OutputClosed) this.quit();
    else this.fail(error);
  }

  private async showTrace(text: string): Promise<void> {
    try {
      if (this.trace) await this.trace.write(text);
      else await writeAll(process.stderr, this.forTerminal(text));
    } catch (error) {
      if (error instanceof OutputClosed) this.quit();
      else this.fail(error);
    }
  }

  private fail(error: unknown): void {
    this.failure ??= error;
    this.quit();
  }

  private quit(): void {
    this.machine.stop().catch(() => {});
  }

  private cannotDetach(): string {
    const name = this.control?.name ?? 'NAME';
    return `godwit: the machine runs on this terminal and would end with it. Other terminals reach it, too: "godwit attach ${name}".`;
  }

  private async obey(command: EscapeCommand): Promise<void> {
    const { machine } = this;
    try {
      if (command === 'quit') this.quit();
      else if (command === 'detach') this.say(`\n${this.cannotDetach()}\n`);
      else if (command === 'help') this.say(`\n${ESCAPE_HELP.join('\n')}\n`);
      else if (command === 'statistics') this.say(`\n${statisticsLine(await machine.stats())}`);
      else if (command === 'save-flight') await this.saveFlight();
      else if (machine.status === 'paused') {
        this.say('godwit: the machine goes on.\n');
        await machine.resume();
      } else {
        await machine.pause();
        this.say('\ngodwit: the machine is paused; Ctrl-A p lets it go on.\n');
      }
    } catch {
      // The machine has just ended.
    }
  }
}
