/**
 * What is run: the kernels of the CPU suite, one C file each in bench/kernels/, and real programs on Debian
 * (bench/programs/run.sh).
 */

export type Group = 'integer' | 'float' | 'memory' | 'system' | 'programs';

export interface Kernel {
  /** Name of the file and of the program; for real programs, of the case in run.sh. */
  readonly name: string;
  readonly group: Group;
  /**
   * How often the work is done, so that a kernel takes godwit about a second on a machine of 2023, and a program some
   * 20 s.
   */
  readonly repetitions: number;
  /** The least that it is scaled to: what runs for a time would otherwise show little but its beginning. */
  readonly least?: number;
}

export const SUITE: readonly Kernel[] = [
  { name: 'sieve', group: 'integer', repetitions: 240 },
  { name: 'sort', group: 'integer', repetitions: 100 },
  { name: 'matrix-integer', group: 'integer', repetitions: 300 },
  { name: 'strings', group: 'integer', repetitions: 300 },
  { name: 'hash', group: 'integer', repetitions: 1500 },
  { name: 'state-machine', group: 'integer', repetitions: 1500 },
  { name: 'linked-list', group: 'integer', repetitions: 500 },
  { name: 'recursion', group: 'integer', repetitions: 400 },
  { name: 'bytecode', group: 'integer', repetitions: 2000 },
  { name: 'sha256', group: 'integer', repetitions: 600 },
  { name: 'lz', group: 'integer', repetitions: 500 },
  { name: 'integer-mix', group: 'integer', repetitions: 20_000 },
  { name: 'matrix-double', group: 'float', repetitions: 200 },
  { name: 'float-mix', group: 'float', repetitions: 120_000 },
  { name: 'memory-copy', group: 'memory', repetitions: 40 },
  { name: 'random-access', group: 'memory', repetitions: 1500 },
  { name: 'syscalls', group: 'system', repetitions: 400_000 },
  { name: 'page-faults', group: 'system', repetitions: 120 },
  { name: 'fork-exec', group: 'system', repetitions: 120 },
  { name: 'pipe-switch', group: 'system', repetitions: 7000 },
];

export const GROUPS: readonly Group[] = ['integer', 'float', 'memory', 'system'];

export const PROGRAMS: readonly Kernel[] = [
  // Seconds that it runs for; the time shown is that for 1 GB.
  { name: 'openssl-sha256', group: 'programs', repetitions: 3, least: 3 },
  { name: 'openssl-aes-128-cbc', group: 'programs', repetitions: 3, least: 3 },
  // Rounds.
  { name: 'python3', group: 'programs', repetitions: 30 },
  // Rows.
  { name: 'sqlite3', group: 'programs', repetitions: 1_000_000 },
  // Megabytes.
  { name: 'gzip', group: 'programs', repetitions: 100 },
  { name: 'xz', group: 'programs', repetitions: 100 },
  // Source files.
  { name: 'gcc', group: 'programs', repetitions: 20 },
];

/** The count of a kernel at a scale; never 0. */
export function scaledRepetitions(kernel: Kernel, scale: number): number {
  return Math.max(kernel.least ?? 1, Math.round(kernel.repetitions * scale));
}
