import { ElfFile } from '../../common/elf/elf-file.ts';
import { SHT, STT_FUNC, STT_NOTYPE } from '../../common/elf/format.ts';
import type { SymbolTable } from '../../common/elf/symbol-table.ts';
import { isForeseen } from '../../common/errors.ts';
import type { GuestSymbol } from './symbol-table.ts';

/** So much of a name is shown. */
const NAME_LIMIT_BYTES = 512;

/** Functions and untyped labels of an ELF file, raised by `bias`. None when it is stripped, damaged, or no ELF file. */
export function readElfSymbols(file: Uint8Array, bias = 0n): GuestSymbol[] {
  const table = symbolTable(file);
  const typed: GuestSymbol[] = [];
  const untyped: GuestSymbol[] = [];
  for (let index = 0; table && index < table.count; index++) {
    const type = table.type(index);
    if ((type !== STT_FUNC && type !== STT_NOTYPE) || table.isUndefined(index)) continue;
    const name = table.names.beginningAt(table.nameOffset(index), NAME_LIMIT_BYTES);
    // $x and $d mark instructions and data (RISC-V psABI, "Mapping Symbol"); .L are the assembler's own.
    if (name === '' || name.startsWith('$') || name.startsWith('.L')) continue;
    const address = BigInt.asUintN(64, table.value(index) + bias);
    (type === STT_FUNC ? typed : untyped).push({ address, name, bytes: table.sizeBytes(index) });
  }
  return [...typed, ...untyped];
}

function symbolTable(bytes: Uint8Array): SymbolTable | undefined {
  try {
    const file = new ElfFile('The file', bytes).requireFormat();
    const { sections } = file;
    const table = sections.find(({ type }) => type === SHT.symtab) ?? sections.find(({ type }) => type === SHT.dynsym);
    return table && file.symbolsOf(table, sections);
  } catch (error) {
    if (!isForeseen(error)) throw error;
    return undefined;
  }
}
