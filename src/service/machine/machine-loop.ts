import { platform } from '../../platform/platform.ts';
import type { HostLoop } from '../../run/host-loop.ts';

/** The event loop of a thread, between slices of a machine. */
export class MachineLoop implements HostLoop {
  private wakeSleeper: (() => void) | undefined;
  private unblock: (() => void) | undefined;
  private readonly holders = new Set<object>();
  private blocked: Promise<void> | undefined;
  private readonly timers = platform().timers;
  /** Called after each round of messages. */
  private readonly onRound: () => void;

  constructor(onRound: () => void = () => {}) {
    this.onRound = onRound;
  }

  /** One round of the event loop: messages and completions get in. Longer while the machine is held up. */
  async yield(): Promise<void> {
    await this.timers.turn();
    this.onRound();
    while (this.blocked) await this.blocked;
  }

  async sleep(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const cancel = this.timers.later(ms, resolve, { keepAlive: true });
      this.wakeSleeper = () => {
        cancel();
        resolve();
      };
    });
    this.wakeSleeper = undefined;
  }

  wake(): void {
    this.wakeSleeper?.();
  }

  /**
   * Holds the machine up at its next `yield`, until this holder releases it. To the machine that is an absence.
   */
  block(holder: object): void {
    this.holders.add(holder);
    this.blocked ??= new Promise((resolve) => {
      this.unblock = resolve;
    });
  }

  release(holder: object): void {
    this.holders.delete(holder);
    if (this.holders.size > 0) return;
    this.blocked = undefined;
    this.unblock?.();
  }
}
