/**
 * Linux' own kernel format for RISC-V (Documentation/arch/riscv/boot-image-header.rst). Little-endian.
 *
 *   offset   size   field
 *   0        8      code0, code1: executable; "MZ" first when the image is also an EFI program
 *   8        8      text_offset: where to load, from the start of RAM
 *   16       8      image_size: memory that the kernel takes, with what it clears itself
 *   24       8      flags: bit 0 big-endian
 *   32       4      version
 *   48       8      magic "RISCV", deprecated
 *   56       4      magic2 "RSC\x05"
 */
import { GodwitError } from '../../common/errors.ts';

export const LINUX_HEADER_BYTES = 64;
const TEXT_OFFSET = 8;
const IMAGE_SIZE = 16;
const FLAGS = 24;
const MAGIC2 = 56;
const MAGIC2_VALUE = 0x05435352;
const FLAG_BIG_ENDIAN = 1n;

/** The kernel maps itself in pages of this size, so that is how it must be aligned. */
export const LINUX_ALIGNMENT_BYTES = 0x20_0000;
/** COMMAND_LINE_SIZE of RISC-V Linux, with the zero at its end. What is longer is cut off in silence. */
export const LINUX_COMMAND_LINE_BYTES = 1024;

export interface LinuxImage {
  /** From the start of RAM, as the header has it. */
  readonly textOffset: bigint;
  /** Memory that the kernel takes, at least the file's length. */
  readonly imageBytes: bigint;
}

export function isLinuxImage(file: Uint8Array): boolean {
  return file.length >= LINUX_HEADER_BYTES && viewOf(file).getUint32(MAGIC2, true) === MAGIC2_VALUE;
}

/** Reads the header of a file for which {@link isLinuxImage} holds. `what` names the file in messages. */
export function readLinuxImage(what: string, file: Uint8Array): LinuxImage {
  const view = viewOf(file);
  if (view.getBigUint64(FLAGS, true) & FLAG_BIG_ENDIAN) {
    throw new GodwitError('unsupported', `${what} is a big-endian Linux kernel; godwit's harts are little-endian.`);
  }
  const imageSize = view.getBigUint64(IMAGE_SIZE, true);
  const fileBytes = BigInt(file.length);
  return {
    textOffset: view.getBigUint64(TEXT_OFFSET, true),
    imageBytes: imageSize > fileBytes ? imageSize : fileBytes,
  };
}

function viewOf(file: Uint8Array): DataView {
  return new DataView(file.buffer, file.byteOffset, file.length);
}
