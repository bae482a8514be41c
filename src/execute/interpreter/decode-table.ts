import { OP_UNDECODED, SLOT_BYTES, SLOT_OP } from '../../hart/decoded-slots.ts';
import type { FunctionBuilder, I32 } from '../wasm/index.ts';

/**
 * What instructions are decoded to, by their bits: a table in a machine's memory that the interpreter looks into before
 * it asks the host. A machine that was restored, or runs a program for the first time, decodes tens of thousands of
 * instructions in its first moments, of which two thirds are the same as others.
 *
 *     entry (16 bytes)   0  u32  the instruction
 *                        4  8    its slot; an unused entry has OP_UNDECODED there
 *
 * An instruction has one place, by a hash; the last one that came there has it.
 */
const TABLE_BITS = 15;
const ENTRY_SHIFT = 4;
const ENTRY_BYTES = 1 << ENTRY_SHIFT;
const ENTRY_SLOT = 4;
export const DECODE_TABLE_BYTES = ENTRY_BYTES << TABLE_BITS;

/** Multiplicative hashing, with 2^32 / the golden ratio. */
const HASH_FACTOR = 0x9e37_79b1 | 0;

/** What this thread has decoded so far, for machines to come. */
const learned = new Uint32Array(DECODE_TABLE_BYTES / 4);
let hasLearned = false;

/** An instruction was decoded into a slot. */
export function learn(view: DataView, slot: number, bits: number): void {
  const entry = (Math.imul(bits, HASH_FACTOR) >>> (32 - TABLE_BITS)) * (ENTRY_BYTES / 4);
  learned[entry] = bits;
  learned[entry + 1] = view.getUint32(slot, true);
  learned[entry + 2] = view.getUint32(slot + 4, true);
  hasLearned = true;
}

/** Puts what is known already into a new table: zeroed memory. */
export function fillDecodeTable(words: Uint32Array, table: number): void {
  if (hasLearned) words.set(learned, table >>> 2);
}

/** Decodes `bits` into the empty slot: as the table says, or `decode` does, which the table has then. */
export function decodeByTable(f: FunctionBuilder, table: I32, slot: I32, bits: I32, decode: () => void): void {
  const hash = bits.mul(HASH_FACTOR).shrU(32 - TABLE_BITS);
  const entry = f.let(table.add(hash.shl(ENTRY_SHIFT)));
  const copy = (from: I32, fromOffset: number, to: I32, toOffset: number): void => {
    for (let at = 0; at < SLOT_BYTES; at += 4) f.store(to, from.load(fromOffset + at), toOffset + at);
  };
  const isKnown = entry
    .load()
    .eq(bits)
    .and(entry.load16U(ENTRY_SLOT + SLOT_OP).ne(OP_UNDECODED));
  f.if(
    isKnown,
    () => copy(entry, ENTRY_SLOT, slot, 0),
    () => {
      decode();
      f.store(entry, bits);
      copy(slot, 0, entry, ENTRY_SLOT);
    },
  );
}
