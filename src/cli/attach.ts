/** `godwit attach`: the console of a machine that runs in another process, on this terminal. */
import { GodwitError, isForeseen } from '../common/errors.ts';
import { hostError } from '../platform/node/host-error.ts';
import { bytesOfText } from '../service/control/byte-text.ts';
import { type ControlClient, findMachine } from '../service/control/control-client.ts';
import type { ConsoleEnd, ConsoleOutput } from '../service/control/control-protocol.ts';
import { ATTACHED_HELP, type EscapeCommand } from './escape-keys.ts';
import { statisticsLine } from './front.ts';
import { Keyboard } from './keyboard.ts';
import { isOutputClosed, writeAll } from './output.ts';
import { RemoteInput } from './remote-input.ts';
import { Signals } from './signals.ts';
import { RawTerminal, terminalSize } from './terminal.ts';

export interface AttachOptions {
  /** False: nothing is typed. */
  readonly input?: boolean;
}

/** Gives the exit status: the machine's, when it ended meanwhile. */
export async function attach(name: string | undefined, options: AttachOptions): Promise<number> {
  const machine = await findMachine(name, 'such as `godwit attach NAME`');
  try {
    return await new Attachment(machine, options).run();
  } finally {
    machine.close();
  }
}

class Attachment {
  private readonly machine: ControlClient;
  private readonly options: AttachOptions;
  private readonly terminal: RawTerminal | undefined;
  private readonly signals = new Signals(() => this.detach());
  private keyboard: Keyboard | undefined;
  private printed: Promise<void> = Promise.resolve();
  private detach: () => void = () => {};
  private failure: unknown;

  constructor(machine: ControlClient, options: AttachOptions) {
    this.machine = machine;
    this.options = options;
    const interactive = options.input !== false && process.stdin.isTTY;
    this.terminal = interactive ? new RawTerminal(process.stdin, process.stdout) : undefined;
  }

  async run(): Promise<number> {
    const detached = new Promise<undefined>((resolve) => {
      this.detach = () => resolve(undefined);
    });
    process.stdout.on('error', (error) => this.loseOutput(error));
    this.signals.listen();
    try {
      this.terminal?.enter();
      if (this.terminal) this.say('Ctrl-A d detaches, Ctrl-A h shows what else Ctrl-A does.');
      this.tellSize();
      process.stdout.on('resize', this.tellSize);
      const ended = this.machine.request('attach', undefined, (output) => this.show(output));
      this.connectKeyboard();
      const end = await Promise.race([ended, detached]);
      if (end) await this.printed;
      this.disconnect();
      if (this.failure !== undefined) throw this.failure;
      return this.leave(end);
    } finally {
      this.disconnect();
    }
  }

  private leave(end: ConsoleEnd | undefined): number {
    const { name } = this.machine;
    if (end) return this.signals.exitCode ?? end.exitCode;
    if (this.terminal) this.say(`it goes on; \`godwit attach ${name}\` comes back, \`godwit stop ${name}\` ends it.`);
    return this.signals.exitCode ?? 0;
  }

  private connectKeyboard(): void {
    if (this.options.input === false) return;
    this.keyboard = new Keyboard({
      input: process.stdin,
      console: new RemoteInput(this.machine),
      ...(this.terminal && { onCommand: (command: EscapeCommand) => void this.obey(command) }),
    });
  }

  private disconnect(): void {
    this.keyboard?.close();
    this.terminal?.restore();
    this.signals.ignore();
    process.stdout.off('resize', this.tellSize);
  }

  private readonly tellSize = (): void => {
    const size = terminalSize(process.stdout);
    // A machine that has ended says so elsewhere.
    if (size) this.machine.request('window', size).catch(() => {});
  };

  /** Resolves when it is out: until then no more is read. */
  private show({ output, lostBytes = 0 }: ConsoleOutput): Promise<void> {
    if (lostBytes > 0) this.say(`${lostBytes} bytes of output were lost here: nothing waits for this terminal.`);
    this.printed = writeAll(process.stdout, bytesOfText(output)).catch((error) => this.loseOutput(error));
    return this.printed;
  }

  /** To stderr, on lines of its own. */
  private say(text: string): void {
    const line = `godwit: "${this.machine.name}": ${text}\n`;
    process.stderr.write(this.terminal?.isRaw ? `\r\n${line.replaceAll('\n', '\r\n')}` : line);
  }

  private loseOutput(error: unknown): void {
    // Nobody reads it any more, as behind `| head`: the machine goes on without us.
    if (!isOutputClosed(error)) this.failure ??= hostError(error, 'write the output');
    this.detach();
  }

  private async obey(command: EscapeCommand): Promise<void> {
    const { machine } = this;
    try {
      if (command === 'detach' || command === 'quit') this.detach();
      else if (command === 'statistics')
        process.stderr.write(`\r\n${statisticsLine(await machine.request('statistics', undefined))}\r`);
      else if (command === 'pause') await this.pauseOrGoOn();
      else process.stderr.write(`\r\n${ATTACHED_HELP.join('\r\n')}\r\n`);
    } catch (error) {
      if (!isForeseen(error)) throw error;
      // One that has ended says so elsewhere.
      if (!(error instanceof GodwitError && error.code === 'state')) this.say(error.message);
    }
  }

  private async pauseOrGoOn(): Promise<void> {
    const { machine } = this;
    const { status } = await machine.request('status', undefined);
    if (status === 'paused') {
      this.say('the machine goes on.');
      await machine.request('resume', undefined);
    } else {
      await machine.request('pause', undefined);
      this.say('the machine is paused; Ctrl-A p lets it go on.');
    }
  }
}
