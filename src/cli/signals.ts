import { constants } from 'node:os';

const ENDING = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
const SIGNAL_BASE = 128;

/** Signals that ask the process to end: the first one quits in order, the second one at once. */
export class Signals {
  private readonly quit: () => void;
  private readonly listener = (signal: NodeJS.Signals): void => this.received(signal);
  private code: number | undefined;

  constructor(quit: () => void) {
    this.quit = quit;
  }

  /** What a process that a signal ended has as its status in a shell. */
  get exitCode(): number | undefined {
    return this.code;
  }

  listen(): void {
    for (const signal of ENDING) process.on(signal, this.listener);
  }

  ignore(): void {
    for (const signal of ENDING) process.off(signal, this.listener);
  }

  private received(signal: NodeJS.Signals): void {
    const code = SIGNAL_BASE + constants.signals[signal];
    // Terminals are restored at exit.
    if (this.code !== undefined) process.exit(code);
    this.code = code;
    this.quit();
  }
}
