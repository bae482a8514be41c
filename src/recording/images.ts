import type { Images } from '../machine/linux.ts';
import type { PlainData } from '../state/plain-data.ts';
import { StateReader } from '../state/state-reader.ts';

const VERSION = 1;
/** Guest memory ends there, and images are placed in it. */
const IMAGE_MAXIMUM_BYTES = 4 * 1024 ** 3;
const ARGUMENTS_MAXIMUM = 65_536;

export function imagesToPlainData({ kernel, initrd, bios, bootArguments }: Images): PlainData {
  return {
    version: VERSION,
    kernel: kernel ?? null,
    initrd: initrd ?? null,
    bios: bios ?? null,
    bootArguments: bootArguments ?? null,
  };
}

/** Throws GodwitError('damaged'). */
export function imagesFromPlainData(data: PlainData): Images {
  const reader = StateReader.part('a recording, what the machine boots from', data, VERSION, [
    'kernel',
    'initrd',
    'bios',
    'bootArguments',
  ]);
  const bytes = (name: string) => (reader.raw(name) === null ? undefined : reader.bytes(name, IMAGE_MAXIMUM_BYTES));
  const kernel = bytes('kernel');
  const initrd = bytes('initrd');
  const bios = bytes('bios');
  const bootArguments = reader.raw('bootArguments');
  const isText = typeof bootArguments === 'string' && bootArguments.length <= ARGUMENTS_MAXIMUM;
  reader.require(bootArguments === null || isText, 'the command line is no text');
  return {
    ...(kernel && { kernel }),
    ...(initrd && { initrd }),
    ...(bios && { bios }),
    ...(isText && { bootArguments }),
  };
}
