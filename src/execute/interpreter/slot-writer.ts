import { decode } from '../../isa/decode.ts';
import { OP_ILLEGAL, opOf } from './handlers.ts';
import { SLOT_A, SLOT_B, SLOT_C, SLOT_D, SLOT_IMMEDIATE, SLOT_OP, SLOT_ROUNDING } from './slots.ts';

/** Decodes an instruction into a slot of the memory. */
export function writeSlot(view: DataView, slot: number, bits: number, crossing: boolean): void {
  const decoded = decode(bits);
  if (!decoded) {
    view.setUint16(slot + SLOT_OP, OP_ILLEGAL, true);
    return;
  }
  const { fields } = decoded.instruction.encoding;
  const source = fields.has('uimm5') ? decoded.rs1 : decoded.rs1 * 8;
  view.setUint8(slot + SLOT_A, (fields.has('rd') ? decoded.rd : decoded.rs2) * 8);
  view.setUint8(slot + SLOT_B, source);
  if (hasImmediate(decoded.instruction.encoding.immediate)) {
    view.setInt32(slot + SLOT_IMMEDIATE, decoded.immediate, true);
  } else {
    view.setUint8(slot + SLOT_C, decoded.rs2 * 8);
    view.setUint8(slot + SLOT_D, decoded.rs3 * 8);
    view.setUint8(slot + SLOT_ROUNDING, decoded.rm);
  }
  view.setUint16(slot + SLOT_OP, opOf(decoded, crossing), true);
}

function hasImmediate(kind: string): boolean {
  return kind !== 'none';
}
