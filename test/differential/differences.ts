import { Cause } from '../../src/hart/constants.ts';
import * as R from './record.ts';

/**
 * Where godwit and QEMU 7.2 differ and both are right, or QEMU is not. Every rule names the section that allows it. A
 * rule is asked only about a word that differs.
 */
export interface Difference {
  readonly section: string;
  readonly why: string;
  readonly allows: (word: number, ours: BigUint64Array, theirs: BigUint64Array, name: string) => boolean;
}

/** The cause that a load has where a store or an AMO has `cause`. */
const asLoad = (cause: bigint): bigint => cause - 2n;
const AMO_FAULTS: readonly bigint[] = [Cause.storeMisaligned, Cause.storeAccess, Cause.storePageFault].map(BigInt);

/** Whether an illegal instruction's bits name a CSR that can't be written. */
const readOnly = (bits: bigint): boolean => bits >> 30n === 3n;

const FS_AND_SD = (3n << 13n) | (1n << 63n);

const ACCESS_FAULTS: readonly bigint[] = [Cause.loadAccess, Cause.storeAccess].map(BigInt);

export const DIFFERENCES: readonly Difference[] = [
  {
    section: 'unprivileged 29.1 (ctzw)',
    why: 'QEMU 7.2 counts past the low word when it is 0',
    allows: (word, ours, theirs, name) => name === 'ctzw' && word < R.R_F && ours[word] === 32n && theirs[word]! > 32n,
  },
  {
    section: 'privileged 3.1.16',
    why: 'a misaligned access is made in parts by QEMU, and its mtval is the aligned address of one',
    allows: (word, ours, theirs) =>
      word === R.R_TVAL &&
      ACCESS_FAULTS.includes(ours[R.R_CAUSE]!) &&
      (ours[word]! & 7n) !== 0n &&
      theirs[word]! < ours[word]! &&
      ours[word]! - theirs[word]! < 8n,
  },
  {
    section: 'privileged 3.1.16',
    why: 'mtval of a breakpoint is 0 or the address; QEMU writes 0, godwit the address',
    allows: (word, ours, theirs) =>
      word === R.R_TVAL &&
      ours[R.R_CAUSE] === BigInt(Cause.breakpoint) &&
      theirs[word] === 0n &&
      ours[word] === ours[R.R_PC],
  },
  {
    section: 'privileged 3.1.15, table 14',
    why: "an AMO raises store/AMO causes; QEMU with one hart does it as a load and a store, so that the load's cause shows",
    allows: (word, ours, theirs, name) =>
      word === R.R_CAUSE &&
      name.startsWith('amo') &&
      AMO_FAULTS.includes(ours[word]!) &&
      theirs[word] === asLoad(ours[word]!),
  },
  {
    section: 'unprivileged 6.1',
    why: 'csrrs and csrrc with a register other than x0 write, even if it holds 0; QEMU lets that pass for read-only CSRs',
    allows: (word, ours, _, name) =>
      /^csrr[sc]$/.test(name) &&
      ours[R.R_CAUSE] === BigInt(Cause.illegalInstruction) &&
      readOnly(ours[R.R_TVAL]!) &&
      word < R.R_FCSR + 4,
  },
  {
    section: 'privileged 3.1.6.6',
    why: 'FS may turn dirty without a change of state; godwit does so for every floating-point instruction that runs',
    allows: (word, ours, theirs) =>
      word === R.R_STATUS &&
      (ours[word]! & ~FS_AND_SD) === (theirs[word]! & ~FS_AND_SD) &&
      (ours[word]! & FS_AND_SD) === FS_AND_SD,
  },
];
