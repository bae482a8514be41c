import { Cause } from '../../src/hart/constants.ts';
import type { SystemResult } from './system-batch.ts';
import * as S from './system-runner.ts';

/** Differences from QEMU 7.2 in traps, each with the section that decides. */

const FS_AND_SD = (3n << 13n) | (1n << 63n);
const VS = 3n << 9n;
const MPRV = 1n << 17n;
const INTERRUPT = 1n << 63n;
/** Interrupts by priority, highest first (3.1.9). */
const PRIORITY = [11n, 3n, 7n, 9n, 1n, 5n];

const CSR = {
  sstatus: 0x100,
  sie: 0x104,
  sepc: 0x141,
  scause: 0x142,
  stval: 0x143,
  mideleg: 0x303,
  mie: 0x304,
  mip: 0x344,
} as const;

/** One trap of the case, by the words that tell of it. */
interface TrapWords {
  readonly cause: number;
  readonly value: number;
  readonly pc: number;
  /** Where the number of the vector's entry is, and what is added to it. */
  readonly entry: number;
  readonly bias: bigint;
  /** The interrupts that may be taken to this mode. */
  readonly candidates: bigint;
}

const savedWord = ({ layout }: SystemResult, csr: number): number => layout.csrOut(layout.spec.csrsOut.indexOf(csr));

function trapsOf(result: SystemResult): TrapWords[] {
  const saved = (csr: number) => savedWord(result, csr);
  const { ours } = result;
  const pending = ours[saved(CSR.mip)]! & ours[saved(CSR.mie)]!;
  const delegated = ours[saved(CSR.mideleg)]!;
  return [
    { cause: S.S_CAUSE, value: S.S_TVAL, pc: S.S_PC, entry: S.S_ENTRY, bias: 0n, candidates: pending & ~delegated },
    {
      ...{ cause: saved(CSR.scause), value: saved(CSR.stval), pc: saved(CSR.sepc) },
      ...{ entry: S.S_X30, bias: 1n, candidates: pending & delegated },
    },
  ];
}

/**
 * 3.1.9: QEMU 7.2 takes the pending interrupt of the lowest number, without AIA; godwit that of the highest priority.
 */
function isPriority(word: number, trap: TrapWords, { ours, theirs }: SystemResult): boolean {
  const due = PRIORITY.find((code) => (trap.candidates >> code) & 1n);
  if (due === undefined || ours[trap.cause] !== (INTERRUPT | due)) return false;
  const lowest = [...PRIORITY].sort((a, b) => Number(a - b)).find((code) => (trap.candidates >> code) & 1n)!;
  if (theirs[trap.cause] !== (INTERRUPT | lowest)) return false;
  // The handler of that interrupt is left from somewhere else.
  const isOfSupervisor = trap.cause !== S.S_CAUSE;
  const isLeftElsewhere = (word === S.S_PC || word === S.S_TVAL) && isOfSupervisor;
  if (isLeftElsewhere && isInSupervisorVector(ours[S.S_PC]!) && isInSupervisorVector(theirs[S.S_PC]!)) return true;
  return (
    word === trap.cause ||
    (word === trap.entry && ours[word] === due + trap.bias && theirs[word] === lowest + trap.bias)
  );
}

const VECTORS = Object.values(S.S_VECTORS).map(BigInt);
const isInSupervisorVector = (pc: bigint): boolean => VECTORS.some((vector) => pc >= vector && pc < vector + 0x1000n);

function allowsInTrap(word: number, trap: TrapWords, result: SystemResult): boolean {
  const { ours, theirs, name } = result;
  // 3.1.16: a breakpoint's value is 0 or the address; QEMU writes 0.
  if (word === trap.value && ours[trap.cause] === BigInt(Cause.breakpoint) && theirs[word] === 0n)
    return ours[word] === ours[trap.pc];
  // 3.1.16: an illegal instruction's value is its bits or 0; QEMU writes 0 for this one.
  if (word === trap.value && ours[trap.cause] === BigInt(Cause.illegalInstruction) && theirs[word] === 0n)
    return name.startsWith('sinval');
  // Table 14: AMOs raise store causes; QEMU with one hart does them as a load and a store.
  if (word === trap.cause && name.startsWith('amo') && ours[word] === theirs[word]! + 2n) return true;
  return isPriority(word, trap, result);
}

/**
 * 3.1.6.6: FS may turn dirty early; VS is 0 without vectors, which QEMU lets be written. 3.1.6.3: returns to less
 * privileged modes clear MPRV; QEMU 7.2 keeps it in mret.
 */
function allowsStatus(word: number, { ours, theirs }: SystemResult): boolean {
  const may = FS_AND_SD | VS | (word === S.S_STATUS ? MPRV : 0n);
  return (
    (ours[word]! & VS) === 0n &&
    (ours[word]! & ~may) === (theirs[word]! & ~may) &&
    (ours[word]! & MPRV & ~theirs[word]!) === 0n
  );
}

export function trapAllows(word: number, result: SystemResult): boolean {
  if (word === S.S_STATUS || word === savedWord(result, CSR.sstatus)) return allowsStatus(word, result);
  return trapsOf(result).some((trap) => allowsInTrap(word, trap, result));
}
