import { invariant } from '../common/invariant.ts';
import * as L from '../hart/layout.ts';
import type { MachineCore } from '../machine/core.ts';
import type { Outcome } from '../machine/outcome.ts';

/** Where a machine was, and the time since the sample before. */
export interface Sample {
  readonly pc: bigint;
  /** 0 U, 1 S, 3 M. */
  readonly privilege: number;
  /** Translated code came here. */
  readonly translated: boolean;
  milliseconds: number;
}

export interface SamplerOptions {
  /** Of the host, or anything else that grows while the machine runs. */
  readonly nowMs: () => number;
  /** Counted transfers between two samples. Default 50021: a prime, so as not to keep step with a guest's loops. */
  readonly everyBranches?: number;
  /** When there would be more samples, each two become one, and new ones are taken half as often. Default 200 000. */
  readonly samplesMaximum?: number;
}

const EVERY_BRANCHES = 50_021;
const SAMPLES_MAXIMUM = 200_000;
/** Counted transfers come behind loops and calls; up to so many instructions further on, samples fall everywhere. */
const STEPS = 16;

/**
 * Samples a machine from now on, at execution points that follow from its branch count. It goes through the same states
 * as without. Only running is measured: a waiting hart takes no time.
 */
export class Sampler {
  private readonly core: MachineCore;
  private readonly options: SamplerOptions;
  private readonly samplesMaximum: number;
  private readonly runOn: (branches: bigint) => Outcome;
  private everyBranches: bigint;
  private next: bigint;
  private random = 1;
  private pendingMs = 0;
  private kept: Sample[] = [];
  private stopped = false;

  constructor(core: MachineCore, options: SamplerOptions) {
    const { samplesMaximum = SAMPLES_MAXIMUM } = options;
    invariant(samplesMaximum % 2 === 0, `samples are merged in pairs: ${samplesMaximum} of them`);
    this.core = core;
    this.options = options;
    this.samplesMaximum = samplesMaximum;
    this.everyBranches = BigInt(options.everyBranches ?? EVERY_BRANCHES);
    this.next = core.current.branches + this.everyBranches;
    this.runOn = core.run.bind(core);
    core.run = (branches) => this.run(branches);
  }

  get samples(): readonly Sample[] {
    return this.kept;
  }

  /** Takes no more samples. The machine goes on, also when others came to listen to it meanwhile. */
  stop(): void {
    this.stopped = true;
  }

  private run(branches: bigint): Outcome {
    if (this.stopped) return this.runOn(branches);
    const { core } = this;
    for (;;) {
      const started = this.options.nowMs();
      const outcome = this.runOn(this.next < branches ? this.next : branches);
      const due = core.current.branches >= this.next;
      const translated = core.current.get(L.STOPPED_IN_REGION) !== 0n;
      this.pendingMs += this.options.nowMs() - started;
      if (due) {
        this.next = core.current.branches + this.everyBranches;
        const stopped = outcome.kind === 'slice' ? this.stepOn() : outcome;
        this.take(translated);
        if (stopped.kind !== 'slice') return stopped;
        // Events need a counted transfer to stand at.
        if (core.current.branches >= branches)
          return core.acceptsEvents ? stopped : this.runOn(core.current.branches + 1n);
      } else if (outcome.kind !== 'slice' || core.current.branches >= branches) return outcome;
    }
  }

  private stepOn(): Outcome {
    // A linear congruential generator is random enough to spread samples.
    this.random = (Math.imul(this.random, 1664525) + 1013904223) | 0;
    for (let steps = (this.random >>> 16) % STEPS; steps > 0; steps--) {
      const outcome = this.core.step();
      if (outcome.kind !== 'slice') return outcome;
    }
    return { kind: 'slice' };
  }

  private take(translated: boolean): void {
    const { current: hart } = this.core;
    const privilege = Number(hart.get(L.PRIVILEGE));
    this.kept.push({ pc: hart.pc, privilege, translated, milliseconds: this.pendingMs });
    this.pendingMs = 0;
    if (this.kept.length < this.samplesMaximum) return;
    this.kept = this.kept.filter((sample, i) => {
      if (i % 2 === 0) this.kept[i + 1]!.milliseconds += sample.milliseconds;
      return i % 2 === 1;
    });
    this.everyBranches *= 2n;
  }
}
