/**
 * ELF64 executables for RISC-V (System V ABI, "Object Files" and "Program Loading"; RISC-V psABI, "ELF Object Files").
 * Little-endian; offsets in bytes.
 *
 *   file header                    program header (56 bytes each)
 *   0    magic, class, data        0    p_type
 *   16   e_type                    8    p_offset
 *   18   e_machine                 16   p_vaddr
 *   24   e_entry                   24   p_paddr
 *   32   e_phoff                   32   p_filesz
 *   54   e_phentsize               40   p_memsz
 *   56   e_phnum
 */
import { GodwitError } from '../../common/errors.ts';

const FILE_HEADER_BYTES = 64;
const PROGRAM_HEADER_BYTES = 56;
const ELF_MAGIC = 0x464c457f;
const ELFCLASS64 = 2;
const ELFDATA2LSB = 1;
const ET_EXEC = 2;
const ET_DYN = 3;
const EM_RISCV = 243;
const PN_XNUM = 0xffff;
const PT_LOAD = 1;

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

export interface ElfProgram {
  /** Physical address of the first instruction. */
  readonly entry: bigint;
  /** By rising address, none empty, none overlapping. */
  readonly segments: readonly ElfSegment[];
}

interface ProgramHeader {
  readonly offset: bigint;
  readonly virtualAddress: bigint;
  readonly physicalAddress: bigint;
  readonly fileBytes: bigint;
  readonly memoryBytes: bigint;
}

export function isElf(file: Uint8Array): boolean {
  return file.length >= 4 && viewOf(file).getUint32(0, true) === ELF_MAGIC;
}

/** Reads a file for which {@link isElf} holds. `what` names it in messages. */
export function readElf(what: string, file: Uint8Array): ElfProgram {
  if (file.length < FILE_HEADER_BYTES) throw damaged(what, 'its header is cut short');
  requireMachine(what, file);
  const headers = programHeaders(what, file);
  if (headers.length === 0) throw new GodwitError('unsupported', `${what} is an ELF file with nothing to load.`);
  const segments = headers.map((header) => segmentOf(what, file, header));
  segments.forEach((segment, index) => {
    const next = segments[index + 1];
    if (next !== undefined && segment.address + segment.memoryBytes > next.address) {
      throw damaged(what, `its segments at ${hex(segment.address)} and ${hex(next.address)} overlap`);
    }
  });
  return { entry: entryOf(what, viewOf(file).getBigUint64(24, true), headers), segments };
}

function requireMachine(what: string, file: Uint8Array): void {
  const view = viewOf(file);
  const [elfClass, data] = [file[4], file[5]];
  const littleEndian = data === ELFDATA2LSB;
  const machine = view.getUint16(18, littleEndian);
  if (machine !== EM_RISCV) {
    const name = MACHINE_NAMES.get(machine) ?? `an unknown processor (ELF machine ${machine})`;
    throw new GodwitError('unsupported', `${what} is an ELF file for ${name}, not for RISC-V.`);
  }
  if (elfClass !== ELFCLASS64) {
    throw new GodwitError('unsupported', `${what} is an ELF file for 32-bit RISC-V; godwit's harts are 64-bit.`);
  }
  if (!littleEndian) throw new GodwitError('unsupported', `${what} is a big-endian ELF file.`);
  const type = view.getUint16(16, true);
  if (type !== ET_EXEC && type !== ET_DYN) {
    throw new GodwitError(
      'unsupported',
      `${what} is an ELF file that cannot be run (type ${type}): an executable is needed.`,
    );
  }
}

/** The PT_LOAD headers that take memory, by rising physical address. */
function programHeaders(what: string, file: Uint8Array): ProgramHeader[] {
  const view = viewOf(file);
  const [tableOffset, entryBytes, count] = [
    view.getBigUint64(32, true),
    view.getUint16(54, true),
    view.getUint16(56, true),
  ];
  if (count === PN_XNUM) throw new GodwitError('unsupported', `${what} is an ELF file with too many program headers.`);
  if (count > 0 && entryBytes !== PROGRAM_HEADER_BYTES) throw damaged(what, `a program header has ${entryBytes} bytes`);
  if (tableOffset + BigInt(count * PROGRAM_HEADER_BYTES) > BigInt(file.length)) {
    throw damaged(what, 'its program headers are cut short');
  }
  const headers: ProgramHeader[] = [];
  for (let index = 0; index < count; index++) {
    const at = Number(tableOffset) + index * PROGRAM_HEADER_BYTES;
    const field = (offset: number): bigint => view.getBigUint64(at + offset, true);
    if (view.getUint32(at, true) !== PT_LOAD || field(40) === 0n) continue;
    headers.push({
      offset: field(8),
      virtualAddress: field(16),
      physicalAddress: field(24),
      fileBytes: field(32),
      memoryBytes: field(40),
    });
  }
  return headers.sort((a, b) => (a.physicalAddress < b.physicalAddress ? -1 : 1));
}

function segmentOf(what: string, file: Uint8Array, header: ProgramHeader): ElfSegment {
  const { offset, physicalAddress, fileBytes, memoryBytes } = header;
  if (fileBytes > memoryBytes) {
    throw damaged(what, `its segment at ${hex(physicalAddress)} is longer in the file than in memory`);
  }
  if (offset + fileBytes > BigInt(file.length)) {
    throw damaged(what, `its segment at ${hex(physicalAddress)} is cut short`);
  }
  const bytes = file.subarray(Number(offset), Number(offset + fileBytes));
  return { address: physicalAddress, bytes, memoryBytes };
}

/** e_entry is a virtual address; harts start with translation off. */
function entryOf(what: string, entry: bigint, headers: readonly ProgramHeader[]): bigint {
  for (const { virtualAddress, physicalAddress, memoryBytes } of headers) {
    if (entry >= virtualAddress && entry < virtualAddress + memoryBytes)
      return entry - virtualAddress + physicalAddress;
  }
  throw damaged(what, `its entry point ${hex(entry)} lies in no segment`);
}

function damaged(what: string, why: string): GodwitError {
  return new GodwitError('damaged', `${what} is a damaged ELF file: ${why}.`);
}

function hex(value: bigint): string {
  return `0x${value.toString(16)}`;
}

function viewOf(file: Uint8Array): DataView {
  return new DataView(file.buffer, file.byteOffset, file.length);
}
