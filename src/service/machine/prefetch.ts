import type { GuestRam } from '../../memory/guest-ram.ts';
import { platform } from '../../platform/platform.ts';

/** So long one step takes, about: a guest waits meanwhile. */
const STEP_MS = 0.5;

/** Brings in pages that a restored machine is likely to touch, in its pauses. */
export class Prefetch {
  private readonly ram: GuestRam;
  private pages: readonly number[];
  private next = 0;

  constructor(ram: GuestRam, pages: readonly number[]) {
    this.ram = ram;
    this.pages = pages;
  }

  /** What cannot be read is left: the guest's own access says so, if it comes. */
  step(): void {
    if (this.next >= this.pages.length) return;
    const { clock } = platform();
    const endMs = clock.nowMs() + STEP_MS;
    try {
      while (this.next < this.pages.length && clock.nowMs() < endMs) this.ram.prefetch(this.pages[this.next++]!);
    } catch {
      this.pages = [];
    }
  }
}
