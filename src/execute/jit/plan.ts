import { present, violation } from '../../common/invariant.ts';
import { decode } from '../../isa/decode.ts';
import { type Block, type Ending, type Placed, pageDistance } from './blocks.ts';

/**
 * What a region is made from, as numbers: all that its code depends on, and nothing of where its page lies. It can be
 * sent to another thread.
 *
 *     word 0   offset of the entry; offsets are from the start of its page, and may lie in other pages
 *     word 1   number of blocks; of each:
 *              start, number of instructions n, kind of ending (its place in ENDINGS), number of targets t,
 *              t target offsets, n words with the bits of the instructions (16-bit ones in the low half)
 */
export type RegionPlan = Int32Array;

const ENDINGS: readonly Ending['kind'][] = ['branch', 'jump', 'indirect', 'fall', 'interpret'];

/** `bitsAt` reads the instruction at an offset. */
export function encodePlan(blocks: readonly Block[], entry: number, bitsAt: (offset: number) => number): RegionPlan {
  const words = [entry, blocks.length];
  for (const { start, instructions, ending } of blocks) {
    const targets = targetsOf(ending);
    words.push(start, instructions.length, ENDINGS.indexOf(ending.kind), targets.length, ...targets);
    for (const { offset } of instructions) words.push(bitsAt(offset));
  }
  return Int32Array.from(words);
}

/**
 * The same plans in one buffer: thousands of small ones would cost more than what is in them, in each thread they are
 * sent to.
 */
export function packPlans(plans: readonly RegionPlan[]): RegionPlan[] {
  const all = new Int32Array(plans.reduce((words, { length }) => words + length, 0));
  let at = 0;
  return plans.map((plan) => {
    all.set(plan, at);
    at += plan.length;
    return all.subarray(at - plan.length, at);
  });
}

export function planEntry(plan: RegionPlan): number {
  return plan[0]!;
}

function targetsOf(ending: Ending): readonly number[] {
  switch (ending.kind) {
    case 'branch':
      return [ending.taken, ending.next];
    case 'jump':
      return [ending.target];
    case 'indirect':
      return ending.likely;
    case 'fall':
      return [ending.next];
    case 'interpret':
      return [ending.offset];
  }
}

function endingOf(kind: Ending['kind'], targets: readonly number[]): Ending {
  const target = (i: number) => present(targets[i], 'an ending has as many targets as its kind needs');
  switch (kind) {
    case 'branch':
      return { kind, taken: target(0), next: target(1) };
    case 'jump':
      return { kind, target: target(0) };
    case 'indirect':
      return { kind, likely: targets };
    case 'fall':
      return { kind, next: target(0) };
    case 'interpret':
      return { kind, offset: target(0) };
  }
}

export function decodePlan(plan: RegionPlan): Block[] {
  return blocksOf(plan).map(({ start, bits, ending, targets }) => {
    let offset = start;
    const instructions: Placed[] = [];
    for (const word of bits) {
      const decoded = decode(word);
      if (!decoded)
        throw violation(`a plan has no word that is no instruction, as 0x${word.toString(16)} at ${offset}`);
      instructions.push({ offset, decoded });
      offset += decoded.length;
    }
    return { start, instructions, ending: endingOf(ending, targets) };
  });
}

interface PlannedBlock {
  readonly start: number;
  readonly bits: Int32Array;
  readonly ending: Ending['kind'];
  readonly targets: readonly number[];
}

function blocksOf(plan: RegionPlan): PlannedBlock[] {
  const blocks: PlannedBlock[] = [];
  let at = 2;
  for (let i = 0; i < plan[1]!; i++) {
    const [start, instructions, ending, targets] = plan.subarray(at, at + 4) as unknown as [
      number,
      number,
      number,
      number,
    ];
    const bitsAt = at + 4 + targets;
    blocks.push({
      start,
      bits: plan.subarray(bitsAt, bitsAt + instructions),
      ending: present(ENDINGS[ending], 'the kind of an ending is one of ENDINGS'),
      targets: [...plan.subarray(at + 4, bitsAt)],
    });
    at = bitsAt + instructions;
  }
  return blocks;
}

/** How far away the other pages are that the region has code of, in pages. */
export function otherDistances(plan: RegionPlan): number[] {
  const distances = new Set<number>();
  for (let i = 0, at = 2; i < plan[1]!; i++) {
    distances.add(pageDistance(plan[at]!));
    at += 4 + plan[at + 3]! + plan[at + 1]!;
  }
  distances.delete(0);
  return [...distances];
}

/**
 * Calls `visit` for each instruction of the region with its offset and bits, until it gives false; then the result is
 * false too.
 */
export function everyInstruction(plan: RegionPlan, visit: (offset: number, bits: number) => boolean): boolean {
  let at = 2;
  for (let i = 0; i < plan[1]!; i++) {
    let offset = plan[at]!;
    const bitsAt = at + 4 + plan[at + 3]!;
    const end = bitsAt + plan[at + 1]!;
    for (let word = bitsAt; word < end; word++) {
      const bits = plan[word]!;
      if (!visit(offset, bits)) return false;
      offset += (bits & 3) === 3 ? 4 : 2;
    }
    at = end;
  }
  return true;
}
