import { constants } from 'node:os';

const PASSED = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const;
const SIGNAL_BASE = 128;

/**
 * Signals of this process on their way to a command in a guest, whose end is then the end here. The same signal once
 * more, or one before the command runs, ends this process at once; the command is killed when its client has gone.
 */
export class CommandSignals {
  private readonly pass: (signal: NodeJS.Signals) => void;
  private readonly runs: () => boolean;
  private readonly passed = new Set<NodeJS.Signals>();
  private readonly listener = (signal: NodeJS.Signals): void => this.received(signal);

  constructor(pass: (signal: NodeJS.Signals) => void, runs: () => boolean) {
    this.pass = pass;
    this.runs = runs;
  }

  listen(): void {
    for (const signal of PASSED) process.on(signal, this.listener);
  }

  ignore(): void {
    for (const signal of PASSED) process.off(signal, this.listener);
  }

  private received(signal: NodeJS.Signals): void {
    // Terminals are restored at exit.
    if (!this.runs() || this.passed.has(signal)) process.exit(SIGNAL_BASE + constants.signals[signal]);
    this.passed.add(signal);
    this.pass(signal);
  }
}
