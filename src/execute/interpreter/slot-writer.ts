import { type Decoded, decode } from '../../isa/decode.ts';
import { OP_ILLEGAL, opOf } from './handlers.ts';
import { SLOT_OP } from './slots.ts';

/** A slot as two little-endian words. */
interface Slot {
  readonly low: number;
  readonly high: number;
}

/** Slots by instruction, in decoded pages and in the crossing page; few different ones make up most of a program. */
const KEPT_MAXIMUM = 1 << 17;
const keptNear = new Map<number, Slot>();
const keptCrossing = new Map<number, Slot>();

/** Decodes an instruction into a slot of the memory. */
export function writeSlot(view: DataView, slot: number, bits: number, crossing: boolean): void {
  const kept = crossing ? keptCrossing : keptNear;
  let words = kept.get(bits);
  if (!words) {
    const decoded = decode(bits);
    if (!decoded) {
      view.setUint16(slot + SLOT_OP, OP_ILLEGAL, true);
      return;
    }
    words = slotOf(decoded, crossing);
    if (kept.size >= KEPT_MAXIMUM) kept.clear();
    kept.set(bits, words);
  }
  view.setUint32(slot, words.low, true);
  view.setUint32(slot + 4, words.high, true);
}

/** The fields lie as slots.ts says. */
function slotOf(decoded: Decoded, crossing: boolean): Slot {
  const { fields, immediate } = decoded.instruction.encoding;
  const first = (fields.has('rd') ? decoded.rd : decoded.rs2) * 8;
  const second = fields.has('uimm5') ? decoded.rs1 : decoded.rs1 * 8;
  const registers = (decoded.rs2 * 8) | ((decoded.rs3 * 8) << 8) | (decoded.rm << 16);
  return {
    low: opOf(decoded, crossing) | (first << 16) | (second << 24),
    high: immediate === 'none' ? registers : decoded.immediate,
  };
}
