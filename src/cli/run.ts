/** `godwit run`: a machine on this terminal until it ends. */
import { createWriteStream } from 'node:fs';
import type { MachineOptions } from '../api/index.ts';
import { configureMachine } from '../api/options.ts';
import { Machine } from '../platform/node/machine.ts';
import { RawTerminal, terminalSize } from '../platform/node/terminal.ts';
import { ESCAPE_HELP, type EscapeCommand } from './escape-keys.ts';
import { type Front, JsonFront, PlainFront, statisticsLine, writeAll } from './front.ts';
import { type BootFiles, bootFiles } from './guest-images.ts';
import { Keyboard } from './keyboard.ts';
import { type RunOptions, refuseNonsense } from './run-options.ts';
import { Signals } from './signals.ts';

/** Runs it and gives the exit status: the guest's. Throws GodwitError when there is nothing to run. */
export async function run(options: RunOptions): Promise<number> {
  refuseNonsense(options);
  // Before anything is fetched. What the machine boots is not known yet, and stands for it here.
  await configureMachine({ ...machineOptions(options), kernel: options.kernel ?? 'kernel' });
  const size = terminalSize(process.stdout);
  const files = await bootFiles(options, size && { ...size, name: process.env.TERM });
  try {
    const machine = await createMachine(options, files);
    return await new Session(machine, options).run();
  } finally {
    await files.cleanUp();
  }
}

async function createMachine(options: RunOptions, files: BootFiles): Promise<Machine> {
  return await Machine.create({
    ...machineOptions(options),
    ...files.options,
    disks: [...files.disks, ...options.disk],
  });
}

/** All but what it boots. */
function machineOptions(options: RunOptions): MachineOptions {
  const size = terminalSize(process.stdout);
  return {
    memory: options.memory,
    disks: options.disk,
    consolePort: options.console,
    ...(size && { terminal: size }),
    ...(options.seed === undefined ? {} : { seed: options.seed }),
    ...(options.trace === undefined ? {} : { trace: options.trace === true ? '' : options.trace }),
  };
}

/** One run: the machine between the user's terminal and the signals of the process. */
class Session {
  private readonly machine: Machine;
  private readonly options: RunOptions;
  private readonly front: Front;
  private readonly terminal: RawTerminal | undefined;
  private readonly signals: Signals;
  private keyboard: Keyboard | undefined;
  private outputFailed = false;

  constructor(machine: Machine, options: RunOptions) {
    this.machine = machine;
    this.options = options;
    this.front = options.json ? new JsonFront() : new PlainFront((text) => this.say(text));
    const interactive = !options.headless && process.stdin.isTTY;
    this.terminal = interactive ? new RawTerminal(process.stdin, process.stdout) : undefined;
    this.signals = new Signals(() => this.quit());
  }

  /** To stderr. In raw mode a line feed alone does not go to the line's start. */
  private say(text: string): void {
    process.stderr.write(this.terminal?.isRaw ? text.replaceAll('\n', '\r\n') : text);
  }

  async run(): Promise<number> {
    const { machine, front, options } = this;
    machine.on('disk-error', ({ disk, error }) => front.diskError(disk, error));
    const trace = this.openTrace();
    try {
      this.connect();
      front.started({ console: options.console, memory: options.memory });
      const printing = this.print();
      await machine.start();
      const end = await machine.finished;
      await printing;
      this.disconnect();
      await trace?.close();
      if (!this.outputFailed) await front.ended(end, options.stats === true);
      return this.signals.exitCode ?? end.exitCode;
    } finally {
      this.disconnect();
      await machine.stop();
    }
  }

  private connect(): void {
    const { machine, terminal, options } = this;
    process.stdout.on('error', () => this.loseOutput());
    this.signals.listen();
    if (terminal) {
      this.say('godwit: Ctrl-A x quits, Ctrl-A h shows what else Ctrl-A does.\n');
      terminal.enter();
      process.stdout.on('resize', this.resized);
    }
    if (options.headless) return;
    this.keyboard = new Keyboard({
      input: process.stdin,
      console: machine.console,
      ...(terminal && { onCommand: (command: EscapeCommand) => void this.obey(command) }),
    });
  }

  private disconnect(): void {
    this.keyboard?.close();
    this.terminal?.restore();
    this.signals.ignore();
    process.stdout.off('resize', this.resized);
  }

  private readonly resized = (): void => {
    const size = terminalSize(process.stdout);
    if (size) this.machine.console.resize(size.columns, size.rows).catch(() => {});
  };

  private async print(): Promise<void> {
    try {
      for await (const bytes of this.machine.console) await this.front.output(bytes);
    } catch {
      this.loseOutput();
    }
  }

  /** Nobody reads the output any more, as behind `| head`: the machine has no purpose. */
  private loseOutput(): void {
    if (this.outputFailed) return;
    this.outputFailed = true;
    this.quit();
  }

  private quit(): void {
    this.machine.stop().catch(() => {});
  }

  private async obey(command: EscapeCommand): Promise<void> {
    const { machine } = this;
    try {
      if (command === 'quit') this.quit();
      else if (command === 'help') this.say(`\n${ESCAPE_HELP.join('\n')}\n`);
      else if (command === 'statistics') this.say(`\n${statisticsLine(await machine.stats())}`);
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

  private openTrace(): { close(): Promise<void> } | undefined {
    const { trace, traceFile } = this.options;
    if (trace === undefined) return undefined;
    const stream = traceFile === undefined ? process.stderr : createWriteStream(traceFile);
    let written = Promise.resolve();
    this.machine.on('trace', (text) => {
      written = written.then(() => writeAll(stream, text)).catch(() => this.quit());
    });
    return { close: () => written };
  }
}
