import { SHN_UNDEF, STB_LOCAL, SYM } from './format.ts';
import type { StringTable } from './string-table.ts';

/** Symbols by their numbers. Only what is asked for is read: a kernel module has tens of thousands. */
export class SymbolTable {
  readonly bytes: Uint8Array;
  readonly names: StringTable;
  readonly count: number;
  private readonly view: DataView;

  constructor(bytes: Uint8Array, names: StringTable) {
    this.bytes = bytes;
    this.names = names;
    this.count = Math.floor(bytes.length / SYM.bytes);
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  nameOffset(index: number): number {
    return this.view.getUint32(index * SYM.bytes + SYM.name, true);
  }

  name(index: number): string {
    return this.names.at(this.nameOffset(index));
  }

  isLocal(index: number): boolean {
    return this.info(index) >> 4 === STB_LOCAL;
  }

  /** Whether it is a function and so on: STT_... */
  type(index: number): number {
    return this.info(index) & 0xf;
  }

  /** Whether another file has to have it. */
  isUndefined(index: number): boolean {
    return this.view.getUint16(index * SYM.bytes + SYM.section, true) === SHN_UNDEF;
  }

  value(index: number): bigint {
    return this.view.getBigUint64(index * SYM.bytes + SYM.value, true);
  }

  sizeBytes(index: number): bigint {
    return this.view.getBigUint64(index * SYM.bytes + SYM.size, true);
  }

  private info(index: number): number {
    return this.view.getUint8(index * SYM.bytes + SYM.info);
  }
}
