import { GodwitError } from '../errors.ts';
import { damagedElf } from './damaged.ts';
import { EHDR, ELF_MAGIC, ELFCLASS64, ELFDATA2LSB, PHDR, PN_XNUM, SHDR, SHT } from './format.ts';
import { StringTable } from './string-table.ts';
import { SymbolTable } from './symbol-table.ts';

export interface ElfProgramHeader {
  readonly type: number;
  readonly flags: number;
  readonly offset: bigint;
  readonly virtualAddress: bigint;
  readonly physicalAddress: bigint;
  readonly fileBytes: bigint;
  readonly memoryBytes: bigint;
}

export interface ElfSection {
  readonly type: number;
  /** Where its name begins among the names of sections. */
  readonly nameOffset: number;
  readonly offset: bigint;
  readonly sizeBytes: bigint;
  /** The number of a section that belongs to it, such as a symbol table's strings. */
  readonly link: number;
  readonly align: bigint;
  /** Its entry in the section table. */
  readonly header: Uint8Array;
}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

export function isElf(file: Uint8Array): boolean {
  return file.length >= 4 && viewOf(file).getUint32(0, true) === ELF_MAGIC;
}

/** The parts of a 64-bit little-endian ELF file. Whatever the file says, nothing outside it is read. */
export class ElfFile {
  readonly bytes: Uint8Array;
  private readonly what: string;
  private readonly view: DataView;

  /** `what` names it in messages. Throws GodwitError('damaged') unless it is an ELF file with a whole header. */
  constructor(what: string, bytes: Uint8Array) {
    this.what = what;
    this.bytes = bytes;
    this.view = viewOf(bytes);
    if (!isElf(bytes)) throw new GodwitError('damaged', `${what} is not an ELF file.`);
    if (bytes.length < EHDR.bytes) throw this.damaged('its header is cut short');
  }

  /** Throws GodwitError('unsupported') for all others. Of those only `machine` may be asked. */
  requireFormat(): this {
    if (!this.is64Bit) throw new GodwitError('unsupported', `${this.what} is not a 64-bit ELF file.`);
    if (!this.isLittleEndian) throw new GodwitError('unsupported', `${this.what} is a big-endian ELF file.`);
    return this;
  }

  get is64Bit(): boolean {
    return this.bytes[EHDR.class] === ELFCLASS64;
  }

  get isLittleEndian(): boolean {
    return this.bytes[EHDR.data] === ELFDATA2LSB;
  }

  get machine(): number {
    return this.view.getUint16(EHDR.machine, this.isLittleEndian);
  }

  /** Whether it is an executable, an object file and so on. */
  get type(): number {
    return this.view.getUint16(EHDR.type, true);
  }

  /** The virtual address of its first instruction. */
  get entry(): bigint {
    return this.view.getBigUint64(EHDR.entry, true);
  }

  get programHeaders(): ElfProgramHeader[] {
    if (this.view.getUint16(EHDR.programCount, true) === PN_XNUM) {
      throw new GodwitError('unsupported', `${this.what} is an ELF file with too many program headers.`);
    }
    return this.headers('program', PHDR.bytes).map((entry) => {
      const view = viewOf(entry);
      return {
        type: view.getUint32(PHDR.type, true),
        flags: view.getUint32(PHDR.flags, true),
        offset: view.getBigUint64(PHDR.offset, true),
        virtualAddress: view.getBigUint64(PHDR.virtualAddress, true),
        physicalAddress: view.getBigUint64(PHDR.physicalAddress, true),
        fileBytes: view.getBigUint64(PHDR.fileBytes, true),
        memoryBytes: view.getBigUint64(PHDR.memoryBytes, true),
      };
    });
  }

  /** Those of a file with more than 65,279 are not found. */
  get sections(): ElfSection[] {
    return this.headers('section', SHDR.bytes).map((header) => {
      const view = viewOf(header);
      return {
        type: view.getUint32(SHDR.type, true),
        nameOffset: view.getUint32(SHDR.name, true),
        offset: view.getBigUint64(SHDR.offset, true),
        sizeBytes: view.getBigUint64(SHDR.size, true),
        link: view.getUint32(SHDR.link, true),
        align: view.getBigUint64(SHDR.align, true),
        header,
      };
    });
  }

  private headers(kind: 'program' | 'section', bytes: number): Uint8Array[] {
    const count = this.view.getUint16(EHDR[`${kind}Count`], true);
    const entryBytes = this.view.getUint16(EHDR[`${kind}EntryBytes`], true);
    if (count > 0 && entryBytes !== bytes) throw this.damaged(`a ${kind} header has ${entryBytes} bytes`);
    const table = this.part(this.view.getBigUint64(EHDR[`${kind}TableOffset`], true), BigInt(count * bytes));
    if (!table) throw this.damaged(`its ${kind} headers are cut short`);
    return Array.from({ length: count }, (_, index) => table.subarray(index * bytes, (index + 1) * bytes));
  }

  /** The names of these sections, all of the file. */
  sectionNames(sections: readonly ElfSection[]): StringTable {
    const names = sections[this.view.getUint16(EHDR.sectionNames, true)];
    if (names === undefined) throw this.damaged('its section names are missing');
    return new StringTable(this.what, this.contentOf(names));
  }

  /** Empty for sections that take no room in the file. */
  contentOf({ type, offset, sizeBytes }: ElfSection): Uint8Array {
    if (type === SHT.nobits || type === SHT.null) return new Uint8Array(0);
    const content = this.part(offset, sizeBytes);
    if (!content) throw this.damaged('a section is cut short');
    return content;
  }

  /** The symbols of a section that is a symbol table; undefined when it has no names for them. */
  symbolsOf(table: ElfSection, sections: readonly ElfSection[]): SymbolTable | undefined {
    const names = sections[table.link];
    if (names?.type !== SHT.strtab) return undefined;
    return new SymbolTable(this.contentOf(table), new StringTable(this.what, this.contentOf(names)));
  }

  /** A part of the file; undefined when it ends before that does. */
  part(offset: bigint, sizeBytes: bigint): Uint8Array | undefined {
    if (offset + sizeBytes > BigInt(this.bytes.length)) return undefined;
    return this.bytes.subarray(Number(offset), Number(offset + sizeBytes));
  }

  damaged(why: string): GodwitError {
    return damagedElf(this.what, why);
  }
}
