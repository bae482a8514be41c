/**
 * A record, in 64-bit words. Going in it is the state that a case starts with; coming out, the state at its trap.
 *
 *     0       pc: where it starts; mepc
 *     1-31    x1 to x31
 *     32-63   f0 to f31
 *     64      fcsr
 *     65      mstatus (MPP gives the mode it runs in)
 *     66, 67  mcause, mtval (out)
 *     68-83   scratch memory: 64 bytes below the edge, 64 above
 *     84-86   sscratch, scause, stval
 *     87      unused
 */
export const R_PC = 0;
export const R_F = 32;
export const R_FCSR = 64;
export const R_STATUS = 65;
export const R_CAUSE = 66;
export const R_TVAL = 67;
export const R_SCRATCH = 68;
export const SCRATCH_WORDS = 16;
export const R_SUPERVISOR = 84;
/** sscratch, scause, stval */
export const SUPERVISOR_CSRS: readonly number[] = [0x140, 0x142, 0x143];
export const RECORD_WORDS = 88;
export const RECORD_BYTES = RECORD_WORDS * 8;

export const RECORD_NAMES: readonly string[] = [
  'pc',
  ...Array.from({ length: 31 }, (_, i) => `x${i + 1}`),
  ...Array.from({ length: 32 }, (_, i) => `f${i}`),
  ...['fcsr', 'mstatus', 'mcause', 'mtval'],
  ...Array.from({ length: SCRATCH_WORDS }, (_, i) => `memory[${8 * i - 64}]`),
  ...['sscratch', 'scause', 'stval', 'unused'],
];
