import type { CoreOptions } from '../machine/core-options.ts';
import type { ConsolePort } from '../machine/events.ts';

/**
 * Stands between a machine that goes back and forth in time and who looks at its consoles: what was printed once is not
 * printed again. Output is the same every time, so a count of bytes says what was seen.
 */
export class RewindableOutput {
  private readonly sink: NonNullable<CoreOptions['output']>;
  private printed = 0;
  private seen = 0;

  constructor(sink: NonNullable<CoreOptions['output']>) {
    this.sink = sink;
  }

  /** Bytes of all consoles that the machine has printed where it is now. */
  get position(): number {
    return this.printed;
  }

  /** The machine went to a place where it had printed that many. */
  goBack(position: number): void {
    this.printed = position;
  }

  /** For `CoreOptions.output`. */
  readonly output = (port: ConsolePort, bytes: Uint8Array): void => {
    const start = this.printed;
    this.printed += bytes.length;
    if (this.printed <= this.seen) return;
    this.sink(port, bytes.subarray(Math.max(0, this.seen - start)));
    this.seen = this.printed;
  };
}
