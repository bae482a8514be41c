import { SLOT_OP } from '../../hart/decoded-slots.ts';
import { type Decoded, decodeOnce } from '../../isa/decode.ts';
import { OP_ILLEGAL, opOf } from './handlers.ts';

/**
 * Slots by instruction, for these many instructions at once: the last ones whose bits had that hash. Few make up most
 * of a program.
 */
const KEPT_BITS = 16;

/**
 * Typed arrays and not a Map of objects: what is replaced all the time is to leave nothing behind for the collector.
 */
class KeptSlots {
  private readonly bits = new Int32Array(1 << KEPT_BITS);
  /**
   * The slot as two little-endian words. An unused entry has 0, which no decoded instruction has: 0 is OP_UNDECODED.
   */
  private readonly low = new Int32Array(1 << KEPT_BITS);
  private readonly high = new Int32Array(1 << KEPT_BITS);

  /** False: it is not here. */
  copyTo(view: DataView, slot: number, bits: number): boolean {
    const entry = entryOf(bits);
    const low = this.low[entry]!;
    if (this.bits[entry] !== bits || low === 0) return false;
    view.setInt32(slot, low, true);
    view.setInt32(slot + 4, this.high[entry]!, true);
    return true;
  }

  keep(bits: number, low: number, high: number): void {
    const entry = entryOf(bits);
    this.bits[entry] = bits;
    this.low[entry] = low;
    this.high[entry] = high;
  }
}

/** Multiplicative hashing, with 2^32 / the golden ratio. */
function entryOf(bits: number): number {
  return Math.imul(bits, 0x9e37_79b1) >>> (32 - KEPT_BITS);
}

/** Of decoded pages and of the crossing page. */
const keptNear = new KeptSlots();
const keptCrossing = new KeptSlots();

/** Decodes an instruction into a slot of the memory. */
export function writeSlot(view: DataView, slot: number, bits: number, crossing: boolean): void {
  const kept = crossing ? keptCrossing : keptNear;
  if (kept.copyTo(view, slot, bits | 0)) return;
  const decoded = decodeOnce(bits);
  if (!decoded) {
    view.setUint16(slot + SLOT_OP, OP_ILLEGAL, true);
    return;
  }
  kept.keep(bits | 0, lowWordOf(decoded, crossing), highWordOf(decoded));
  kept.copyTo(view, slot, bits | 0);
}

/** The fields lie as slots.ts says. */
function lowWordOf(decoded: Decoded, crossing: boolean): number {
  const { fields } = decoded.instruction.encoding;
  const first = (fields.has('rd') ? decoded.rd : decoded.rs2) * 8;
  const second = fields.has('uimm5') ? decoded.rs1 : decoded.rs1 * 8;
  return opOf(decoded, crossing) | (first << 16) | (second << 24);
}

function highWordOf({ instruction, immediate, rs2, rs3, rm }: Decoded): number {
  const registers = (rs2 * 8) | ((rs3 * 8) << 8) | (rm << 16);
  return instruction.encoding.immediate === 'none' ? registers : immediate;
}
