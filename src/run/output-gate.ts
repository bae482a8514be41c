import { GodwitError } from '../common/errors.ts';

/**
 * Stands before everything that leaves a machine: what it prints, what it writes to disks, packets. While another host
 * is to be able to take the machine over, nothing may be seen outside that the other one could not come to again; so it
 * waits until the other one has acknowledged what it depends on.
 */
export interface OutputGate {
  /**
   * Lets something out that the machine made just now, at once or later: `leave` is called once. `dropped` is called in
   * its place when the machine is given up here. What left later is not seen to come earlier.
   */
  release(bytes: number, leave: () => void, dropped?: () => void): void;
}

/** Lets everything out at once: for a machine that nobody else would take over. */
export const OPEN_GATE: OutputGate = { release: (_bytes, leave) => leave() };

export interface HoldingGateParts {
  /**
   * What that depends on which leaves now: a number that never falls, such as how many entries the log has. Asked for
   * each output.
   */
  readonly position: () => number;
  /** How much is held before the machine should stand still. What it makes in the slice that it is in is held, too. */
  readonly limitBytes: number;
  /** It holds too much, or has room again: half of the limit. */
  readonly onFull?: (full: boolean) => void;
}

interface Held {
  readonly position: number;
  readonly bytes: number;
  readonly leave: () => void;
  readonly dropped: (() => void) | undefined;
}

/** A small thing counts as so much: it takes memory here, too. */
const LEAST_BYTES = 64;

/** Keeps all outputs, in their order, until the gate is opened up to what they depend on. */
export class HoldingGate implements OutputGate {
  private readonly parts: HoldingGateParts;
  private held: Held[] = [];
  /** Of `held`, how many have left: they are cut off in larger pieces. */
  private left = 0;
  private bytes = 0;
  private open = Number.NEGATIVE_INFINITY;
  private full = false;
  private leaving = false;
  private dropping = false;

  constructor(parts: HoldingGateParts) {
    this.parts = parts;
  }

  get heldBytes(): number {
    return this.bytes;
  }

  get heldCount(): number {
    return this.held.length - this.left;
  }

  get isFull(): boolean {
    return this.full;
  }

  release(bytes: number, leave: () => void, dropped?: () => void): void {
    if (this.dropping) {
      dropped?.();
      return;
    }
    const position = this.parts.position();
    const counted = Math.max(bytes, LEAST_BYTES);
    this.held.push({ position, bytes: counted, leave, dropped });
    this.bytes += counted;
    this.letOut();
    if (this.bytes > this.parts.limitBytes) this.setFull(true);
  }

  /** What depends on this position or an earlier one may leave, also what is still to come. */
  openUpTo(position: number): void {
    if (Number.isNaN(position)) throw new GodwitError('state', 'A gate is opened up to a number.');
    if (position > this.open) this.open = position;
    this.letOut();
  }

  private letOut(): void {
    // Whoever is let out may bring in more, or open the gate further.
    if (this.leaving) return;
    this.leaving = true;
    try {
      for (let next = this.held[this.left]; next && next.position <= this.open; next = this.held[this.left]) {
        this.left++;
        this.bytes -= next.bytes;
        next.leave();
      }
    } finally {
      this.leaving = false;
      this.tidy();
    }
  }

  private tidy(): void {
    if (this.left * 2 >= this.held.length) {
      this.held.splice(0, this.left);
      this.left = 0;
    }
    if (this.bytes <= this.parts.limitBytes / 2) this.setFull(false);
  }

  private setFull(full: boolean): void {
    if (full === this.full) return;
    this.full = full;
    this.parts.onFull?.(full);
  }

  /** Another host has the machine: nothing that is held, or that still comes, will leave here. */
  drop(): void {
    this.dropping = true;
    const held = this.held.splice(0).slice(this.left);
    this.left = 0;
    this.bytes = 0;
    for (const { dropped } of held) dropped?.();
    this.setFull(false);
  }
}
