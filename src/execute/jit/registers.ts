import type { Decoded } from '../../isa/decode.ts';
import type { Block } from './blocks.ts';
import type { Graph } from './graph.ts';

/** Sets of registers as bit masks: x and f registers apart. Bit 0 of x is never set: x0 is a constant. */
export interface RegisterSet {
  readonly x: number;
  readonly f: number;
}

export const NONE: RegisterSet = { x: 0, f: 0 };

export function union(a: RegisterSet, b: RegisterSet): RegisterSet {
  return { x: a.x | b.x, f: a.f | b.f };
}

/** Register numbers in a mask, rising. */
export function members(mask: number): number[] {
  const numbers: number[] = [];
  for (let i = 0; i < 32; i++) if ((mask >>> i) & 1) numbers.push(i);
  return numbers;
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
  /** Everything that the region reads or writes: loaded at its entry. */
  readonly used: RegisterSet;
  readonly written: RegisterSet;
  /** By block: what may have been written on some way from the entry to the end of the block. */
  readonly dirtyAfter: readonly RegisterSet[];
}

export function planRegisters(graph: Graph): RegisterPlan {
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
  const read = graph.blocks
    .flatMap(({ instructions }) => instructions)
    .reduce((set, { decoded }) => union(set, usage(decoded).read), NONE);
  const written = own.reduce(union, NONE);
  return { used: union(read, written), written, dirtyAfter };
}
