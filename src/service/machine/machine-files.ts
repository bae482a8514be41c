import type { ImageSource, MachineConfiguration } from '../../api/options.ts';
import { GodwitError } from '../../common/errors.ts';
import type { BootFile } from '../../common/file-pin.ts';
import { onlyStartsKernel } from '../../machine/boot/firmware-kind.ts';
import type { Images } from '../../machine/linux.ts';
import type { FileSource } from '../../platform/files.ts';
import { platform } from '../../platform/platform.ts';
import { pinLook } from '../checkpoint/file-pins.ts';

const KINDS = { kernel: 'the kernel', initrd: 'the initrd', bios: 'the firmware' } as const;
type Kind = keyof typeof KINDS;
const LIMIT_BYTES = 2 ** 31 - 1;
const WASM_PAGE_BYTES = 65_536;

/** The part of a machine's configuration that says what it boots from. */
export type BootConfiguration = Pick<MachineConfiguration, Kind | 'bootArguments'>;

/** What can be read as often as one likes, and is the same each time. */
interface Image {
  read(): Uint8Array;
  close(): void;
}

/**
 * The files that a machine boots from. They stay open and are read again when the guest resets itself, so that nobody
 * has to keep tens of megabytes for that; a file that is replaced meanwhile stays what it was. One that is written to
 * ends the machine at its next reset: it would not be the same machine.
 */
export class MachineFiles {
  /** Those that have a path, as they were before they were opened. */
  readonly bootFiles: BootFile[] = [];
  private readonly images: Map<Kind, Image>;
  private readonly bootArguments: string | undefined;

  private constructor(images: Map<Kind, Image>, bootArguments: string | undefined) {
    this.images = images;
    this.bootArguments = bootArguments;
  }

  /** Throws GodwitError, with nothing left open. */
  static async open(configuration: BootConfiguration): Promise<MachineFiles> {
    const images = new Map<Kind, Image>();
    const files = new MachineFiles(images, configuration.bootArguments);
    try {
      for (const kind of Object.keys(KINDS) as Kind[]) {
        const source = configuration[kind];
        if (source === undefined) continue;
        if (typeof source === 'string') files.bootFiles.push(await bootFileOf(kind, source));
        images.set(kind, await openImage(KINDS[kind], source));
      }
    } catch (error) {
      files.close();
      throw error;
    }
    return files;
  }

  /** Throws GodwitError for a file that is not what it was. */
  read(): Images {
    const images: Partial<Record<Kind, Uint8Array>> = {};
    for (const [kind, image] of this.images) images[kind] = image.read();
    const { bootArguments } = this;
    return { ...images, ...(bootArguments !== undefined && { bootArguments }) };
  }

  close(): void {
    for (const image of this.images.values()) image.close();
    this.images.clear();
  }
}

/**
 * Whether this firmware does nothing without a kernel beside it. A pipe is not asked: it gives what it has only once.
 * Throws GodwitError for what cannot be read or is no firmware.
 */
export async function firmwareNeedsKernel(bios: string, memoryBytes: number): Promise<boolean> {
  if ((await platform().files.look(bios))?.kind !== 'file') return false;
  const files = await MachineFiles.open({ bios });
  try {
    return onlyStartsKernel(files.read().bios!, memoryBytes);
  } finally {
    files.close();
  }
}

async function bootFileOf(kind: Kind, path: string): Promise<BootFile> {
  return { path: platform().files.absolute(path), use: kind === 'bios' ? 'firmware' : kind, pin: await pinLook(path) };
}

async function openImage(what: string, source: ImageSource): Promise<Image> {
  if (typeof source !== 'string') return content(source);
  return new FileImage(await platform().files.openSource(source, { what }));
}

function content(bytes: Uint8Array): Image {
  return { read: () => bytes, close: () => {} };
}

/**
 * Memory for something large that is soon given back, from the system and not from the C library: glibc takes the size
 * of what it gives back for the usual one, and from then on keeps so much free memory in each thread's arena.
 */
function transientBytes(sizeBytes: number): Uint8Array {
  const pages = Math.ceil(sizeBytes / WASM_PAGE_BYTES);
  return new Uint8Array(new WebAssembly.Memory({ initial: pages, maximum: pages }).buffer, 0, sizeBytes);
}

class FileImage implements Image {
  private readonly source: FileSource;

  constructor(source: FileSource) {
    this.source = source;
  }

  read(): Uint8Array {
    const { name, sizeBytes } = this.source;
    if (sizeBytes > LIMIT_BYTES) throw new GodwitError('limit', `Cannot read ${name}: it has more than 2 GiB.`);
    const bytes = transientBytes(sizeBytes);
    try {
      this.source.read(0, bytes);
    } catch (error) {
      if (!this.source.isChanged()) throw error;
    }
    if (this.source.isChanged()) {
      throw new GodwitError('state', `The machine cannot be started again: somebody wrote to ${name}.`, {
        hint: 'Replace a file that a machine boots from, and leave the old one as it was.',
      });
    }
    return bytes;
  }

  close(): void {
    this.source.close();
  }
}
