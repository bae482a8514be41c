/** Builds small ELF files that look like kernel modules, for tests. */

export interface ModuleSketch {
  name: string;
  depends?: string[];
  softdep?: string;
  aliases?: string[];
  needs?: string[];
  exports?: string[];
  /** Local symbols that nothing refers to, as the assembler leaves them for relaxation. */
  unusedLabels?: number;
}

interface Section {
  name: string;
  type: number;
  link: number;
  info: number;
  entryBytes: number;
  content: Buffer;
}

const PROGBITS = 1;
const SYMTAB = 2;
const STRTAB = 3;
const RELA = 4;

/** A table of NUL-terminated strings that begins with an empty one. */
class Strings {
  #bytes: Buffer = Buffer.alloc(1);

  add(text: string): number {
    const offset = this.#bytes.length;
    this.#bytes = Buffer.concat([this.#bytes, Buffer.from(`${text}\0`, 'latin1')]);
    return offset;
  }

  get content(): Buffer {
    return this.#bytes;
  }
}

function symbol(name: number, info: number, section: number, value: number): Buffer {
  const bytes = Buffer.alloc(24);
  bytes.writeUInt32LE(name, 0);
  bytes[4] = info;
  bytes.writeUInt16LE(section, 6);
  bytes.writeBigUInt64LE(BigInt(value), 8);
  return bytes;
}

/** Local symbols first, as ELF wants. Section 1 is .text. */
function symbolTable(sketch: ModuleSketch): { symbols: Buffer; strings: Buffer; locals: number; first: number } {
  const strings = new Strings();
  const symbols: Buffer[] = [Buffer.alloc(24)];
  for (let index = 0; index < (sketch.unusedLabels ?? 0); index++)
    symbols.push(symbol(strings.add(`.L${index}`), 0, 1, index));
  symbols.push(symbol(strings.add('a_function'), 2, 1, 0));
  for (const name of sketch.exports ?? []) symbols.push(symbol(strings.add(`__ksymtab_${name}`), 0, 1, 0));
  const locals = symbols.length;
  for (const name of sketch.exports ?? []) symbols.push(symbol(strings.add(name), 0x12, 1, 0));
  const first = symbols.length;
  for (const name of sketch.needs ?? []) symbols.push(symbol(strings.add(name), 0x10, 0, 0));
  return { symbols: Buffer.concat(symbols), strings: strings.content, locals, first };
}

/** One relocation to each needed symbol. */
function relocations(first: number, count: number): Buffer {
  const bytes = Buffer.alloc(24 * count);
  for (let index = 0; index < count; index++) {
    bytes.writeBigUInt64LE(BigInt(index * 8), index * 24);
    bytes.writeUInt32LE(18, index * 24 + 8); // R_RISCV_CALL
    bytes.writeUInt32LE(first + index, index * 24 + 12);
  }
  return bytes;
}

function modinfo(sketch: ModuleSketch): Buffer {
  const pairs = [
    'license=GPL',
    ...(sketch.aliases ?? []).map((alias) => `alias=${alias}`),
    ...(sketch.softdep === undefined ? [] : [`softdep=${sketch.softdep}`]),
    `depends=${(sketch.depends ?? []).join(',')}`,
    `name=${sketch.name}`,
    'vermagic=1.0 SMP riscv',
  ];
  return Buffer.from(pairs.map((pair) => `${pair}\0`).join(''), 'latin1');
}

/** The file, with a signature's marker behind it as on a signed module. */
export function buildModule(sketch: ModuleSketch): Buffer {
  const { symbols, strings, locals, first } = symbolTable(sketch);
  const names = new Strings();
  const plain = { link: 0, info: 0, entryBytes: 0 };
  const sections: Section[] = [
    { ...plain, name: '.text', type: PROGBITS, content: Buffer.alloc(64, 0x13) },
    {
      ...plain,
      name: '.rela.text',
      type: RELA,
      link: 4,
      info: 1,
      entryBytes: 24,
      content: relocations(first, sketch.needs?.length ?? 0),
    },
    { ...plain, name: '.modinfo', type: PROGBITS, content: modinfo(sketch) },
    { ...plain, name: '.symtab', type: SYMTAB, link: 5, info: locals, entryBytes: 24, content: symbols },
    { ...plain, name: '.strtab', type: STRTAB, content: strings },
  ];
  const nameOffsets = [...sections.map((section) => names.add(section.name)), names.add('.shstrtab')];
  sections.push({ ...plain, name: '.shstrtab', type: STRTAB, content: names.content });
  return assemble(sections, nameOffsets);
}

function assemble(sections: readonly Section[], nameOffsets: readonly number[]): Buffer {
  const header = Buffer.alloc(64);
  header.write('\x7fELF\x02\x01\x01', 'latin1');
  header.writeUInt16LE(1, 0x10);
  header.writeUInt16LE(243, 0x12);
  const parts: Buffer[] = [header];
  let offset = header.length;
  const table: Buffer[] = [Buffer.alloc(64)];
  sections.forEach((section, index) => {
    const entry = Buffer.alloc(64);
    entry.writeUInt32LE(nameOffsets[index]!, 0);
    entry.writeUInt32LE(section.type, 4);
    entry.writeBigUInt64LE(BigInt(offset), 0x18);
    entry.writeBigUInt64LE(BigInt(section.content.length), 0x20);
    entry.writeUInt32LE(section.link, 0x28);
    entry.writeUInt32LE(section.info, 0x2c);
    entry.writeBigUInt64LE(8n, 0x30);
    entry.writeBigUInt64LE(BigInt(section.entryBytes), 0x38);
    table.push(entry);
    const padded = Buffer.concat([section.content, Buffer.alloc(-section.content.length & 7)]);
    parts.push(padded);
    offset += padded.length;
  });
  header.writeBigUInt64LE(BigInt(offset), 0x28);
  header.writeUInt16LE(64, 0x3a);
  header.writeUInt16LE(table.length, 0x3c);
  header.writeUInt16LE(table.length - 1, 0x3e);
  return Buffer.concat([...parts, ...table, Buffer.from('~Module signature appended~\n')]);
}
