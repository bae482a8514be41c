import type { Decoded } from '../../isa/decode.ts';
import { FRAME_BYTES } from '../../memory/layout.ts';

/** One instruction of a page, by its byte offset there. */
export interface Placed {
  readonly offset: number;
  readonly decoded: Decoded;
}

/** How a block ends. Targets are byte offsets from the start of the page; they may lie outside it. */
export type Ending =
  | { readonly kind: 'branch'; readonly taken: number; readonly next: number }
  | { readonly kind: 'jump'; readonly target: number }
  | { readonly kind: 'indirect' }
  | { readonly kind: 'fall'; readonly next: number }
  /** The instruction at this offset is the interpreter's. */
  | { readonly kind: 'interpret'; readonly offset: number };

export interface Block {
  readonly start: number;
  /** With the branch or jump that ends it, if one does. */
  readonly instructions: readonly Placed[];
  readonly ending: Ending;
}

/** Decodes the instruction at an offset of the page; undefined where there is none or it crosses into the next page. */
export type ReadInstruction = (offset: number) => Decoded | undefined;

export const MAXIMUM_INSTRUCTIONS = 400;

function isInPage(offset: number): boolean {
  return offset >= 0 && offset < FRAME_BYTES;
}

/** Where a direct transfer at `offset` goes. */
function targetOf({ offset, decoded }: Placed): number {
  return offset + decoded.immediate;
}

/** A `jal` that keeps the return address is a call: its target is a region of its own. */
function isCall({ decoded }: Placed): boolean {
  return decoded.instruction.flow === 'jump' && decoded.rd !== 0;
}

/**
 * The blocks that can be reached from `start` by direct transfers without leaving the page, up to MAXIMUM_INSTRUCTIONS. Edges to
 * what is not among them leave the region. Empty when not even the first instruction can be translated.
 */
export function findBlocks(read: ReadInstruction, start: number): Block[] {
  const { leaders, count } = findLeaders(read, start);
  if (count === 0) return [];
  return [...leaders].sort((a, b) => a - b).map((leader) => readBlock(read, leader, leaders));
}

function findLeaders(read: ReadInstruction, start: number): { leaders: Set<number>; count: number } {
  const leaders = new Set<number>();
  const seen = new Set<number>();
  const pending = [start];
  for (let leader = pending.shift(); leader !== undefined; leader = pending.shift()) {
    if (leaders.has(leader) || (seen.size >= MAXIMUM_INSTRUCTIONS && !seen.has(leader))) continue;
    leaders.add(leader);
    for (let offset = leader; isInPage(offset) && !seen.has(offset); ) {
      const decoded = read(offset);
      if (!decoded || isInterpreted(decoded)) break;
      seen.add(offset);
      const next = offset + decoded.length;
      const { flow } = decoded.instruction;
      if (flow === 'branch') pending.push(next, offset + decoded.immediate);
      if (flow === 'jump' && decoded.rd === 0) pending.push(offset + decoded.immediate);
      if (flow !== 'straight') break;
      if (seen.size >= MAXIMUM_INSTRUCTIONS) break;
      offset = next;
      if (seen.has(offset)) pending.push(offset); // runs into code that is known: a block starts there
    }
  }
  for (const leader of leaders) if (!isInPage(leader)) leaders.delete(leader);
  return { leaders, count: seen.size };
}

/** fence.i has nothing to do; all other system instructions are left to the interpreter. */
function isInterpreted({ instruction }: Decoded): boolean {
  return instruction.flow === 'system' && instruction.name !== 'fence.i';
}

function readBlock(read: ReadInstruction, start: number, leaders: ReadonlySet<number>): Block {
  const instructions: Placed[] = [];
  let offset = start;
  for (;;) {
    if (!isInPage(offset) || (offset !== start && leaders.has(offset)) || instructions.length >= MAXIMUM_INSTRUCTIONS) {
      return { start, instructions, ending: { kind: 'fall', next: offset } };
    }
    const decoded = read(offset);
    if (!decoded || isInterpreted(decoded)) return { start, instructions, ending: { kind: 'interpret', offset } };
    const placed = { offset, decoded };
    instructions.push(placed);
    offset += decoded.length;
    const { flow } = decoded.instruction;
    if (flow === 'branch')
      return { start, instructions, ending: { kind: 'branch', taken: targetOf(placed), next: offset } };
    if (flow === 'jump') return { start, instructions, ending: { kind: 'jump', target: targetOf(placed) } };
    if (flow === 'indirect') return { start, instructions, ending: { kind: 'indirect' } };
  }
}

/** Blocks that control can go to from the end of this one, if they are in the region. */
export function successors(block: Block): number[] {
  const { ending } = block;
  if (ending.kind === 'branch') return [ending.taken, ending.next];
  if (ending.kind === 'jump') return isCall(block.instructions.at(-1)!) ? [] : [ending.target];
  return ending.kind === 'fall' ? [ending.next] : [];
}
