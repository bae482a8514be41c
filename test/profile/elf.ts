/** A small ELF executable with a symbol table, for tests. Sections: none, strings, symbols. */
export interface TestSymbol {
  readonly name: string;
  readonly address: bigint;
  readonly bytes: number;
}

const HEADER_BYTES = 64;
const PROGRAM_HEADER_BYTES = 56;
const SECTION_HEADER_BYTES = 64;
const SYMBOL_BYTES = 24;
const EM_RISCV = 243;
const PT_LOAD = 1;
const SHT_SYMTAB = 2;
const SHT_STRTAB = 3;
const STT_FUNC = 2;

export function elfProgram(code: Uint8Array, address: bigint, symbols: readonly TestSymbol[]): Uint8Array {
  const names = new TextEncoder().encode(`\0${symbols.map(({ name }) => `${name}\0`).join('')}`);
  const codeAt = HEADER_BYTES + PROGRAM_HEADER_BYTES;
  const namesAt = codeAt + code.length;
  const symbolsAt = Math.ceil((namesAt + names.length) / 8) * 8;
  const sectionsAt = symbolsAt + (symbols.length + 1) * SYMBOL_BYTES;
  const file = new Uint8Array(sectionsAt + 3 * SECTION_HEADER_BYTES);
  const view = new DataView(file.buffer);
  file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  view.setUint16(16, 2, true); // executable
  view.setUint16(18, EM_RISCV, true);
  view.setUint32(20, 1, true);
  view.setBigUint64(24, address, true);
  view.setBigUint64(32, BigInt(HEADER_BYTES), true);
  view.setBigUint64(40, BigInt(sectionsAt), true);
  view.setUint16(52, HEADER_BYTES, true);
  view.setUint16(54, PROGRAM_HEADER_BYTES, true);
  view.setUint16(56, 1, true);
  view.setUint16(58, SECTION_HEADER_BYTES, true);
  view.setUint16(60, 3, true);
  writeProgramHeader(view, codeAt, code.length, address);
  file.set(code, codeAt);
  file.set(names, namesAt);
  let name = 1;
  symbols.forEach((symbol, i) => {
    const at = symbolsAt + (i + 1) * SYMBOL_BYTES;
    view.setUint32(at, name, true);
    view.setUint8(at + 4, STT_FUNC);
    view.setUint16(at + 6, 1, true);
    view.setBigUint64(at + 8, symbol.address, true);
    view.setBigUint64(at + 16, BigInt(symbol.bytes), true);
    name += symbol.name.length + 1;
  });
  writeSection(view, sectionsAt + SECTION_HEADER_BYTES, {
    type: SHT_STRTAB,
    at: namesAt,
    bytes: names.length,
    link: 0,
  });
  const symbolBytes = (symbols.length + 1) * SYMBOL_BYTES;
  const symbolSection = { type: SHT_SYMTAB, at: symbolsAt, bytes: symbolBytes, link: 1 };
  writeSection(view, sectionsAt + 2 * SECTION_HEADER_BYTES, symbolSection);
  return file;
}

function writeProgramHeader(view: DataView, codeAt: number, bytes: number, address: bigint): void {
  view.setUint32(HEADER_BYTES, PT_LOAD, true);
  view.setUint32(HEADER_BYTES + 4, 5, true);
  view.setBigUint64(HEADER_BYTES + 8, BigInt(codeAt), true);
  view.setBigUint64(HEADER_BYTES + 16, address, true);
  view.setBigUint64(HEADER_BYTES + 24, address, true);
  view.setBigUint64(HEADER_BYTES + 32, BigInt(bytes), true);
  view.setBigUint64(HEADER_BYTES + 40, BigInt(bytes), true);
}

function writeSection(
  view: DataView,
  at: number,
  section: { readonly type: number; readonly at: number; readonly bytes: number; readonly link: number },
): void {
  view.setUint32(at + 4, section.type, true);
  view.setBigUint64(at + 24, BigInt(section.at), true);
  view.setBigUint64(at + 32, BigInt(section.bytes), true);
  view.setUint32(at + 40, section.link, true);
}
