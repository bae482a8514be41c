import type { MachineCore } from '../../src/machine/core.ts';
import { type Distribution, distributionOf } from './distribution.ts';
import { BusyGuest } from './guest.ts';

export interface ForkFigures {
  /** Milliseconds in which the parent does not run, and until the child has run an instruction. */
  readonly pauseMs: Distribution;
  readonly firstInstructionMs: Distribution;
  readonly thousandMs: number;
  /** Of each of a thousand forks that have not run yet. */
  readonly kibibytesEach: number;
}

/** The first ones are slower: V8 has not compiled yet what they run. */
const FORKS = 2000;
const SLICE_BRANCHES = 60_000n;
const MANY = 1000;
const MEMORY_MEBIBYTES = 256;

export async function measureForks(): Promise<ForkFigures> {
  const { core, ...guest } = await bootGuest();
  const pauses: number[] = [];
  const first: number[] = [];
  for (let i = 0; i < FORKS; i++) {
    guest.run(SLICE_BRANCHES);
    const startedMs = performance.now();
    const snapshot = core.snapshot();
    pauses.push(performance.now() - startedMs);
    const fork = core.fork(snapshot, {});
    fork.step();
    first.push(performance.now() - startedMs);
    fork.dispose();
    snapshot.memory.release();
  }
  return { pauseMs: distributionOf(pauses), firstInstructionMs: distributionOf(first), ...forkMany(core) };
}

async function bootGuest() {
  const guest = await BusyGuest.boot(MEMORY_MEBIBYTES);
  return { core: guest.core, run: (branches: bigint) => guest.runBranches(branches) };
}

function forkMany(core: MachineCore): Pick<ForkFigures, 'thousandMs' | 'kibibytesEach'> {
  collectGarbage();
  const before = process.memoryUsage();
  const framesBefore = core.engine.arena.frameCount;
  const startedMs = performance.now();
  const snapshot = core.snapshot();
  const forks = Array.from({ length: MANY }, () => core.fork(snapshot, {}));
  const thousandMs = performance.now() - startedMs;
  collectGarbage();
  const after = process.memoryUsage();
  const frames = core.engine.arena.frameCount - framesBefore;
  const script = after.heapUsed + after.arrayBuffers - before.heapUsed - before.arrayBuffers;
  // A frame for the root of each map, one for the page of its registers, and what JavaScript keeps.
  const kibibytesEach = (script / 1024 + frames * 4) / MANY + 4;
  for (const fork of forks) fork.dispose();
  snapshot.memory.release();
  return { thousandMs, kibibytesEach };
}

function collectGarbage(): void {
  (globalThis as { gc?: () => void }).gc?.();
}
