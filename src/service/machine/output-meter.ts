import type { MachineLoop } from './machine-loop.ts';

/** With more than this on its way to someone who is slow, the machine is held up. */
const HIGH_BYTES = 1024 ** 2;
const LOW_BYTES = HIGH_BYTES / 4;

/** Counts what was sent and not yet taken, and holds the machine up when that is too much. */
export class OutputMeter {
  private readonly loop: MachineLoop;
  private bytes = 0;
  private stopped = false;

  constructor(loop: MachineLoop) {
    this.loop = loop;
  }

  sent(bytes: number): void {
    this.bytes += bytes;
    if (this.bytes > HIGH_BYTES && !this.stopped) this.loop.block(this);
  }

  acknowledge(bytes: number): void {
    this.bytes -= bytes;
    if (this.bytes < LOW_BYTES) this.loop.release(this);
  }

  /** Holds nothing up any more. */
  stop(): void {
    this.stopped = true;
    this.loop.release(this);
  }
}
