import type { MachineCore } from '../../src/machine/core.ts';
import type { HostClock } from '../../src/platform/clock.ts';
import type { HostLoop } from '../../src/run/host-loop.ts';

/** How fast a simulated processor is. */
export const BRANCHES_PER_MS = 4000;

/** A host whose time follows from what its one machine executes and how long it sleeps: the same in each run. */
export class SimulatedHost implements HostClock, HostLoop {
  /** Called between slices. */
  onTurn: () => void = () => {};
  private readonly startNanoseconds: bigint;
  private passedMs = 0;
  private core: MachineCore | undefined;
  private branches = 0;
  private readonly due: { readonly ms: number; readonly action: () => void }[] = [];

  /** `startNanoseconds`: what its wall clock shows first, in nanoseconds since 1970. */
  constructor(startNanoseconds: bigint) {
    this.startNanoseconds = startNanoseconds;
  }

  follow(core: MachineCore): void {
    this.core = core;
    this.branches = Number(core.current.branches);
  }

  nowMs(): number {
    const branches = Number(this.core?.current.branches ?? 0) - this.branches;
    return this.passedMs + branches / BRANCHES_PER_MS;
  }

  epochNanoseconds(): bigint {
    return this.startNanoseconds + BigInt(Math.floor(this.nowMs() * 1e6));
  }

  /** Does something in so many milliseconds. */
  later(ms: number, action: () => void): void {
    this.due.push({ ms: this.nowMs() + ms, action });
    this.due.sort((a, b) => a.ms - b.ms);
  }

  /** Time passes in which nothing happens. */
  standStill(ms: number): void {
    this.passedMs += ms;
  }

  async yield(): Promise<void> {
    this.serve();
    this.onTurn();
  }

  async sleep(ms: number): Promise<void> {
    const end = this.nowMs() + ms;
    const next = Math.min(end, Math.max(this.due[0]?.ms ?? end, this.nowMs()));
    this.passedMs += next - this.nowMs();
    this.serve();
    this.onTurn();
  }

  wake(): void {}

  private serve(): void {
    while (this.due.length > 0 && this.due[0]!.ms <= this.nowMs()) this.due.shift()!.action();
  }
}
