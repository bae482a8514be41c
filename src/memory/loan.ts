import type { FrameSpan } from '../device/device.ts';

/**
 * A range of guest RAM as it was when it was lent. The host may read its bytes for as long as it likes, while the guest
 * goes on: what the guest or a device writes there goes to a copy.
 */
export interface Loan {
  /** Where the bytes lie in `GuestRam.bytes`, in order. Not to be written. */
  readonly spans: readonly FrameSpan[];
  /** The bytes are not read any more. To be called in the thread that borrowed. Once is enough; more does nothing. */
  giveBack(): void;
}

export interface LoanStatistics {
  /** Frames that are lent now. */
  readonly lentFrames: number;
  /** How often a page was copied because its frame was lent when it was written, since the machine was made. */
  readonly copiedPages: number;
}

/** Which frames a machine has lent, and how often. */
export class LentFrames {
  private readonly counts = new Map<number, number>();
  private copied = 0;

  add(frame: number): void {
    this.counts.set(frame, (this.counts.get(frame) ?? 0) + 1);
  }

  remove(frame: number): void {
    const left = this.counts.get(frame)! - 1;
    if (left > 0) this.counts.set(frame, left);
    else this.counts.delete(frame);
  }

  /** A page got another frame than this one to be written. */
  noteCopyOf(frame: number): void {
    if (this.counts.has(frame)) this.copied++;
  }

  get statistics(): LoanStatistics {
    return { lentFrames: this.counts.size, copiedPages: this.copied };
  }
}
