import { instructionNamed } from '../../src/isa/index.ts';

const ZERO_WHEN_ZERO = instructionNamed('czero.eqz').encoding;
const ZERO_WHEN_NOT = instructionNamed('czero.nez').encoding;
/** XVentanaCondOps, which became Zicond: vt.maskc and vt.maskcn, custom-3. */
const MASKC = 0x0000_607b;
const MASKCN = 0x0000_707b;
const REGISTERS = 0x01ff_8f80;

/** QEMU 7.2 has Zicond only under the encodings of the vendor extension that it was made from. */
export function spelledForQemu(bits: number): number {
  const is = ({ mask, match }: { mask: number; match: number }) => (bits & mask) >>> 0 === match;
  if (is(ZERO_WHEN_ZERO)) return ((bits & REGISTERS) | MASKC) >>> 0;
  if (is(ZERO_WHEN_NOT)) return ((bits & REGISTERS) | MASKCN) >>> 0;
  return bits;
}
