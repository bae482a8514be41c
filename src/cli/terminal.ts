/** The user's terminal in raw mode, and the way back to how it was. */
import type { TerminalSize } from '../api/options.ts';

/** Attributes off, cursor shown, keypad and bracketed paste and mouse reports off: what a guest may leave behind. */
const PLAIN = '\x1b[0m\x1b[?25h\x1b[?1l\x1b>\x1b[?2004l\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l';

export class RawTerminal {
  private readonly input: NodeJS.ReadStream;
  private readonly output: NodeJS.WriteStream;
  private readonly restoreAtExit = (): void => this.restore();
  /** After a stop the shell has changed the terminal; Node believes it is still raw. */
  private readonly enterAgain = (): void => {
    this.input.setRawMode(false);
    this.input.setRawMode(true);
  };
  private raw = false;

  constructor(input: NodeJS.ReadStream, output: NodeJS.WriteStream) {
    this.input = input;
    this.output = output;
  }

  get isRaw(): boolean {
    return this.raw;
  }

  /** Every key reaches the reader as it is, Ctrl-C too. Undone by `restore`, and when the process exits. */
  enter(): void {
    this.input.setRawMode(true);
    this.raw = true;
    process.on('exit', this.restoreAtExit);
    process.on('SIGCONT', this.enterAgain);
  }

  /** May be called at any time, any number of times. */
  restore(): void {
    if (!this.raw) return;
    this.raw = false;
    process.off('exit', this.restoreAtExit);
    process.off('SIGCONT', this.enterAgain);
    try {
      if (this.output.isTTY) this.output.write(PLAIN);
      this.input.setRawMode(false);
    } catch {
      // The terminal is gone: there is nothing to restore.
    }
  }
}

/** Undefined when the stream is no terminal. */
export function terminalSize(stream: NodeJS.WriteStream): TerminalSize | undefined {
  if (!stream.isTTY || !stream.columns || !stream.rows) return undefined;
  return { columns: stream.columns, rows: stream.rows };
}
