import type { Decoded } from '../../isa/decode.ts';
import type { Width } from '../../isa/emitter.ts';
import { accessesMemory, type Block } from './blocks.ts';
import { usage } from './registers.ts';

/** Accesses of one block off the same, unchanged base register: checked once, where the first of them stands. */
export interface Neighbours {
  readonly base: number;
  /** Index of the first access among the block's instructions. */
  readonly first: number;
  /** Bytes from the base: the lowest that is accessed, and the one behind the highest. */
  readonly low: number;
  readonly high: number;
  /** At least one of them is a store. */
  readonly stores: boolean;
}

/** A range must be found in one page; wide ones would often not be. */
const RANGE_MAXIMUM = 512;

const WIDTHS: Readonly<Record<string, Width>> = { b: 1, bu: 1, h: 2, hu: 2, w: 4, wu: 4, d: 8 };

/** Bytes that a load or store at an offset from a register accesses; undefined for other instructions. */
function accessWidth(decoded: Decoded): Width | undefined {
  const { name, syntax } = decoded.instruction;
  return accessesMemory(decoded) && syntax.endsWith(',imm(rs1)') ? WIDTHS[name.replace(/^f?[ls]/, '')] : undefined;
}

interface Open {
  readonly base: number;
  readonly members: number[];
  low: number;
  high: number;
  stores: boolean;
}

/** By index among the block's instructions: the neighbours that the access belongs to. Lone accesses are not in it. */
export function findNeighbours({ instructions }: Block): Map<number, Neighbours> {
  const found = new Map<number, Neighbours>();
  const open = new Map<number, Open>();
  const close = (base: number): void => {
    const group = open.get(base);
    open.delete(base);
    if (!group || group.members.length < 2) return;
    const { low, high, stores, members } = group;
    for (const index of members) found.set(index, { base, first: members[0]!, low, high, stores });
  };
  instructions.forEach(({ decoded }, index) => {
    const width = accessWidth(decoded);
    if (width !== undefined && decoded.rs1 !== 0) {
      const end = decoded.immediate + width;
      const stores = decoded.instruction.syntax.includes('s2,');
      const group = open.get(decoded.rs1);
      const low = Math.min(group?.low ?? decoded.immediate, decoded.immediate);
      const high = Math.max(group?.high ?? end, end);
      if (group && high - low <= RANGE_MAXIMUM) {
        group.members.push(index);
        Object.assign(group, { low, high, stores: group.stores || stores });
      } else {
        close(decoded.rs1);
        open.set(decoded.rs1, { base: decoded.rs1, members: [index], low: decoded.immediate, high: end, stores });
      }
    }
    // A CSR may change what the TLB's tags are compared with.
    if (decoded.instruction.flow === 'system') for (const base of [...open.keys()]) close(base);
    const { x } = usage(decoded).written;
    for (const base of [...open.keys()]) if ((x >>> base) & 1) close(base);
  });
  for (const base of [...open.keys()]) close(base);
  return found;
}
