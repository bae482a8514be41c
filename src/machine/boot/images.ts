/** What a kernel or firmware file holds. */
import { isElf } from '../../common/elf/elf-file.ts';
import { GodwitError } from '../../common/errors.ts';
import { type ElfProgram, readElf } from './elf-program.ts';
import { refuseForeignFormat } from './foreign-formats.ts';
import { gunzip } from './gunzip.ts';
import { isLinuxImage, type LinuxImage, readLinuxImage } from './linux-image.ts';

export type BootImage =
  | ({ readonly kind: 'linux'; readonly file: Uint8Array } & LinuxImage)
  | ({ readonly kind: 'elf'; readonly file: Uint8Array } & ElfProgram)
  /** Instructions from the first byte on. */
  | { readonly kind: 'raw'; readonly file: Uint8Array };

/**
 * Recognizes and checks a file. `what` names it in messages, such as "The kernel"; one that is compressed with gzip is
 * unpacked, up to `limitBytes`. Throws GodwitError: 'damaged' for files that are cut short or contradict themselves,
 * 'unsupported' for other machines and formats, 'limit' for what is too long.
 */
export function readBootImage(what: string, file: Uint8Array, limitBytes: number): BootImage {
  if (file.length === 0) throw new GodwitError('damaged', `${what} is an empty file.`);
  const unpacked = file[0] === 0x1f && file[1] === 0x8b ? gunzip(what, file, limitBytes) : file;
  if (isElf(unpacked)) return { kind: 'elf', file: unpacked, ...readElf(what, unpacked) };
  if (isLinuxImage(unpacked)) return { kind: 'linux', file: unpacked, ...readLinuxImage(what, unpacked) };
  refuseForeignFormat(what, unpacked);
  return { kind: 'raw', file: unpacked };
}
