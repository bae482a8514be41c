import type { Decoded } from '../../isa/decode.ts';
import type { Block } from './blocks.ts';
import { commonDominator, type Graph } from './graph.ts';

/** Sets of registers as bit masks: x and f registers apart. Bit 0 of x is never set: x0 is a constant. */
export interface RegisterSet {
  readonly x: number;
  readonly f: number;
}

export const NONE: RegisterSet = { x: 0, f: 0 };

export function union(a: RegisterSet, b: RegisterSet): RegisterSet {
  return { x: a.x | b.x, f: a.f | b.f };
}

export function intersection(a: RegisterSet, b: RegisterSet): RegisterSet {
  return { x: a.x & b.x, f: a.f & b.f };
}

export function isEmpty({ x, f }: RegisterSet): boolean {
  return x === 0 && f === 0;
}

/** Register numbers in a mask, rising. */
export function members(mask: number): number[] {
  const numbers: number[] = [];
  for (let i = 0; i < 32; i++) if ((mask >>> i) & 1) numbers.push(i);
  return numbers;
}

function readBy(block: Block): RegisterSet {
  return block.instructions.reduce((set, { decoded }) => union(set, usage(decoded).read), NONE);
}

interface Usage {
  readonly read: RegisterSet;
  readonly written: RegisterSet;
}

const FIELDS = ['rs1', 'rs2', 'rs3'] as const;

const kept = new WeakMap<Decoded, Usage>();

/** Registers that an instruction reads and writes, from how its operands are written in assembly. */
export function usage(decoded: Decoded): Usage {
  let known = kept.get(decoded);
  if (!known) {
    known = usageAnew(decoded);
    kept.set(decoded, known);
  }
  return known;
}

function usageAnew(decoded: Decoded): Usage {
  const { syntax, encoding } = decoded.instruction;
  let [x, f] = [0, 0];
  for (const field of FIELDS) {
    if (!encoding.fields.has(field)) continue;
    if (syntax.includes(`f${field.slice(1)}`)) f |= 1 << decoded[field];
    else x |= 1 << decoded[field];
  }
  const float = syntax.startsWith('fd');
  const bit = encoding.fields.has('rd') ? 1 << decoded.rd : 0;
  return {
    read: { x: x & ~1, f },
    written: { x: float ? 0 : bit & ~1, f: float ? bit : 0 },
  };
}

function writtenBy(block: Block): RegisterSet {
  return block.instructions.reduce((set, { decoded }) => union(set, usage(decoded).written), NONE);
}

export interface RegisterPlan {
  /** Everything that the region reads or writes. */
  readonly used: RegisterSet;
  /**
   * By block: what is loaded at its start, before which nothing needs it. No block that loads anything but the entry
   * lies in a loop.
   */
  readonly loadedAt: readonly RegisterSet[];
  readonly written: RegisterSet;
  /** By block: what may have been written on some way from the entry to the end of the block. */
  readonly dirtyAfter: readonly RegisterSet[];
}

/** `lazily`: registers are loaded at the last place that comes before all that needs them; otherwise at the entry. */
export function planRegisters(graph: Graph, lazily = true): RegisterPlan {
  const own = graph.blocks.map(writtenBy);
  const dirtyAfter = own.slice();
  for (let changed = true; changed; ) {
    changed = false;
    for (let i = 0; i < own.length; i++) {
      const next = graph.predecessors[i]!.reduce((set, from) => union(set, dirtyAfter[from]!), own[i]!);
      if (next.x !== dirtyAfter[i]!.x || next.f !== dirtyAfter[i]!.f) {
        dirtyAfter[i] = next;
        changed = true;
      }
    }
  }
  const read = graph.blocks.map(readBy);
  const written = own.reduce(union, NONE);
  const used = read.reduce(union, written);
  // Wherever a register may have been written it may have to be stored.
  const needed = dirtyAfter.map((dirty, i) => union(dirty, read[i]!));
  return { used, loadedAt: lazily ? loadPlaces(graph, needed) : loadsAtEntry(graph, used), written, dirtyAfter };
}

function loadsAtEntry({ blocks }: Graph, used: RegisterSet): RegisterSet[] {
  return blocks.map((_, i) => (i === 0 ? used : NONE));
}

/** For each register the block that dominates all blocks that need it, outside of all loops. */
function loadPlaces(graph: Graph, needed: readonly RegisterSet[]): RegisterSet[] {
  const outside = outermostPlaces(graph);
  const places = graph.blocks.map(() => ({ x: 0, f: 0 }));
  for (const kind of ['x', 'f'] as const) {
    const all = needed.reduce((mask, set) => mask | set[kind], 0);
    for (const register of members(all)) {
      const users = needed.flatMap((set, i) => ((set[kind] >>> register) & 1 ? [i] : []));
      const common = users.reduce((a, b) => commonDominator(graph.immediateDominator, a, b));
      places[outside[common]!]![kind] |= 1 << register;
    }
  }
  return places;
}

/** By block: the nearest block that dominates it, or is it, and lies in no loop; the entry, if all lie in one. */
function outermostPlaces(graph: Graph): number[] {
  const inLoop = blocksInLoops(graph);
  const places: number[] = [];
  graph.blocks.forEach((_, i) => {
    places.push(i === 0 || !inLoop.has(i) ? i : places[graph.immediateDominator[i]!]!);
  });
  return places;
}

/** All blocks from which control can come back to them. */
function blocksInLoops(graph: Graph): Set<number> {
  const found = new Set<number>();
  graph.blocks.forEach((_, header) => {
    const ends = graph.predecessors[header]!.filter((from) => from >= header);
    if (ends.length === 0) return;
    const body = new Set([header]);
    for (let at = ends.pop(); at !== undefined; at = ends.pop()) {
      if (body.has(at)) continue;
      body.add(at);
      ends.push(...graph.predecessors[at]!);
    }
    for (const at of body) found.add(at);
  });
  return found;
}
