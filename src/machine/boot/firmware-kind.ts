/** What firmware does when it is done. */
import { type BootImage, readBootImage } from './images.ts';

/** As OpenSBI prints it. */
const BANNER = Array.from('OpenSBI v', (character) => character.charCodeAt(0));
/** OpenSBI with a payload has it at this distance from its start; without one it ends before. */
const PAYLOAD_OFFSET = 0x20_0000;

/**
 * Whether firmware does nothing but start a kernel that is given beside it: OpenSBI without a payload. `bios` may be
 * any file. Throws GodwitError for one that cannot be started.
 */
export function onlyStartsKernel(bios: Uint8Array, memoryBytes: number): boolean {
  const image = readBootImage('The firmware', bios, memoryBytes);
  return sizeOf(image) <= PAYLOAD_OFFSET && contains(image.file, BANNER);
}

function sizeOf(image: BootImage): number {
  if (image.kind !== 'elf') return image.file.length;
  const [first] = image.segments;
  const last = image.segments.at(-1)!;
  return Number(last.address + BigInt(last.bytes.length) - first!.address);
}

function contains(file: Uint8Array, text: readonly number[]): boolean {
  for (let at = file.indexOf(text[0]!); at >= 0; at = file.indexOf(text[0]!, at + 1)) {
    if (text.every((byte, index) => file[at + index] === byte)) return true;
  }
  return false;
}
