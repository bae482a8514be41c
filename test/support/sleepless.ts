import type { HostClock } from '../../src/platform/clock.ts';
import type { HostLoop } from '../../src/run/host-loop.ts';

/** Wall time whose sleeping parts pass at once, each a little longer than asked for, as on a real host. */
export class SleeplessHost implements HostClock, HostLoop {
  private skippedMs = 0;
  private state = 1;

  nowMs(): number {
    return performance.now() + this.skippedMs;
  }

  epochNanoseconds(): bigint {
    return 0n;
  }

  async yield(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
  }

  async sleep(ms: number): Promise<void> {
    this.state = (Math.imul(this.state, 1_103_515_245) + 12_345) >>> 0;
    this.skippedMs += ms + (this.state / 2 ** 32) * 3;
  }

  wake(): void {}
}
