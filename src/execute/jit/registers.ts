import type { Decoded } from '../../isa/decode.ts';
import type { Block } from './blocks.ts';

/** Sets of registers as bit masks: x and f registers apart. Bit 0 of x is never set: x0 is a constant. */
export interface RegisterSet {
  readonly x: number;
  readonly f: number;
}

export const NONE: RegisterSet = { x: 0, f: 0 };

export function union(a: RegisterSet, b: RegisterSet): RegisterSet {
  return { x: a.x | b.x, f: a.f | b.f };
}

export function without(a: RegisterSet, b: RegisterSet): RegisterSet {
  return { x: a.x & ~b.x, f: a.f & ~b.f };
}

export function common(a: RegisterSet, b: RegisterSet): RegisterSet {
  return { x: a.x & b.x, f: a.f & b.f };
}

export function isEmpty({ x, f }: RegisterSet): boolean {
  return x === 0 && f === 0;
}

export function isSame(a: RegisterSet, b: RegisterSet): boolean {
  return a.x === b.x && a.f === b.f;
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
  // fence has a field for rd and does not write it.
  const bit = float || syntax.startsWith('rd') ? 1 << decoded.rd : 0;
  return {
    read: { x: x & ~1, f },
    written: { x: float ? 0 : bit & ~1, f: float ? bit : 0 },
  };
}

/** What a block does with registers. */
export interface BlockUsage {
  /** Read before the block writes them, if it does. */
  readonly read: RegisterSet;
  readonly written: RegisterSet;
  readonly used: RegisterSet;
}

export function blockUsage({ instructions }: Block): BlockUsage {
  let [read, written, used] = [NONE, NONE, NONE];
  for (const { decoded } of instructions) {
    const own = usage(decoded);
    read = union(read, without(own.read, written));
    written = union(written, own.written);
    used = union(used, union(own.read, own.written));
  }
  return { read, written, used };
}
