import { readFile } from 'node:fs/promises';
import type { ImageSource, MachineConfiguration } from '../../api/options.ts';
import { hostError } from './host-error.ts';

export interface Images {
  readonly kernel?: Uint8Array;
  readonly initrd?: Uint8Array;
  readonly bios?: Uint8Array;
}

/** Reads the files that a machine boots from. Throws GodwitError. */
export async function readImages({ kernel, initrd, bios }: MachineConfiguration): Promise<Images> {
  const [kernelBytes, initrdBytes, biosBytes] = await Promise.all([
    readImage('the kernel', kernel),
    readImage('the initrd', initrd),
    readImage('the firmware', bios),
  ]);
  return {
    ...(kernelBytes && { kernel: kernelBytes }),
    ...(initrdBytes && { initrd: initrdBytes }),
    ...(biosBytes && { bios: biosBytes }),
  };
}

async function readImage(what: string, source: ImageSource | undefined): Promise<Uint8Array | undefined> {
  if (typeof source !== 'string') return source;
  return await readFile(source).catch((error: unknown) => {
    throw hostError(error, `read ${what} ${source}`);
  });
}
