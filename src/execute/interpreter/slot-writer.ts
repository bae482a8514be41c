import { type Decoded, decode } from '../../isa/decode.ts';
import { OP_ILLEGAL, opOf } from './handlers.ts';
import { SLOT_A, SLOT_B, SLOT_BYTES, SLOT_C, SLOT_D, SLOT_IMMEDIATE, SLOT_OP, SLOT_ROUNDING } from './slots.ts';

/** Slots by instruction, as two words; for code that does not cross pages. */
const kept = new WeakMap<Decoded, Uint32Array>();

/** Decodes an instruction into a slot of the memory. */
export function writeSlot(view: DataView, slot: number, bits: number, crossing: boolean): void {
  const decoded = decode(bits);
  if (!decoded) {
    view.setUint16(slot + SLOT_OP, OP_ILLEGAL, true);
    return;
  }
  let words = crossing ? undefined : kept.get(decoded);
  if (!words) {
    words = slotOf(decoded, crossing);
    if (!crossing) kept.set(decoded, words);
  }
  view.setUint32(slot, words[0]!, true);
  view.setUint32(slot + 4, words[1]!, true);
}

function slotOf(decoded: Decoded, crossing: boolean): Uint32Array {
  const words = new Uint32Array(SLOT_BYTES / 4);
  const view = new DataView(words.buffer);
  const { fields, immediate } = decoded.instruction.encoding;
  view.setUint16(SLOT_OP, opOf(decoded, crossing), true);
  view.setUint8(SLOT_A, (fields.has('rd') ? decoded.rd : decoded.rs2) * 8);
  view.setUint8(SLOT_B, fields.has('uimm5') ? decoded.rs1 : decoded.rs1 * 8);
  if (immediate !== 'none') {
    view.setInt32(SLOT_IMMEDIATE, decoded.immediate, true);
  } else {
    view.setUint8(SLOT_C, decoded.rs2 * 8);
    view.setUint8(SLOT_D, decoded.rs3 * 8);
    view.setUint8(SLOT_ROUNDING, decoded.rm);
  }
  // Slots are little-endian, words of the host may not be.
  return Uint32Array.of(view.getUint32(0, true), view.getUint32(4, true));
}
