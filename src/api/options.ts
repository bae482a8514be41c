/** What a machine is made of, as a person says it, and the checks of that. */

import { parseByteSize } from '../common/byte-size.ts';
import { GodwitError } from '../common/errors.ts';
import type { BootFile } from '../common/file-pin.ts';
import { OPTIMIZATION_NAMES, type Optimization, optimizationsWithout } from '../execute/jit/options.ts';
import { CURRENT_BOARD, disksMaximum } from '../machine/board-versions.ts';
import { TRANSLATION_DEFAULTS, type TranslationOptions } from '../machine/engine.ts';
import type { ConsolePort } from '../machine/events.ts';
import { CONTINUE_FIELDS, type ContinueOptions, type RestoreOptions } from './checkpoint.ts';
import { flag, object, optional, text } from './schema.ts';
import { machineSeed } from './seed.ts';
import { checkShares } from './shares.ts';
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
const NO_REBOOT = optional(flag());
const KNOWN: readonly (keyof MachineOptions)[] = [
  'kernel',
  'initrd',
  'bios',
  'append',
  'memory',
  'disks',
  'shares',
  'consolePort',
  'terminal',
  'agent',
  'seed',
  'trace',
  'profile',
  'symbols',
  'engine',
  'jitThreshold',
  'without',
  'threads',
  'noReboot',
];

function refuse(message: string, hint?: string): never {
  throw new GodwitError('usage', message, hint === undefined ? {} : { hint });
}

/**
 * Checks options without opening anything. Throws GodwitError: 'usage' for what makes no sense, 'limit' for more than a
 * machine can have.
 */
export async function configureMachine(options: MachineOptions): Promise<MachineConfiguration> {
  if (typeof options !== 'object' || options === null) refuse('A machine needs options, such as { kernel: "Image" }.');
  const unknown = Object.keys(options).find((name) => !KNOWN.includes(name as keyof MachineOptions));
  if (unknown !== undefined) refuse(`A machine has no option "${unknown}".`, `There are: ${KNOWN.join(', ')}.`);
  const images = checkImages(options);
  const consolePort = checkConsolePort(options.consolePort ?? 'uart');
  const bootArguments = checkAppend(options, consolePort);
  return {
    ...images,
    ...(bootArguments === undefined ? {} : { bootArguments }),
    memoryBytes: checkMemory(options.memory ?? DEFAULT_MEMORY_BYTES),
    disks: checkDisks(options.disks ?? []),
    sharedFolders: checkShares(options.shares ?? [], DISKS_LIMIT - (options.disks ?? []).length),
    consolePort,
    terminal: checkTerminal(options.terminal ?? DEFAULT_TERMINAL),
    seed: await machineSeed(options.seed),
    ...(options.trace === undefined ? {} : { trace: parseTraceFilter(options.trace) }),
    translation: checkEngine(options),
    ...checkProfile(options),
    hasAgent: checkAgent(options),
    ...(NO_REBOOT.parse(options.noReboot, 'noReboot') ? { endsAtReset: true } : {}),
  };
}

/** What a restore takes that is no matter of the engine. */
const RESTORE_OPTIONS = object({ ...CONTINUE_FIELDS, store: optional(text()), diskFolder: optional(text()) });

/** Checks the options of a restore without opening anything. Throws GodwitError('usage'). */
export function configureRestore(
  checkpoint: string,
  options: RestoreOptions & Pick<MachineOptions, 'engine' | 'jitThreshold' | 'without' | 'threads'>,
): RestoreConfiguration {
  if (typeof checkpoint !== 'string' || checkpoint === '') refuse('A checkpoint is named by its name or its id.');
  if (typeof options !== 'object' || options === null) refuse('The options of a restore are an object.');
  const { engine, jitThreshold, without, threads, ...rest } = options;
  const { identity = 'fresh', clock = 'follow', store, diskFolder } = RESTORE_OPTIONS.parse(rest, 'restore');
  checkThreads(options);
  return {
    checkpoint,
    identity,
    clock,
    ...(store !== undefined && { store }),
    ...(diskFolder !== undefined && { diskFolder }),
    translation: checkEngine(options),
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
    if (source === undefined) continue;
    const usable = source instanceof Uint8Array || (typeof source === 'string' && source !== '');
    if (!usable) refuse(`The option "${name}" is a path or the content of a file.`);
    given[name] = source;
  }
  if (given.kernel === undefined && given.bios === undefined) {
    refuse('A machine needs a kernel or firmware to run.', 'Give the option "kernel" or "bios".');
  }
  if (given.initrd !== undefined && given.kernel === undefined) refuse('An initrd is of no use without a kernel.');
  return given;
}

function checkConsolePort(port: ConsolePort): ConsolePort {
  if (port !== 'uart' && port !== 'virtio') refuse(`There is no console "${port}".`, 'There are "uart" and "virtio".');
  return port;
}

function checkAppend({ append, kernel }: MachineOptions, port: ConsolePort): string | undefined {
  if (append === undefined) return kernel === undefined ? undefined : `console=${port === 'uart' ? 'ttyS0' : 'hvc0'}`;
  if (typeof append !== 'string' || /[\0\n\r]/.test(append)) refuse("The kernel's command line is one line of text.");
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

/** More would hardly be used by the machines of one memory. */
export const THREADS_LIMIT = 16;

/** Throws GodwitError('usage'). Undefined: as the platform does by itself. */
export function checkThreads({ threads }: Pick<MachineOptions, 'threads'>): number | undefined {
  if (threads === undefined || (Number.isInteger(threads) && threads >= 1 && threads <= THREADS_LIMIT)) return threads;
  refuse(`Machines run in 1 to ${THREADS_LIMIT} threads, not ${threads}.`);
}

/** Visits of a place are counted in 16 bits. */
const THRESHOLD_LIMIT = 0xffff;

/** Throws GodwitError('usage') for an engine that there is not. */
export function checkEngine({ engine = 'jit', jitThreshold, without = [] }: MachineOptions): TranslationOptions {
  if (!ENGINES.includes(engine)) refuse(`There is no engine "${engine}".`, `There are: ${ENGINES.join(', ')}.`);
  const threshold = jitThreshold ?? TRANSLATION_DEFAULTS.threshold;
  if (!Number.isInteger(threshold) || threshold < 1 || threshold > THRESHOLD_LIMIT) {
    refuse(`Code is translated after 1 to ${THRESHOLD_LIMIT} visits, not ${threshold}.`);
  }
  if (!Array.isArray(without)) refuse('The option "without" is a list.');
  const unknown = without.find((name) => !OPTIMIZATION_NAMES.includes(name));
  if (unknown !== undefined) {
    refuse(`There is no optimisation "${unknown}".`, `There are: ${OPTIMIZATION_NAMES.join(', ')}.`);
  }
  return { enabled: engine === 'jit', threshold, optimizations: optimizationsWithout(without) };
}

function checkProfile({ profile, symbols = [], trace }: MachineOptions): { profile?: ProfileConfiguration } {
  if (!Array.isArray(symbols)) refuse('The option "symbols" is a list.');
  if (profile === undefined) {
    if (symbols.length > 0) refuse('Symbols are of use only with a profile.');
    return {};
  }
  if (typeof profile !== 'string' || profile === '') refuse('The option "profile" is the path of a file.');
  if (trace !== undefined) refuse('A machine that is traced cannot be profiled: tracing takes all the time.');
  return { profile: { path: profile, symbols: symbols.map(parseSymbols) } };
}

function parseSymbols(text: string): ProfileConfiguration['symbols'][number] {
  if (typeof text !== 'string' || text === '') refuse('Symbols are in a file: "program", or "program@0x2aaaaaa000".');
  const [, path, bias] = /^(.*?)(?:@(0x[0-9a-fA-F]{1,16}))?$/s.exec(text)!;
  return { path: path!, bias: BigInt(bias ?? 0) };
}

function checkAgent({ agent, disks = [], shares = [] }: MachineOptions): boolean {
  if (agent !== undefined && typeof agent !== 'boolean') refuse('The option "agent" is true or false.');
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
  if (!Array.isArray(disks)) refuse('The option "disks" is a list.');
  if (disks.length > DISKS_LIMIT) {
    throw new GodwitError('limit', `A machine can have ${DISKS_LIMIT} disks, not ${disks.length}.`);
  }
  return disks.map(checkDisk);
}

function checkDisk(disk: DiskOptions, index: number): DiskConfiguration {
  const { path, readonly = false, format, serial = `godwit-${index}` } = disk;
  if (typeof path !== 'string' || path === '') refuse('A disk needs the path of its image.');
  if (typeof readonly !== 'boolean') refuse(`Whether the disk ${path} is readonly is true or false.`);
  if (format !== undefined && format !== 'raw' && format !== 'qcow2') {
    refuse(`There is no disk format "${format}".`, 'There are "raw" and "qcow2".');
  }
  if (!/^[\x20-\x7e]{0,20}$/.test(serial)) {
    refuse(`A disk's serial number has up to 20 printable ASCII characters, not "${serial}".`);
  }
  return { path, readonly, serial, ...(format === undefined ? {} : { format }) };
}

/** Also for changes while the machine runs. */
export function checkTerminal({ columns, rows }: TerminalSize): TerminalSize {
  for (const size of [columns, rows]) {
    if (!Number.isInteger(size) || size < 0 || size > 0xffff) {
      refuse(`A terminal cannot have ${columns} columns and ${rows} rows.`);
    }
  }
  return { columns, rows };
}
