import {
  type CompiledBatch,
  compileBatch,
  type RegionBatch,
  type RegionCompiler,
} from '../../src/execute/jit/compiler.ts';
import { type Optimization, optimizationsWithout } from '../../src/execute/jit/options.ts';
import { Random } from '../../src/isa/generate/index.ts';
import { X_NAMES } from '../../src/isa/index.ts';
import type { Image } from '../differential/image.ts';
import { type Snapshot, TierMachine, type TierOptions } from './tiers.ts';

/** A program that does not end would need more. */
const BRANCH_LIMIT = 1_000_000n;
const LAST_STEPS = 12;
const CLOSE_STOPS = 120;

/** Hands each batch over many calls later. */
class LateCompiler implements RegionCompiler {
  private readonly random = new Random(1);
  private waiting: CompiledBatch[] = [];

  submit(batch: RegionBatch): void {
    this.waiting.push(compileBatch(batch, () => 0));
  }

  take(): readonly CompiledBatch[] {
    const due = this.waiting.filter(() => this.random.oneIn(20));
    this.waiting = this.waiting.filter((batch) => !due.includes(batch));
    return due;
  }
}

export interface Machines {
  readonly interpreter: TierMachine;
  readonly stepping: TierMachine;
  readonly translating: readonly { readonly name: string; readonly machine: TierMachine }[];
}

/** `left`: an optimization that one of them does without. */
export async function makeMachines(left: Optimization): Promise<Machines> {
  const whole = optimizationsWithout(['skip-cold']);
  const tiers: readonly (TierOptions & { readonly name: string })[] = [
    { name: 'at the first visit', translation: { threshold: 1 } },
    { name: 'whole graphs', translation: { threshold: 1, optimizations: whole } },
    {
      name: 'whole graphs at visit 4, some time later',
      translation: { threshold: 4, optimizations: whole },
      compiler: new LateCompiler(),
    },
    { name: 'at visit 40', translation: { threshold: 40 } },
    { name: `without ${left}`, translation: { threshold: 1, optimizations: optimizationsWithout([left]) } },
  ];
  const translating = [];
  for (const { name, ...options } of tiers) translating.push({ name, machine: await TierMachine.create(options) });
  const interpreted = { translation: { enabled: false } };
  return {
    interpreter: await TierMachine.create(interpreted),
    stepping: await TierMachine.create(interpreted),
    translating,
  };
}

export interface Comparison {
  /** Undefined when all did the same. */
  readonly difference: string | undefined;
  readonly instructions: bigint;
  /** How many regions were made. */
  readonly regions: number;
  readonly result: Uint8Array;
}

interface GuestProgram {
  readonly seed: number;
  readonly image: Image;
}

/**
 * Runs a program with the interpreter's fast loop, stopping at random points; the others must come through the same
 * ones.
 */
export function comparePrograms(machines: Machines, { seed, image }: GuestProgram): Comparison {
  const { interpreter, stepping, translating } = machines;
  const snapshots = referenceRun(interpreter, image, new Random(seed));
  const made = () => translating.reduce((sum, { machine }) => sum + machine.core.engine.translator.stats.translated, 0);
  const before = made();
  const result = interpreter.result(image);
  const reference = { image, snapshots, result };
  const difference =
    firstDifference('stepped', stepping, reference, (machine, point) => machine.stepTo(point)) ??
    translating
      .map(({ name, machine }) => firstDifference(name, machine, reference, (m, point) => m.core.runTo(point)))
      .find((found) => found !== undefined);
  const instructions = interpreter.core.instructionsRetired;
  return { difference, instructions, regions: made() - before, result };
}

function referenceRun(machine: TierMachine, image: Image, random: Random): Snapshot[] {
  machine.load(image);
  const { core } = machine;
  const close = random.pick([3, 40, 300, 2000]);
  const snapshots: Snapshot[] = [];
  while (core.current.branches < BRANCH_LIMIT) {
    const spacing = snapshots.length < CLOSE_STOPS ? close : 2000;
    let outcome = core.run(core.current.branches + BigInt(random.between(1, spacing)));
    // On into straight code, and over transfers.
    for (let steps = random.below(LAST_STEPS); steps > 0 && outcome.kind === 'slice'; steps--) outcome = core.step();
    if (outcome.kind === 'finished') return snapshots;
    snapshots.push(machine.snapshot);
  }
  throw new Error('the program does not end');
}

interface Reference {
  readonly image: Image;
  readonly snapshots: readonly Snapshot[];
  readonly result: Uint8Array;
}

function firstDifference(
  name: string,
  machine: TierMachine,
  { image, snapshots, result }: Reference,
  goTo: (machine: TierMachine, point: Snapshot['point']) => unknown,
): string | undefined {
  machine.load(image);
  for (const [i, expected] of snapshots.entries()) {
    machine.translateHot();
    goTo(machine, expected.point);
    const { snapshot } = machine;
    if (isSame(snapshot, expected)) continue;
    return `${name}: stop ${i} of ${snapshots.length}: ${show(snapshot)} instead of ${show(expected)}\n${registers(machine)}`;
  }
  // Where the host looks after the power-off differs between stepping and running, so the end is compared by what is
  // left.
  const { kind } = machine.core.run(BRANCH_LIMIT);
  if (kind !== 'finished') return `${name}: ${kind} at the end`;
  const at = machine.result(image).findIndex((byte, i) => byte !== result[i]);
  return at < 0 ? undefined : `${name}: byte ${at} of the result at the end differs`;
}

function isSame(a: Snapshot, b: Snapshot): boolean {
  return (
    a.digest === b.digest &&
    a.instructions === b.instructions &&
    a.point.pc === b.point.pc &&
    a.point.branches === b.point.branches
  );
}

function show({ point, instructions, digest }: Snapshot): string {
  return `pc ${point.pc.toString(16)}, ${point.branches} branches, ${instructions} instructions, digest ${digest.toString(16)}`;
}

function registers({ core: { current: hart } }: TierMachine): string {
  return X_NAMES.map((name, i) => `${name} ${BigInt.asUintN(64, hart.x(i)).toString(16)}`).join(', ');
}
