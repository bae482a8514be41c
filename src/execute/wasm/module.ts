import { invariant } from '../../common/invariant.ts';
import { ByteWriter } from './bytes.ts';
import { type Callable, FunctionBuilder, type FunctionType, type Local } from './function.ts';
import { VALUE_TYPE_CODE, type ValueType } from './value.ts';

interface Signature {
  readonly parameters: readonly ValueType[];
  readonly result: ValueType | undefined;
}

interface Import {
  readonly module: string;
  readonly callable: Callable;
}

type LocalsOf<P extends readonly ValueType[]> = { [K in keyof P]: Local<P[K]> };

export interface Declared<P extends readonly ValueType[], R extends ValueType | undefined> extends Callable {
  readonly parameters: P;
  readonly result: R;
}

/**
 * Builds one WebAssembly module (core spec 5.5). Declare imports first, then functions; a function can be called before
 * its body is defined. The memory is always imported, as "env" "memory".
 */
export class ModuleBuilder {
  private readonly signatures: Signature[] = [];
  private readonly imports: Import[] = [];
  private readonly functions: { callable: Callable; code: ByteWriter | undefined }[] = [];
  private readonly exports: { name: string; index: number }[] = [];
  private tableImported = false;
  private readonly memory: { initialPages: number; maximumPages: number; shared: boolean };

  constructor(memory: { initialPages: number; maximumPages: number; shared: boolean }) {
    this.memory = memory;
  }

  import<const P extends readonly ValueType[], const R extends ValueType | undefined>(
    module: string,
    name: string,
    parameters: P,
    result: R,
  ): Declared<P, R> {
    invariant(this.functions.length === 0, `imports come before functions: ${name}`);
    const callable = { name, index: this.imports.length, parameters, result };
    this.imports.push({ module, callable });
    return callable;
  }

  declare<const P extends readonly ValueType[], const R extends ValueType | undefined>(
    name: string,
    parameters: P,
    result: R,
  ): Declared<P, R> {
    const callable = { name, index: this.imports.length + this.functions.length, parameters, result };
    this.functions.push({ callable, code: undefined });
    return callable;
  }

  /** Gives a declared function its body. */
  define<P extends readonly ValueType[]>(
    callable: { readonly index: number; readonly parameters: P },
    build: (f: FunctionBuilder, ...parameters: LocalsOf<P>) => void,
  ): void {
    const f = new FunctionBuilder(callable.parameters);
    const parameters = callable.parameters.map((type, position) => f.parameter(position, type));
    build(f, ...(parameters as unknown as LocalsOf<P>));
    const declared = this.functions[callable.index - this.imports.length];
    invariant(declared?.code === undefined && declared, `a declared function is defined once: ${callable.index}`);
    declared.code = f.finish();
  }

  function<const P extends readonly ValueType[], const R extends ValueType | undefined>(
    name: string,
    parameters: P,
    result: R,
    build: (f: FunctionBuilder, ...parameters: LocalsOf<P>) => void,
  ): Declared<P, R> {
    const callable = this.declare(name, parameters, result);
    this.define(callable, build);
    return callable;
  }

  /** The module imports a table of functions, as "env" "table". */
  importTable(): void {
    this.tableImported = true;
  }

  /** A function type, for calls through the table. */
  type<T extends ValueType>(parameters: readonly ValueType[], result: T): FunctionType<T> {
    return { index: this.signatureIndex({ parameters, result }), result };
  }

  export(callable: Callable, name = callable.name): void {
    this.exports.push({ name, index: callable.index });
  }

  private signatureIndex({ parameters, result }: Signature): number {
    const same = (s: Signature) =>
      s.result === result &&
      s.parameters.length === parameters.length &&
      s.parameters.every((p, i) => p === parameters[i]);
    const found = this.signatures.findIndex(same);
    if (found >= 0) return found;
    this.signatures.push({ parameters, result });
    return this.signatures.length - 1;
  }

  finish(): Uint8Array<ArrayBuffer> {
    const importTypes = this.imports.map((entry) => this.signatureIndex(entry.callable));
    const functionTypes = this.functions.map((entry) => this.signatureIndex(entry.callable));
    const out = new ByteWriter();
    out.bytes([0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00]);
    section(out, 1, this.signatures, (entry, s) => writeSignature(entry, s));
    this.writeImports(out, importTypes);
    section(out, 3, functionTypes, (entry, type) => entry.u32(type));
    section(out, 7, this.exports, (entry, e) => {
      entry.name(e.name);
      entry.u8(0x00);
      entry.u32(e.index);
    });
    section(out, 10, this.functions, (entry, { callable, code }) => {
      invariant(code, `a declared function has a body: ${callable.name}`);
      entry.u32(code.length);
      entry.append(code);
    });
    this.writeNames(out);
    return out.finish().slice();
  }

  private writeImports(out: ByteWriter, types: readonly number[]): void {
    const section2 = new ByteWriter();
    section2.u32(this.imports.length + (this.tableImported ? 2 : 1));
    this.imports.forEach(({ module, callable }, i) => {
      section2.name(module);
      section2.name(callable.name);
      section2.u8(0x00);
      section2.u32(types[i]!);
    });
    section2.name('env');
    section2.name('memory');
    section2.u8(0x02);
    section2.u8(this.memory.shared ? 0x03 : 0x01);
    section2.u32(this.memory.initialPages);
    section2.u32(this.memory.maximumPages);
    if (this.tableImported) {
      section2.name('env');
      section2.name('table');
      section2.bytes([0x01, 0x70, 0x00, 0x00]); // funcref, any size
    }
    out.u8(2);
    out.u32(section2.length);
    out.append(section2);
  }

  /** The name section, so that profilers and listings show which function is which. */
  private writeNames(out: ByteWriter): void {
    const all = [...this.imports.map((entry) => entry.callable), ...this.functions.map((entry) => entry.callable)];
    const names = new ByteWriter();
    names.u32(all.length);
    for (const { index, name } of all) {
      names.u32(index);
      names.name(name);
    }
    const custom = new ByteWriter();
    custom.name('name');
    custom.u8(1);
    custom.u32(names.length);
    custom.append(names);
    out.u8(0);
    out.u32(custom.length);
    out.append(custom);
  }
}

function writeSignature(out: ByteWriter, { parameters, result }: Signature): void {
  out.u8(0x60);
  out.u32(parameters.length);
  for (const type of parameters) out.u8(VALUE_TYPE_CODE[type]);
  out.u32(result ? 1 : 0);
  if (result) out.u8(VALUE_TYPE_CODE[result]);
}

function section<T>(
  out: ByteWriter,
  id: number,
  entries: readonly T[],
  write: (out: ByteWriter, entry: T) => void,
): void {
  const content = new ByteWriter();
  content.u32(entries.length);
  for (const entry of entries) write(content, entry);
  out.u8(id);
  out.u32(content.length);
  out.append(content);
}
