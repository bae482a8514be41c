import { MSTATUS_FS, Privilege } from '../hart/constants.ts';
import { CSR_NAMES } from '../hart/csr.ts';
import * as L from '../hart/layout.ts';
import { F_NAMES, X_NAMES } from '../isa/registers.ts';
import type { MachineCore } from '../machine/core.ts';

/**
 * Registers by the numbers that gdb has for them:
 *
 *     0     x0 to x31
 *     32    pc
 *     33    f0 to f31
 *     65    CSRs, each at 65 + its address
 *     4161  the privilege mode
 */
const PC_NUMBER = 32;
const FIRST_FLOAT = 33;
const FIRST_CSR = 65;
const PRIVILEGE_NUMBER = FIRST_CSR + 4096;

/** What `g` sends: the integer registers and pc. The others are asked for one by one. */
export const GENERAL_COUNT = PC_NUMBER + 1;

export interface Register {
  readonly number: number;
  readonly name: string;
  readonly kind: 'integer' | 'code' | 'data' | 'float';
  read(core: MachineCore): bigint;
  /** Absent where writes mean nothing. */
  readonly write?: (core: MachineCore, value: bigint) => void;
}

const POINTERS = new Map([
  ['ra', 'code'],
  ['sp', 'data'],
  ['gp', 'data'],
  ['tp', 'data'],
  ['s0', 'data'],
] as const);

const general: Register[] = X_NAMES.map((name, number) => ({
  number,
  name,
  kind: POINTERS.get(name as 'ra') ?? 'integer',
  read: ({ current: hart }) => hart.x(number),
  write: ({ current: hart }, value) => hart.setX(number, value),
}));

const pc: Register = {
  number: PC_NUMBER,
  name: 'pc',
  kind: 'code',
  read: ({ current: hart }) => hart.pc,
  write: ({ current: hart }, value) => {
    hart.pc = value & ~1n;
  },
};

const floats: Register[] = F_NAMES.map((name, index) => ({
  number: FIRST_FLOAT + index,
  name,
  kind: 'float',
  read: ({ current: hart }) => hart.get(L.F_REGISTERS + 8 * index),
  write: ({ current: hart }, value) => {
    hart.put(L.F_REGISTERS + 8 * index, value);
    const status = hart.get(L.MSTATUS);
    if ((status & MSTATUS_FS) !== 0n) hart.put(L.MSTATUS, status | MSTATUS_FS);
  },
}));

const FLOAT_CSR_LAST = 3;
const MCYCLE = 0xb00;
const MINSTRET = 0xb02;
/** What a CSR's access as an instruction leaves behind in the hart. */
const CSR_TRACES = [L.PRIVILEGE, L.TRAP_CAUSE, L.TRAP_VALUE, L.TRAP_PENDING];

/** Accesses a CSR as M-mode may, and floating-point ones as if floating point were on. */
function asMachineMode<T>({ current: hart }: MachineCore, address: number, access: () => T): T {
  const kept = CSR_TRACES.map((field) => hart.get(field));
  const status = hart.get(L.MSTATUS);
  const floating = address <= FLOAT_CSR_LAST;
  hart.put(L.PRIVILEGE, BigInt(Privilege.M));
  if (floating) hart.put(L.MSTATUS, status | MSTATUS_FS);
  try {
    return access();
  } finally {
    CSR_TRACES.forEach((field, i) => {
      hart.put(field, kept[i]!);
    });
    if (floating) hart.put(L.MSTATUS, status);
  }
}

function readCsr(core: MachineCore, address: number): bigint {
  const { interpreter } = core.engine;
  return asMachineMode(core, address, () => interpreter.csr_read(core.current.address, address, 0));
}

/** As the instruction would, but from any mode; what bits the register takes is up to it. */
function writeCsr(core: MachineCore, address: number, value: bigint): void {
  const { interpreter } = core.engine;
  const { current: hart } = core;
  // An instruction that writes these is counted after its write; a debugger's write is no instruction.
  const counted = address === MCYCLE || address === MINSTRET ? value + 1n : value;
  if (address <= FLOAT_CSR_LAST)
    asMachineMode(core, address, () => interpreter.csr_write(hart.address, address, counted));
  else interpreter.csr_write(hart.address, address, counted);
  hart.interruptsChanged();
}

/** Addresses from 0xc00 on are read-only (privileged spec 2.1). */
const READ_ONLY = 0xc00;

const csrs: Register[] = [...CSR_NAMES].map(([address, name]) => ({
  number: FIRST_CSR + address,
  name,
  kind: 'integer',
  read: (core) => readCsr(core, address),
  ...(address < READ_ONLY && { write: (core: MachineCore, value: bigint) => writeCsr(core, address, value) }),
}));

const MODES: readonly bigint[] = [Privilege.U, Privilege.S, Privilege.M].map(BigInt);

const privilege: Register = {
  number: PRIVILEGE_NUMBER,
  name: 'priv',
  kind: 'integer',
  read: ({ current: hart }) => hart.get(L.PRIVILEGE),
  write: ({ current: hart, engine }, value) => {
    if (!MODES.includes(value)) return;
    hart.put(L.PRIVILEGE, value);
    engine.interpreter.update_contexts(hart.address);
    hart.interruptsChanged();
  },
};

export const GENERAL: readonly Register[] = [...general, pc];

export interface RegisterSet {
  /** The feature's name in a target description (gdb manual, G.5.11). */
  readonly feature: string;
  readonly registers: readonly Register[];
}

export const REGISTER_SETS: readonly RegisterSet[] = [
  { feature: 'org.gnu.gdb.riscv.cpu', registers: GENERAL },
  {
    feature: 'org.gnu.gdb.riscv.fpu',
    registers: [...floats, ...csrs.filter(({ number }) => number <= FIRST_CSR + FLOAT_CSR_LAST)],
  },
  {
    feature: 'org.gnu.gdb.riscv.csr',
    registers: csrs.filter(({ number }) => number > FIRST_CSR + FLOAT_CSR_LAST),
  },
  { feature: 'org.gnu.gdb.riscv.virtual', registers: [privilege] },
];

const all = REGISTER_SETS.flatMap(({ registers }) => registers);
const byNumber = new Map(all.map((register) => [register.number, register]));
const byName = new Map(all.map((register) => [register.name, register]));

export function registerNumbered(number: number): Register | undefined {
  return byNumber.get(number);
}

export function registerNamed(name: string): Register | undefined {
  return byName.get(name);
}

export const CSR_REGISTERS: readonly Register[] = csrs;
export const FLOAT_REGISTERS: readonly Register[] = floats;
