/** ELF executables for RISC-V. */
import { ElfFile, type ElfProgramHeader, isElf } from '../../common/elf/elf-file.ts';
import { EM_RISCV, ET_DYN, ET_EXEC, PF_X, PT_LOAD } from '../../common/elf/format.ts';
import { GodwitError } from '../../common/errors.ts';

const MACHINE_NAMES: ReadonlyMap<number, string> = new Map([
  [3, '32-bit x86'],
  [8, 'MIPS'],
  [20, '32-bit PowerPC'],
  [21, '64-bit PowerPC'],
  [22, 'S/390'],
  [40, '32-bit ARM'],
  [62, 'x86-64'],
  [183, '64-bit ARM'],
  [258, 'LoongArch'],
]);

/** A part of the file and where it goes. */
export interface ElfSegment {
  readonly address: bigint;
  readonly bytes: Uint8Array;
  /** Memory that it takes; what the file does not fill is zero. */
  readonly memoryBytes: bigint;
}

/**
 * Where a program starts: where its header says, or, as on QEMU's `virt`, at its lowest address. An ELF file may have
 * its header or data lowest; then it is always the former.
 */
export type ElfEntry = 'entry-point' | 'lowest-address';

export interface ElfProgram {
  /** The file's entry point, as a physical address. */
  readonly entry: bigint;
  /** Whether there is code at the lowest address, as far as the file tells. */
  readonly startsWithCode: boolean;
  /** It runs wherever it is loaded. */
  readonly positionIndependent: boolean;
  /** By rising address, none empty, none overlapping. */
  readonly segments: readonly ElfSegment[];
}

/** Reads an ELF file. `what` names it in messages. */
export function readElf(what: string, bytes: Uint8Array): ElfProgram {
  const file = new ElfFile(what, bytes);
  requireProgram(what, file);
  const headers = loadedHeaders(file);
  if (headers.length === 0) throw new GodwitError('unsupported', `${what} is an ELF file with nothing to load.`);
  const segments = headers.map((header) => segmentOf(file, header));
  segments.forEach((segment, index) => {
    const next = segments[index + 1];
    if (next !== undefined && segment.address + segment.memoryBytes > next.address) {
      throw file.damaged(`its segments at ${hex(segment.address)} and ${hex(next.address)} overlap`);
    }
  });
  return {
    entry: entryOf(file, headers),
    startsWithCode: (headers[0]!.flags & PF_X) !== 0 && !isElf(segments[0]!.bytes),
    positionIndependent: file.type === ET_DYN,
    segments,
  };
}

function requireProgram(what: string, file: ElfFile): void {
  const { machine } = file;
  if (machine !== EM_RISCV) {
    const name = MACHINE_NAMES.get(machine) ?? `an unknown processor (ELF machine ${machine})`;
    throw new GodwitError('unsupported', `${what} is an ELF file for ${name}, not for RISC-V.`);
  }
  if (!file.is64Bit) {
    throw new GodwitError('unsupported', `${what} is an ELF file for 32-bit RISC-V; godwit's harts are 64-bit.`);
  }
  const { type } = file.requireFormat();
  if (type !== ET_EXEC && type !== ET_DYN) {
    throw new GodwitError(
      'unsupported',
      `${what} is an ELF file that cannot be run (type ${type}): an executable is needed.`,
    );
  }
}

/** Those that take memory, by rising physical address. */
function loadedHeaders(file: ElfFile): ElfProgramHeader[] {
  const loaded = file.programHeaders.filter(({ type, memoryBytes }) => type === PT_LOAD && memoryBytes !== 0n);
  return loaded.sort((a, b) => (a.physicalAddress < b.physicalAddress ? -1 : 1));
}

function segmentOf(file: ElfFile, header: ElfProgramHeader): ElfSegment {
  const { offset, physicalAddress, fileBytes, memoryBytes } = header;
  if (fileBytes > memoryBytes) {
    throw file.damaged(`its segment at ${hex(physicalAddress)} is longer in the file than in memory`);
  }
  const bytes = file.part(offset, fileBytes);
  if (!bytes) throw file.damaged(`its segment at ${hex(physicalAddress)} is cut short`);
  return { address: physicalAddress, bytes, memoryBytes };
}

/** e_entry is a virtual address; harts start with translation off. */
function entryOf(file: ElfFile, headers: readonly ElfProgramHeader[]): bigint {
  const { entry } = file;
  for (const { virtualAddress, physicalAddress, memoryBytes } of headers) {
    if (entry >= virtualAddress && entry < virtualAddress + memoryBytes)
      return entry - virtualAddress + physicalAddress;
  }
  throw file.damaged(`its entry point ${hex(entry)} lies in no segment`);
}

function hex(value: bigint): string {
  return `0x${value.toString(16)}`;
}
