/**
 * ELF64 as it lies in a file (System V ABI, "Object Files" and "Program Loading"; RISC-V psABI, "ELF Object Files").
 * Offsets and sizes in bytes; everything is little-endian.
 */

/** "\x7fELF", as a little-endian number. */
export const ELF_MAGIC = 0x464c457f;
export const ELFCLASS64 = 2;
export const ELFDATA2LSB = 1;
export const ET_REL = 1;
export const ET_EXEC = 2;
export const ET_DYN = 3;
export const EM_RISCV = 243;
/** So many program headers that their count is elsewhere. */
export const PN_XNUM = 0xffff;
export const PT_LOAD = 1;
export const PF_X = 1;

export const SHT = { null: 0, symtab: 2, strtab: 3, rela: 4, nobits: 8, dynsym: 11 } as const;
export const SHN_UNDEF = 0;
export const STB_LOCAL = 0;
export const STT_NOTYPE = 0;
export const STT_FUNC = 2;

/** The file header, Elf64_Ehdr. */
export const EHDR = {
  class: 0x04,
  data: 0x05,
  type: 0x10,
  machine: 0x12,
  entry: 0x18,
  programTableOffset: 0x20,
  sectionTableOffset: 0x28,
  programEntryBytes: 0x36,
  programCount: 0x38,
  sectionEntryBytes: 0x3a,
  sectionCount: 0x3c,
  sectionNames: 0x3e,
  bytes: 0x40,
} as const;

/** A program header, Elf64_Phdr. */
export const PHDR = {
  type: 0x00,
  flags: 0x04,
  offset: 0x08,
  virtualAddress: 0x10,
  physicalAddress: 0x18,
  fileBytes: 0x20,
  memoryBytes: 0x28,
  bytes: 0x38,
} as const;

/** A section header, Elf64_Shdr. */
export const SHDR = {
  name: 0x00,
  type: 0x04,
  offset: 0x18,
  size: 0x20,
  link: 0x28,
  info: 0x2c,
  align: 0x30,
  bytes: 0x40,
} as const;

/** A symbol, Elf64_Sym. */
export const SYM = { name: 0x00, info: 0x04, section: 0x06, value: 0x08, size: 0x10, bytes: 0x18 } as const;

/** A relocation, Elf64_Rela. */
export const RELA = { symbol: 0x0c, bytes: 0x18 } as const;
