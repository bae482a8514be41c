import type { HostClock, HostLoop } from '../../door/live.ts';

export const nodeClock: HostClock = {
  nowMs: () => performance.now(),
  epochNanoseconds: () => BigInt(Date.now()) * 1_000_000n,
};

/** The event loop of a thread, between slices of a machine. */
export class NodeLoop implements HostLoop {
  private wakeSleeper: (() => void) | undefined;
  private unblock: (() => void) | undefined;
  private blocked: Promise<void> | undefined;
  /** Called after each round of messages. */
  private readonly onRound: () => void;

  constructor(onRound: () => void = () => {}) {
    this.onRound = onRound;
  }

  /** One round of the event loop: messages and completions get in. Longer while the machine is held up. */
  async yield(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    this.onRound();
    while (this.blocked) await this.blocked;
  }

  async sleep(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.wakeSleeper = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.wakeSleeper = undefined;
  }

  wake(): void {
    this.wakeSleeper?.();
  }

  /** Holds the machine up at its next `yield`. Guest time goes on with the wall clock. */
  block(): void {
    this.blocked ??= new Promise((resolve) => {
      this.unblock = resolve;
    });
  }

  release(): void {
    this.blocked = undefined;
    this.unblock?.();
  }
}
