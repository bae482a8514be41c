/**
 * The names of what a hart can do, as `riscv,isa` and `riscv,isa-extensions` have them (unprivileged spec, "ISA
 * Extension Naming Conventions", and Linux' Documentation/arch/riscv/uabi.rst).
 */
import { GodwitError } from '../../common/errors.ts';

const ALWAYS: readonly string[] = [
  ...['i', 'm', 'a', 'f', 'd', 'c'],
  ...['zicbom', 'zicboz', 'zicntr', 'zicond', 'zicsr', 'zifencei', 'zihintpause', 'zba', 'zbb', 'zbs'],
  ...['sstc', 'svinval'],
];

/**
 * Extensions of godwit's harts. Svadu without Svade: A and D bits of page tables are set from reset on (Linux'
 * Documentation/devicetree/bindings/riscv/extensions.yaml).
 */
export const HART_EXTENSIONS: readonly string[] = [...ALWAYS, 'svadu'];

/** Of harts that never set A and D bits. */
export const SVADE_EXTENSIONS: readonly string[] = [...ALWAYS, 'svade'];

const CANONICAL_LETTERS = 'imafdqlcbkjtpvh';
const NAME = /^([a-z]|[zsx][a-z0-9]+)$/;

/** Sorted canonically: letters, then Z* by the letter that follows and the alphabet, S* and X* by the alphabet. */
export function canonicalExtensions(extensions: readonly string[]): string[] {
  for (const name of extensions) {
    if (!NAME.test(name) || (name.length === 1 && !CANONICAL_LETTERS.includes(name))) {
      throw new GodwitError('usage', `"${name}" is not the name of a RISC-V extension.`);
    }
  }
  return [...new Set(extensions)].sort((a, b) => {
    const [left, right] = [sortKey(a), sortKey(b)];
    return left < right ? -1 : left > right ? 1 : 0;
  });
}

function sortKey(name: string): string {
  if (name.length === 1) return `0${letterKey(name)}`;
  if (name.startsWith('z')) return `1${letterKey(name[1]!)}${name}`;
  return `${name.startsWith('s') ? 2 : 3}${name}`;
}

function letterKey(letter: string): string {
  const index = CANONICAL_LETTERS.indexOf(letter);
  return String.fromCharCode(0x41 + (index < 0 ? CANONICAL_LETTERS.length : index));
}

/** For example "rv64imafdc_zicsr_zifencei_sstc". */
export function isaString(extensions: readonly string[]): string {
  const canonical = canonicalExtensions(extensions);
  const letters = canonical.filter((name) => name.length === 1).join('');
  return [`rv64${letters}`, ...canonical.filter((name) => name.length > 1)].join('_');
}
