/** `godwit exec`: a command in the guest of a machine that runs in another process. */

import { type AskAgent, feed, type GuestOutput, GuestProcess, type SpawnOptions } from '../api/guest-process.ts';
import { GodwitError } from '../common/errors.ts';
import { hostError } from '../platform/node/host-error.ts';
import { CommandSignals } from './command-signals.ts';
import { reportError } from './errors.ts';
import { withMachine } from './machines.ts';
import { isOutputClosed, writeAll } from './output.ts';
import { RawTerminal, terminalSize } from './terminal.ts';

export interface ExecCommandOptions {
  readonly interactive?: boolean;
  readonly tty?: boolean;
  readonly env?: readonly string[];
  readonly workdir?: string;
  readonly user?: string;
  readonly wait: number;
  readonly debug?: boolean;
}

/** As with containers: what godwit could not do, in place of a status of the command. */
export const EXIT_NOT_RUN = 125;
/** As of a program that writes where nobody reads. */
const EXIT_PIPE = 141;
const PATIENCE_MS = 2000;
const WAITING = 'godwit: waiting for the agent in the guest (Ctrl-C gives up)\n';
const DEFAULT_TERMINAL = { columns: 80, rows: 24 };

/** Gives the command's exit status; 128 and the signal's number when one ended it. */
export async function exec(name: string, command: readonly string[], options: ExecCommandOptions): Promise<number> {
  try {
    if (command.length === 0) {
      throw new GodwitError('usage', 'There is no command to run.', {
        hint: `As in "godwit exec ${name} -- uname -a".`,
      });
    }
    if (options.tty && options.interactive && !process.stdin.isTTY) {
      throw new GodwitError('usage', 'There is no terminal for -t: standard input is none.', {
        hint: 'Leave -t out; -i alone passes standard input on.',
      });
    }
    return await withMachine(name, (machine) => new ExecSession(machine.askAgent, options).run(command));
  } catch (error) {
    reportError(error, options.debug === true);
    return EXIT_NOT_RUN;
  }
}

class ExecSession {
  private readonly ask: AskAgent;
  private readonly options: ExecCommandOptions;
  private readonly terminal: RawTerminal | undefined;
  private running: GuestProcess | undefined;
  /** Standard input could not be passed on. */
  private inputFailure: unknown;

  constructor(ask: AskAgent, options: ExecCommandOptions) {
    this.ask = ask;
    this.options = options;
    const isRaw = options.tty && options.interactive;
    this.terminal = isRaw ? new RawTerminal(process.stdin, process.stdout) : undefined;
  }

  async run(command: readonly string[]): Promise<number> {
    const signals = new CommandSignals(
      (signal) => void this.running?.kill(signal).catch(() => {}),
      () => this.running !== undefined,
    );
    signals.listen();
    // Whoever writes is told by its promise.
    process.stdout.on('error', () => {});
    try {
      this.running = await this.start(command);
      this.terminal?.enter();
      if (this.options.tty) process.stdout.on('resize', this.resized);
      void this.passInput(this.running);
      await this.print(this.running);
      return (await this.running.exited).exitCode;
    } catch (error) {
      if (isOutputClosed(error)) return EXIT_PIPE;
      const cause = this.inputFailure ?? error;
      throw cause instanceof GodwitError ? cause : hostError(cause, 'pass input or output on');
    } finally {
      this.terminal?.restore();
      process.stdout.off('resize', this.resized);
      signals.ignore();
      process.stdin.pause();
      process.stdin.unref?.();
    }
  }

  private async start(command: readonly string[]): Promise<GuestProcess> {
    const impatient = setTimeout(() => process.stderr.write(WAITING), PATIENCE_MS);
    try {
      return await GuestProcess.start(this.ask, command, this.spawnOptions());
    } finally {
      clearTimeout(impatient);
    }
  }

  private spawnOptions(): SpawnOptions {
    const { tty, env = [], workdir, user, wait } = this.options;
    const variables = Object.fromEntries(env.map(parseVariable));
    const TERM = process.env.TERM;
    return {
      env: tty && TERM !== undefined ? { TERM, ...variables } : variables,
      ...(workdir !== undefined && { cwd: workdir }),
      ...(user !== undefined && { user }),
      ...(tty && { terminal: terminalSize(process.stdout) ?? DEFAULT_TERMINAL }),
      agentTimeoutMs: wait * 1000,
    };
  }

  private readonly resized = (): void => {
    const size = terminalSize(process.stdout);
    if (size) this.running?.resize(size).catch(() => {});
  };

  private async passInput(running: GuestProcess): Promise<void> {
    try {
      // Without -i a terminal's command is left its terminal, which has no end.
      if (this.options.interactive) await feed(running, process.stdin);
      else if (!this.options.tty) await running.end();
    } catch (error) {
      this.inputFailure = error;
      // Does nothing when the command has ended, which would be why.
      await running.cancel().catch(() => {});
    }
  }

  private async print(running: GuestProcess): Promise<void> {
    for await (const output of running) await writeOutput(output);
  }
}

function writeOutput({ stream, bytes }: GuestOutput): Promise<void> {
  return writeAll(process[stream], bytes);
}

/** NAME=value, or the NAME of a variable of this process, as of containers. */
function parseVariable(text: string): [string, string] {
  const at = text.indexOf('=');
  if (at > 0) return [text.slice(0, at), text.slice(at + 1)];
  if (at === 0 || text === '') {
    throw new GodwitError('usage', `"${text}" is no variable.`, {
      hint: 'Write NAME=VALUE, or the NAME of one that is set here.',
    });
  }
  return [text, process.env[text] ?? ''];
}
