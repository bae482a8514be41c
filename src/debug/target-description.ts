import { REGISTER_SETS, type Register } from './registers.ts';

const TYPES: Readonly<Record<Register['kind'], string>> = {
  integer: 'int',
  code: 'code_ptr',
  data: 'data_ptr',
  float: 'riscv_double',
};

/** Both formats that a floating-point register holds. */
const FLOAT_UNION =
  '<union id="riscv_double"><field name="float" type="ieee_single"/><field name="double" type="ieee_double"/></union>';

function describe({ name, number, kind }: Register, feature: string): string {
  const group = feature.endsWith('.csr') ? ' group="csr"' : '';
  return `<reg name="${name}" bitsize="64" regnum="${number}" type="${TYPES[kind]}"${group}/>`;
}

/** The hart's registers as a gdb target description (gdb manual, appendix G). */
export function targetDescription(): string {
  const features = REGISTER_SETS.map(({ feature, registers }) => {
    const types = registers.some(({ kind }) => kind === 'float') ? FLOAT_UNION : '';
    const lines = registers.map((register) => describe(register, feature));
    return `<feature name="${feature}">\n${types}${lines.join('\n')}\n</feature>\n`;
  });
  const head = '<?xml version="1.0"?>\n<!DOCTYPE target SYSTEM "gdb-target.dtd">\n';
  return `${head}<target>\n<architecture>riscv:rv64</architecture>\n${features.join('')}</target>\n`;
}
