import type { ProfileConfiguration } from '../../api/options.ts';
import { isElf } from '../../common/elf/elf-file.ts';
import { readBootImage } from '../../machine/boot/images.ts';
import type { MachineCore } from '../../machine/core.ts';
import type { Images } from '../../machine/linux.ts';
import { RAM_BASE } from '../../memory/layout.ts';
import type { AppendFile } from '../../platform/files.ts';
import { platform } from '../../platform/platform.ts';
import {
  type GuestSymbol,
  readElfSymbols,
  readKallsyms,
  readSystemMap,
  Sampler,
  SymbolTable,
  speedscopeFile,
} from '../../profile/index.ts';
import type { MachineFiles } from './machine-files.ts';

/** Linux lies in the first memory of the board. */
const KERNEL_REACH_BYTES = 128 * 1024 ** 2;

/** Profiles a machine from now to its end, and writes the file then. */
export class ProfileRecorder {
  private readonly path: string;
  private readonly file: AppendFile;
  private readonly core: MachineCore;
  private readonly files: MachineFiles;
  private readonly given: readonly GuestSymbol[];
  private readonly sampler: Sampler;

  private constructor(parts: {
    path: string;
    file: AppendFile;
    core: MachineCore;
    files: MachineFiles;
    given: readonly GuestSymbol[];
  }) {
    this.path = parts.path;
    this.file = parts.file;
    this.core = parts.core;
    this.files = parts.files;
    this.given = parts.given;
    this.sampler = new Sampler(parts.core, platform().clock);
  }

  /** Opens what is written at the end, so that a mistake shows at once. Throws GodwitError. */
  static async start(
    { path, symbols }: ProfileConfiguration,
    core: MachineCore,
    files: MachineFiles,
  ): Promise<ProfileRecorder> {
    const given: GuestSymbol[] = [];
    for (const { path: source, bias } of symbols) given.push(...(await readSymbols(source, bias)));
    const file = await platform().files.openAppend(path, { replace: true, isShared: true, what: 'the profile' });
    return new ProfileRecorder({ path, file, core, files, given });
  }

  /** Writes the profile, before the machine's memory is given back. Throws GodwitError, with no file left. */
  async finish(): Promise<void> {
    this.sampler.stop();
    try {
      await this.file.append(new TextEncoder().encode(JSON.stringify(this.profile())));
    } catch (error) {
      await this.remove();
      throw error;
    } finally {
      await this.file.close();
    }
  }

  /** A part of a profile is of no use. */
  private async remove(): Promise<void> {
    const { files } = platform();
    if ((await files.look(this.path))?.kind === 'file') await files.removeFile(this.path);
  }

  private profile(): object {
    const user = new SymbolTable(this.given);
    const kernel = new SymbolTable([...this.given, ...imageSymbols(this.core, this.files.read())]);
    return speedscopeFile('godwit', this.sampler.samples, { kernel, user });
  }
}

async function readSymbols(path: string, bias: bigint): Promise<GuestSymbol[]> {
  const file = await platform().files.read(path, { what: 'the symbols' });
  if (isElf(file)) return readElfSymbols(file, bias);
  return readSystemMap(new TextDecoder('latin1').decode(file)).map(({ name, address }) => ({
    name,
    address: address + bias,
  }));
}

/** Of the kernel's and the firmware's files, or what Linux has in its memory. */
function imageSymbols(core: MachineCore, { kernel, bios }: Images): GuestSymbol[] {
  const files = [kernel, bios].filter((file) => file !== undefined);
  const own = files.flatMap((file) => readElfSymbols(readBootImage('The image', file, core.ram.sizeBytes).file));
  if (own.length > 0) return own;
  const memory = core.ram.copyOut(BigInt(RAM_BASE), Math.min(core.ram.sizeBytes, KERNEL_REACH_BYTES));
  return memory ? readKallsyms(memory) : [];
}
