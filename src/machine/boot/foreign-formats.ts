/** Files that people mean to boot and that are something else. Telling them beats running them as raw instructions. */
import { GodwitError } from '../../common/errors.ts';

interface ForeignFormat {
  readonly offset: number;
  readonly magic: readonly number[];
  readonly is: string;
  readonly hint?: string;
}

const UNPACK = 'Unpack it first.';

const FORMATS: readonly ForeignFormat[] = [
  { offset: 0, magic: ascii('\xfd7zXZ\0'), is: 'compressed with xz', hint: `${UNPACK} (xz -dc)` },
  { offset: 0, magic: [0x28, 0xb5, 0x2f, 0xfd], is: 'compressed with zstd', hint: `${UNPACK} (zstd -dc)` },
  { offset: 0, magic: ascii('BZh'), is: 'compressed with bzip2', hint: `${UNPACK} (bzip2 -dc)` },
  { offset: 0, magic: [0x02, 0x21, 0x4c, 0x18], is: 'compressed with lz4', hint: `${UNPACK} (lz4 -dc)` },
  { offset: 0, magic: [0x04, 0x22, 0x4d, 0x18], is: 'compressed with lz4', hint: `${UNPACK} (lz4 -dc)` },
  {
    offset: 4,
    magic: ascii('zimg'),
    is: 'a compressed EFI kernel (vmlinuz.efi)',
    hint: 'Use the uncompressed Image of the same kernel.',
  },
  { offset: 56, magic: ascii('ARM\x64'), is: 'a Linux kernel for 64-bit ARM' },
  { offset: 0x202, magic: ascii('HdrS'), is: 'a Linux kernel for x86' },
  { offset: 0, magic: [0x27, 0x05, 0x19, 0x56], is: 'a U-Boot image (uImage)', hint: 'Use the kernel that is in it.' },
  {
    offset: 0,
    magic: [0xd0, 0x0d, 0xfe, 0xed],
    is: 'a device tree or FIT image',
    hint: 'Use the kernel that is in it.',
  },
  { offset: 0, magic: ascii('QFI\xfb'), is: 'a qcow2 disk', hint: 'Give it as a disk.' },
  { offset: 0, magic: ascii('070701'), is: 'a cpio archive', hint: 'Give it as the initrd.' },
  {
    offset: 0,
    magic: ascii('!<arch>\n'),
    is: 'an ar archive or Debian package',
    hint: 'Use the kernel that is in it.',
  },
  { offset: 0, magic: ascii('#!'), is: 'a script' },
  { offset: 0, magic: [0xff, 0xfe], is: 'a text' },
];

/** PE machine types (PE format, "Machine Types"). */
const PE_MACHINES: ReadonlyMap<number, string> = new Map([
  [0x14c, '32-bit x86'],
  [0x8664, 'x86-64'],
  [0xaa64, '64-bit ARM'],
  [0x1c0, '32-bit ARM'],
  [0x1c2, '32-bit ARM'],
  [0x5032, '32-bit RISC-V'],
  [0x5064, '64-bit RISC-V'],
]);

/** Throws GodwitError('unsupported') for a file that is known not to be instructions. `what` names it in messages. */
export function refuseForeignFormat(what: string, file: Uint8Array): void {
  for (const { offset, magic, is, hint } of FORMATS) {
    if (!magic.every((byte, index) => file[offset + index] === byte)) continue;
    throw new GodwitError('unsupported', `${what} is ${is}.`, hint === undefined ? {} : { hint });
  }
  if (isText(file)) throw new GodwitError('unsupported', `${what} is a text, not instructions.`);
  const machine = peMachine(file);
  if (machine !== undefined) {
    const name = PE_MACHINES.get(machine) ?? `an unknown processor (PE machine 0x${machine.toString(16)})`;
    throw new GodwitError(
      'unsupported',
      `${what} is an EFI program for ${name}, not a kernel that can be started as it is.`,
    );
  }
}

const LOOKED_AT_BYTES = 4096;
/** UTF-8 without control characters that no text has; the last character may be cut. */
const TEXT =
  /^(?:[\t\n\f\r\x20-\x7e]|[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3})+(?:[\xc2-\xf4][\x80-\xbf]{0,2})?$/;

/** Code that is all of it printable is not to be met by chance: the commonest opcodes and small numbers are not. */
function isText(file: Uint8Array): boolean {
  return TEXT.test(String.fromCharCode(...file.subarray(0, LOOKED_AT_BYTES)));
}

/** The machine of a PE file: "MZ" at 0, at 0x3c the offset of "PE\0\0", behind which it stands. */
function peMachine(file: Uint8Array): number | undefined {
  if (file.length < 0x40 || file[0] !== 0x4d || file[1] !== 0x5a) return undefined;
  const view = new DataView(file.buffer, file.byteOffset, file.length);
  const at = view.getUint32(0x3c, true);
  if (at + 6 > file.length || view.getUint32(at, false) !== 0x50450000) return undefined;
  return view.getUint16(at + 4, true);
}

function ascii(text: string): number[] {
  return Array.from(text, (character) => character.charCodeAt(0));
}
