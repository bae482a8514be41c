/** What a machine is made of, as a person says it, and the checks of that. */

import { parseByteSize } from '../common/byte-size.ts';
import { GodwitError } from '../common/errors.ts';
import type { BootFile } from '../common/file-pin.ts';
import {
  anyText,
  bytes,
  choice,
  either,
  flag,
  inWords,
  kindOf,
  list,
  number,
  object,
  optional,
  type Schema,
  text,
  wholeNumber,
} from '../common/schema.ts';
import { OPTIMIZATION_NAMES, type Optimization, optimizationsWithout } from '../execute/jit/options.ts';
import { CURRENT_BOARD, disksMaximum } from '../machine/board-versions.ts';
import { TRANSLATION_DEFAULTS, type TranslationOptions } from '../machine/engine.ts';
import type { ConsolePort } from '../machine/events.ts';
import { CONTINUE_FIELDS, type ContinueOptions, type RestoreOptions } from './checkpoint.ts';
import { machineSeed } from './seed.ts';
import { checkShares, SHARE_OPTIONS } from './shares.ts';
import { TERMINAL_SIZE, type TerminalSize } from './terminal.ts';
import { parseTraceFilter, type TraceFilter } from './trace/filter.ts';

export type { ConsolePort };

/** A file by its path, or its content. */
export type ImageSource = string | Uint8Array;

/** A disk of a machine: a virtio block device (virtio 1.2, 5.2). */
export interface DiskOptions {
  /** A raw or qcow2 image. It is locked while the machine has it. */
  readonly path: string;
  /** The guest cannot write it, and other machines may read it at the same time. Default false. */
  readonly readonly?: boolean;
  /** Found out from the content when not given. Name it for raw images whose content a guest decides. */
  readonly format?: 'raw' | 'qcow2';
  /** Up to 20 printable ASCII characters, which the guest reads by VIRTIO_BLK_T_GET_ID (virtio 1.2, 5.2.6). */
  readonly serial?: string;
}

export { TERMINAL_SIZE, type TerminalSize };

/** A folder of the host that the guest works in, as a 9P file system over virtio (virtio 1.2, 5.11). */
export interface ShareOptions {
  /** The folder. */
  readonly path: string;
  /**
   * Where godwit's guests mount it, and the mount tag for others: an absolute path. Default: /mnt/ and the folder's
   * name.
   */
  readonly mount?: string;
  /** The guest changes nothing in it. Default false. */
  readonly readonly?: boolean;
  /**
   * The folder is there, with the same files, wherever the machine goes on from a checkpoint: without it the machine
   * cannot be checkpointed. Default false.
   */
  readonly common?: boolean;
}

/** What a machine is made of. It needs a kernel or firmware; all else has a default. */
export interface MachineOptions {
  /** Linux `Image`, ELF or raw instructions, the first two also gzipped; started in S-mode over the built-in SBI. */
  readonly kernel?: ImageSource;
  /** Initial RAM disk, handed to the kernel through the device tree. */
  readonly initrd?: ImageSource;
  /** M-mode firmware, started in place of the built-in SBI (privileged spec 3.1). */
  readonly bios?: ImageSource;
  /** The kernel's command line. Default: `console=` with the console's port. */
  readonly append?: string;
  /** Guest RAM: bytes as a number, or a text such as "512M". Whole MiB, up to 3 GiB. Default 512 MiB. */
  readonly memory?: number | string;
  /** Virtio block devices: /dev/vda, /dev/vdb, ... Up to 6. */
  readonly disks?: readonly DiskOptions[];
  /** Folders of this computer that the guest works in. With the disks, up to as many as there can be disks. */
  readonly shares?: readonly ShareOptions[];
  /** Which of the board's consoles `machine.console` is: the 16550 UART (default) or virtio. Linux: ttyS0, hvc0. */
  readonly consolePort?: ConsolePort;
  /** Size of the virtio console to begin with. Default 80 by 24. */
  readonly terminal?: TerminalSize;
  /**
   * It has a port for the agent in its guest, which `exec` and `copyIn` need. Default: true, unless its disks take all
   * the room that there is.
   */
  readonly agent?: boolean;
  /** All random numbers of the machine follow from it: 32 bytes, 64 hexadecimal digits, or any text. Default: fresh. */
  readonly seed?: string | Uint8Array;
  /**
   * Text of each instruction that is executed goes to the 'trace' listeners; slow. A filter such as
   * "0x80200000-0x80201000" or "csr*,ecall" picks some (docstring of `parseTraceFilter`); "" means all.
   */
  readonly trace?: string;
  /**
   * Where the guest spends its time goes to this file when the machine ends, for https://www.speedscope.app: by symbol
   * and tier. Names are the kernel's own, where it is an ELF file or Linux.
   */
  readonly profile?: string;
  /** More names for a profile: ELF files, System.map. "program@0x2aaaaaa000" is one whose addresses start there. */
  readonly symbols?: readonly string[];
  /**
   * `jit` (default) translates what runs often into WebAssembly functions, `interpreter` nothing. The guest can't tell.
   */
  readonly engine?: EngineName;
  /** Code is translated when control came to it so often: 1 to 65535. Default 2500. */
  readonly jitThreshold?: number;
  /**
   * So many threads the machine and its forks are spread over: 1 to 16. Default: as many as the computer has
   * processors.
   */
  readonly threads?: number;
  /** A reset that the guest asks for ends the machine as a power-off does. Default false: it boots again. */
  readonly noReboot?: boolean;
  /** Optimisations to leave out, to measure them or to look for a mistake in them. docs/ENGINE.md explains them. */
  readonly without?: readonly Optimization[];
}

export { OPTIMIZATION_NAMES, type Optimization, type TranslationOptions };
/** What executes the guest: the interpreter with translated code beside it, or the interpreter alone. */
export type EngineName = 'jit' | 'interpreter';
export const ENGINES: readonly EngineName[] = ['jit', 'interpreter'];

export interface DiskConfiguration {
  readonly path: string;
  readonly readonly: boolean;
  readonly format?: 'raw' | 'qcow2';
  readonly serial: string;
}

export interface ShareConfiguration {
  readonly path: string;
  readonly mount: string;
  readonly readonly: boolean;
  readonly common: boolean;
}

/** Checked options, as plain data that can be sent to the machine's thread. */
export interface MachineConfiguration {
  readonly kernel?: ImageSource;
  readonly initrd?: ImageSource;
  readonly bios?: ImageSource;
  readonly bootArguments?: string;
  readonly memoryBytes: number;
  readonly disks: readonly DiskConfiguration[];
  /** Left out: none. */
  readonly sharedFolders?: readonly ShareConfiguration[];
  readonly consolePort: ConsolePort;
  readonly terminal: TerminalSize;
  readonly seed: Uint8Array;
  readonly trace?: TraceFilter;
  readonly translation: TranslationOptions;
  readonly profile?: ProfileConfiguration;
  /** For a new machine: it has a port for an agent. */
  readonly hasAgent?: boolean;
  /** How the files were that it booted from, where it has booted. */
  readonly bootFiles?: readonly BootFile[];
  /** A reset by the guest ends it. */
  readonly endsAtReset?: boolean;
}

export interface ProfileConfiguration {
  readonly path: string;
  /** Files with names, and what their addresses are raised by. */
  readonly symbols: readonly { readonly path: string; readonly bias: bigint }[];
}

/** A machine that goes on from a checkpoint, as plain data that can be sent to its thread. */
export interface RestoreConfiguration extends Required<ContinueOptions> {
  /** A name, an id, or the beginning of one. */
  readonly checkpoint: string;
  readonly store?: string;
  readonly diskFolder?: string;
  readonly translation: TranslationOptions;
}

const MIB = 1024 ** 2;
const DEFAULT_MEMORY_BYTES = 512 * MIB;
const MEMORY_LIMIT_BYTES = 3 * 1024 ** 3;
const DISKS_LIMIT = disksMaximum(CURRENT_BOARD);
const DEFAULT_TERMINAL: TerminalSize = { columns: 80, rows: 24 };
/** More would hardly be used by the machines of one memory. */
export const THREADS_LIMIT = 16;

const IMAGE: Schema<ImageSource> = either(text(), bytes(), 'a path, or the content of a file as a Uint8Array');

export const DISK_OPTIONS: Schema<DiskOptions> = object({
  // Where it is missing, too.
  path: inWords(text(), () => 'A disk needs the path of its image'),
  readonly: optional(flag()),
  format: optional(inWords(choice('raw', 'qcow2'), (value) => `There is no disk format ${kindOf(value)}`)),
  serial: optional(anyText()),
});

/** What is said of how a machine executes. Bounds are checked where they have words of their own. */
const ENGINE_FIELDS = {
  engine: optional(anyText() as Schema<EngineName>),
  jitThreshold: optional(number(-Number.MAX_VALUE, Number.MAX_VALUE)),
  threads: optional(wholeNumber(1, THREADS_LIMIT)),
  without: optional(list(anyText() as Schema<Optimization>)),
};

const MACHINE_OPTIONS: Schema<MachineOptions> = object({
  kernel: optional(IMAGE),
  initrd: optional(IMAGE),
  bios: optional(IMAGE),
  append: optional(anyText()),
  memory: optional(either(number(0, Number.MAX_VALUE), text(), 'a number of bytes, or a text such as "512M"')),
  disks: optional(list(DISK_OPTIONS)),
  shares: optional(list(SHARE_OPTIONS)),
  consolePort: optional(inWords(choice('uart', 'virtio'), (value) => `There is no console ${kindOf(value)}`)),
  terminal: optional(TERMINAL_SIZE),
  agent: optional(flag()),
  seed: optional(either(anyText(), bytes(), 'a text, or 32 bytes as a Uint8Array')),
  trace: optional(anyText()),
  profile: optional(text()),
  symbols: optional(list(text())),
  noReboot: optional(flag()),
  ...ENGINE_FIELDS,
});

function refuse(message: string, hint?: string): never {
  throw new GodwitError('usage', message, hint === undefined ? {} : { hint });
}

/** Each for itself. Throws GodwitError('usage'), which names the option. */
export function parseMachineOptions(options: unknown): MachineOptions {
  return MACHINE_OPTIONS.parse(options, 'options');
}

/**
 * Checks options without opening anything. Throws GodwitError: 'usage' for what makes no sense, 'limit' for more than a
 * machine can have.
 */
export async function configureMachine(given: MachineOptions): Promise<MachineConfiguration> {
  const options = parseMachineOptions(given);
  const images = checkImages(options);
  const { consolePort = 'uart' } = options;
  const bootArguments = checkAppend(options, consolePort);
  return {
    ...images,
    ...(bootArguments === undefined ? {} : { bootArguments }),
    memoryBytes: checkMemory(options.memory ?? DEFAULT_MEMORY_BYTES),
    disks: checkDisks(options.disks ?? []),
    sharedFolders: checkShares(options.shares ?? [], DISKS_LIMIT - (options.disks ?? []).length),
    consolePort,
    terminal: options.terminal ?? DEFAULT_TERMINAL,
    seed: await machineSeed(options.seed),
    ...(options.trace === undefined ? {} : { trace: parseTraceFilter(options.trace) }),
    translation: checkEngine(options),
    ...checkProfile(options),
    hasAgent: checkAgent(options),
    ...(options.noReboot ? { endsAtReset: true } : {}),
  };
}

export type RestoreMachineOptions = RestoreOptions &
  Pick<MachineOptions, 'engine' | 'jitThreshold' | 'without' | 'threads'>;

export const RESTORE_OPTIONS: Schema<RestoreMachineOptions> = object({
  ...CONTINUE_FIELDS,
  store: optional(text()),
  diskFolder: optional(text()),
  ...ENGINE_FIELDS,
});

/** Checks the options of a restore without opening anything. Throws GodwitError('usage'). */
export function configureRestore(checkpoint: string, options: RestoreMachineOptions): RestoreConfiguration {
  const parsed = RESTORE_OPTIONS.parse(options, 'options');
  const { identity = 'fresh', clock = 'follow', store, diskFolder } = parsed;
  return {
    checkpoint: text().parse(checkpoint, 'checkpoint'),
    identity,
    clock,
    ...(store !== undefined && { store }),
    ...(diskFolder !== undefined && { diskFolder }),
    translation: checkEngine(parsed),
  };
}

function checkImages({
  kernel,
  initrd,
  bios,
}: MachineOptions): Pick<MachineConfiguration, 'kernel' | 'initrd' | 'bios'> {
  const images = { kernel, initrd, bios };
  const given: Partial<Record<keyof typeof images, ImageSource>> = {};
  for (const name of ['kernel', 'initrd', 'bios'] as const) {
    const source = images[name];
    if (source !== undefined) given[name] = source;
  }
  if (given.kernel === undefined && given.bios === undefined) {
    refuse('A machine needs a kernel or firmware to run.', 'Give the option "kernel" or "bios".');
  }
  if (given.initrd !== undefined && given.kernel === undefined) refuse('An initrd is of no use without a kernel.');
  return given;
}

function checkAppend({ append, kernel }: MachineOptions, port: ConsolePort): string | undefined {
  if (append === undefined) return kernel === undefined ? undefined : `console=${port === 'uart' ? 'ttyS0' : 'hvc0'}`;
  if (/[\0\n\r]/.test(append)) refuse("The kernel's command line is one line of text.");
  return append;
}

function checkMemory(memory: number | string): number {
  const bytes = typeof memory === 'string' ? parseByteSize("A machine's memory", memory) : memory;
  if (!Number.isSafeInteger(bytes) || bytes < MIB || bytes % MIB !== 0) {
    refuse(`A machine's memory is a whole number of MiB, not ${memory}.`, 'Write 512M, or the number of bytes.');
  }
  if (bytes > MEMORY_LIMIT_BYTES) {
    throw new GodwitError('limit', `A machine can have 3 GiB of memory, not ${memory}.`, {
      hint: 'WebAssembly addresses 4 GiB, which guest memory and translated code share.',
    });
  }
  return bytes;
}

/** Visits of a place are counted in 16 bits. */
const THRESHOLD_LIMIT = 0xffff;

/** Throws GodwitError('usage') for an engine that there is not. */
export function checkEngine({
  engine = 'jit',
  jitThreshold,
  without = [],
}: Pick<MachineOptions, 'engine' | 'jitThreshold' | 'without'>): TranslationOptions {
  if (!ENGINES.includes(engine)) refuse(`There is no engine "${engine}".`, `There are: ${ENGINES.join(', ')}.`);
  const threshold = jitThreshold ?? TRANSLATION_DEFAULTS.threshold;
  if (!Number.isInteger(threshold) || threshold < 1 || threshold > THRESHOLD_LIMIT) {
    refuse(`Code is translated after 1 to ${THRESHOLD_LIMIT} visits, not ${threshold}.`);
  }
  const unknown = without.find((name) => !OPTIMIZATION_NAMES.includes(name));
  if (unknown !== undefined) {
    refuse(`There is no optimisation "${unknown}".`, `There are: ${OPTIMIZATION_NAMES.join(', ')}.`);
  }
  return { enabled: engine === 'jit', threshold, optimizations: optimizationsWithout(without) };
}

function checkProfile({ profile, symbols = [], trace }: MachineOptions): { profile?: ProfileConfiguration } {
  if (profile === undefined) {
    if (symbols.length > 0) refuse('Symbols are of use only with a profile.');
    return {};
  }
  if (trace !== undefined) refuse('A machine that is traced cannot be profiled: tracing takes all the time.');
  return { profile: { path: profile, symbols: symbols.map(parseSymbols) } };
}

function parseSymbols(text: string): ProfileConfiguration['symbols'][number] {
  const [, path, bias] = /^(.*?)(?:@(0x[0-9a-fA-F]{1,16}))?$/s.exec(text)!;
  return { path: path!, bias: BigInt(bias ?? 0) };
}

function checkAgent({ agent, disks = [], shares = [] }: MachineOptions): boolean {
  const devices = disks.length + shares.length;
  const hasRoom = devices <= disksMaximum(CURRENT_BOARD, true);
  if (agent && !hasRoom) {
    throw new GodwitError(
      'limit',
      `A machine with ${devices} disks and shared folders has no room for its agent's port.`,
    );
  }
  return agent ?? hasRoom;
}

function checkDisks(disks: readonly DiskOptions[]): DiskConfiguration[] {
  if (disks.length > DISKS_LIMIT) {
    throw new GodwitError('limit', `A machine can have ${DISKS_LIMIT} disks, not ${disks.length}.`);
  }
  return disks.map(checkDisk);
}

function checkDisk(disk: DiskOptions, index: number): DiskConfiguration {
  const { path, readonly = false, format, serial = `godwit-${index}` } = disk;
  if (!/^[\x20-\x7e]{0,20}$/.test(serial)) {
    refuse(`A disk's serial number has up to 20 printable ASCII characters, not "${serial}".`);
  }
  return { path, readonly, serial, ...(format === undefined ? {} : { format }) };
}
