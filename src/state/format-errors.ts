import { GodwitError } from '../common/errors.ts';

/**
 * What is said of saved data that is sound and that this godwit does not read. What is broken is
 * GodwitError('damaged'), of which each reader has its own.
 */
export function madeByNewer(what: string, because: string): GodwitError {
  return new GodwitError('unsupported', `${what} was made by a newer godwit: ${because}.`, {
    hint: 'Update this godwit.',
  });
}

export function madeByOlder(what: string, version: number): GodwitError {
  return new GodwitError(
    'unsupported',
    `${what} was made by an older godwit (format ${version}), which this one does not read.`,
    { hint: 'Use the godwit that made it, or make it anew.' },
  );
}

/** Throws for every version but `known`. */
export function requireVersion(what: string, found: number, known: number): void {
  if (found > known) throw madeByNewer(what, `it has format ${found}, and this one reads format ${known}`);
  if (found < known) throw madeByOlder(what, found);
}

/** `kindName` is what was expected, such as "checkpoint", and `bytes` how the file begins. */
export function madeByOthers(what: string, kindName: string, bytes: Uint8Array): GodwitError {
  const is = foreignFormat(bytes);
  return new GodwitError(
    'unsupported',
    `${what} is not a ${kindName} of godwit${is === undefined ? '' : `, but ${is}`}.`,
  );
}

const FORMATS: readonly (readonly [magic: string, is: string])[] = [
  ['QEVM', 'the state of a QEMU machine'],
  ['QFI\xfb', 'a qcow2 disk'],
  ['\x1f\x8b', 'a file compressed with gzip'],
  ['\xfd7zXZ\0', 'a file compressed with xz'],
  ['\x28\xb5\x2f\xfd', 'a file compressed with zstd'],
  ['PK\x03\x04', 'a zip archive'],
  ['\x7fELF', 'an ELF file'],
  ['\xd0\x0d\xfe\xed', 'a device tree'],
];
const TEXT = /^[\t\n\r\x20-\x7e]+$/;

/** What a file that begins so is, as far as people are likely to take it for another. */
function foreignFormat(bytes: Uint8Array): string | undefined {
  const begin = String.fromCharCode(...bytes.subarray(0, 64));
  if (begin === '') return 'an empty file';
  return FORMATS.find(([magic]) => begin.startsWith(magic))?.[1] ?? (TEXT.test(begin) ? 'a text' : undefined);
}
