/** Memory of a bare-metal test program, the same for godwit and QEMU. */
export const MEMORY_BYTES = 128 * 1024 ** 2;
export const RAM = 0x8000_0000;
export const RAM_END = RAM + MEMORY_BYTES;

/** The program that runs the cases, where both start in M-mode. */
export const RUNNER = RAM;
/**
 * One 64-bit word each: written by the runner when all cases ran; the address after the last record; free for other
 * runners.
 */
export const DONE = RAM + 0x1_0000;
export const RECORDS_END = RAM + 0x1_0008;
export const DONE_MAGIC = 0x600d_c0den;

/** Two pages whose common edge cases load and store at. */
export const SCRATCH = RAM + 0x10_0000;
export const SCRATCH_EDGE = SCRATCH + 0x1000;
/** So many bytes on each side of the edge belong to a case. */
export const SCRATCH_SIDE_BYTES = 64;

/** Page tables. */
export const TABLES = RAM + 0x12_0000;

/** Code of the cases. */
export const CODE = RAM + 0x20_0000;
export const CODE_END = RAM + 0x80_0000;
/** Cells with one jump each in wide fields of zeros, for far targets. */
export const FAR_CELLS = RAM + 0x80_0000;
export const FAR_CELL_BYTES = 0x4000;
export const FAR_CELL_COUNT = 256;

/** One record for each case; the runner replaces what goes in by what came out. */
export const RECORDS = RAM + 0x100_0000;
/** Here QEMU puts the device tree. */
export const RECORDS_LIMIT = RAM + 0x7e0_0000;

/** Where the board's devices are (QEMU's virt). */
export const FINISHER = 0x10_0000;
export const FINISHER_PASS = 0x5555;
export const CLINT = 0x200_0000;

export interface Segment {
  readonly address: number;
  readonly data: Uint8Array;
}

export interface Image {
  readonly segments: readonly Segment[];
  /** What to look at afterwards. */
  readonly resultAddress: number;
  readonly resultBytes: number;
}
