import { type I64, i64, select } from '../../execute/wasm/index.ts';
import { RESERVATION_ADDRESS, RESERVATION_VALUE } from '../../hart/layout.ts';
import { type Instruction, row } from '../instruction.ts';

const LOAD = 1;
const STORE = 2;
type AtomicWidth = 4 | 8;

const funct3 = (width: AtomicWidth) => (width === 4 ? '010' : '011');
const suffix = (width: AtomicWidth) => (width === 4 ? '.w' : '.d');

/** rd = memory; memory = compute(memory, rs2). Words are compared as sign- or zero-extended as the operation needs. */
function amo(
  name: string,
  funct5: string,
  compute: (memory: I64, operand: I64) => I64,
  unsigned = false,
): Instruction[] {
  return ([4, 8] as const).map((width) =>
    row(
      name + suffix(width),
      `${funct5} aqrl rs2 rs1 ${funct3(width)} rd 0101111`,
      { extension: 'A', syntax: 'rd,rs2,(rs1)' },
      (e) => {
        const { f } = e;
        const at = f.let(e.atomic(e.x('rs1'), width, STORE));
        const old = f.let(at.load64Of(width, !unsigned));
        const extend = (value: I64) => (width === 8 ? value : unsigned ? value.and(0xffff_ffffn) : value.extend32S());
        const operand = f.let(extend(e.x('rs2')));
        f.store64Of(width, at, compute(old, operand));
        e.setX(width === 4 ? old.extend32S() : old);
      },
    ),
  );
}

function loadReserved(width: AtomicWidth): Instruction {
  return row(
    `lr${suffix(width)}`,
    `00010 aqrl 00000 rs1 ${funct3(width)} rd 0101111`,
    { extension: 'A', syntax: 'rd,(rs1)' },
    (e) => {
      const { f, hart } = e;
      const address = f.let(e.x('rs1'));
      const at = f.let(e.atomic(address, width, LOAD));
      const value = f.let(at.load64Of(width, width === 4));
      f.store(hart, e.physicalAddress(address, width, LOAD), RESERVATION_ADDRESS);
      f.store(hart, value, RESERVATION_VALUE);
      e.setX(value);
    },
  );
}

/**
 * Succeeds when the reservation is for this address and memory still holds what was read: the first makes it the LR's
 * pair, the second catches stores in between. Always gives the reservation up.
 */
function storeConditional(width: AtomicWidth): Instruction {
  return row(
    `sc${suffix(width)}`,
    `00011 aqrl rs2 rs1 ${funct3(width)} rd 0101111`,
    { extension: 'A', syntax: 'rd,rs2,(rs1)' },
    (e) => {
      const { f, hart } = e;
      const address = f.let(e.x('rs1'));
      const at = f.let(e.atomic(address, width, STORE));
      const reserved = f.let(hart.load64(RESERVATION_ADDRESS).eq(e.physicalAddress(address, width, STORE)));
      const same = at.load64Of(width, width === 4).eq(hart.load64(RESERVATION_VALUE));
      const succeeds = f.let(reserved.and(same));
      f.if(succeeds, () => f.store64Of(width, at, e.x('rs2')));
      f.store(hart, i64(-1), RESERVATION_ADDRESS);
      e.setX(succeeds.eqz().extendU());
    },
  );
}

/** A (unprivileged spec 13). */
export const ATOMIC: readonly Instruction[] = [
  loadReserved(4),
  loadReserved(8),
  storeConditional(4),
  storeConditional(8),
  ...amo('amoswap', '00001', (_, b) => b),
  ...amo('amoadd', '00000', (a, b) => a.add(b)),
  ...amo('amoxor', '00100', (a, b) => a.xor(b)),
  ...amo('amoand', '01100', (a, b) => a.and(b)),
  ...amo('amoor', '01000', (a, b) => a.or(b)),
  ...amo('amomin', '10000', (a, b) => select(a.ltS(b), a, b)),
  ...amo('amomax', '10100', (a, b) => select(a.gtS(b), a, b)),
  ...amo('amominu', '11000', (a, b) => select(a.ltU(b), a, b), true),
  ...amo('amomaxu', '11100', (a, b) => select(a.gtU(b), a, b), true),
];
