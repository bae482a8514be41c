import { GodwitError } from '../common/errors.ts';
import { boardVersionNamed } from '../machine/board-versions.ts';
import type { ConsolePort } from '../machine/events.ts';
import type { ExecutionPoint } from '../machine/execution-point.ts';
import { madeByNewer } from '../state/format-errors.ts';
import type { PlainData } from '../state/plain-data.ts';
import { hasField, isOptional, StateReader } from '../state/state-reader.ts';
import { REGISTER_NAMES } from './registers.ts';

/** A disk of a machine that is recorded. */
export interface RecordedDisk {
  /** What the guest sees. */
  readonly sizeBytes: number;
  /** The guest cannot write it. */
  readonly readonly: boolean;
  /** What the guest reads as the disk's serial number. */
  readonly serial: string;
}

/** A folder of the host that the machine has. A replay needs none: the recording has what was read. */
export interface RecordedShare {
  /** What the guest mounts it by. */
  readonly tag: string;
}

/** The machine that is recorded, as far as a replay has to make it anew. */
export interface RecordedMachine {
  /** Guest RAM. */
  readonly memoryBytes: number;
  /** In the order of the machine's own. */
  readonly disks: readonly RecordedDisk[];
  /** In the order of the machine's own. Left out: none. */
  readonly shares?: readonly RecordedShare[];
  /** The console that people look at. */
  readonly consolePort: ConsolePort;
}

/** Where a recording begins. */
export interface RecordedStart extends RecordedMachine {
  /** What wrote it: "godwit 0.1.0". */
  readonly tool: string;
  /** Milliseconds since 1970, of the host. */
  readonly epochMs: number;
  /** The board version (machine/board-versions.ts). */
  readonly board: string;
  /** Of the registers in the digests, in their order. */
  readonly registerNames: readonly string[];
  /** Where the machine was. */
  readonly point: ExecutionPoint;
  /** Guest time, in ticks of 100 ns. */
  readonly ticks: bigint;
  /** How many the guest had executed by then. */
  readonly instructionsRetired: bigint;
  /** @internal What MachineCore.save() gives. */
  readonly state: PlainData;
}

const VERSION = 1;
const MACHINE_FIELDS = ['memoryBytes', 'disks', 'consolePort'];
/** Only of machines with some: what others are saved as stays as it was. */
const SHARES = 'shares';
const FIELDS = ['tool', 'epochMs', 'board', 'registerNames', 'point', 'ticks', 'instructionsRetired', 'state'];
const MEMORY_MAXIMUM = 4 * 1024 ** 3;
const DISKS_MAXIMUM = 64;
const SHARES_MAXIMUM = 64;
const HARTS_MAXIMUM = 4096;
const TEXT_MAXIMUM = 256;

export function startToPlainData(start: RecordedStart): PlainData {
  const { point, disks, shares = [], registerNames, ...rest } = start;
  return {
    version: VERSION,
    ...rest,
    registerNames: registerNames.join(' '),
    point: { ...point },
    disks: disks.map(({ sizeBytes, readonly, serial }) => ({ sizeBytes, readonly, serial })),
    ...(shares.length > 0 && { [SHARES]: shares.map(({ tag }) => ({ tag })) }),
  };
}

/** Throws GodwitError('damaged'). */
export function startFromPlainData(data: PlainData): RecordedStart {
  const fields = [...FIELDS, ...MACHINE_FIELDS, ...(hasField(data, SHARES) ? [SHARES] : [])];
  const reader = StateReader.part('a recording, its start', data, VERSION, fields);
  const memoryBytes = reader.integer('memoryBytes', MEMORY_MAXIMUM);
  reader.require(memoryBytes > 0 && memoryBytes % 1024 ** 2 === 0, 'the memory is not whole MiB');
  return {
    tool: text(reader, 'tool'),
    epochMs: reader.integer('epochMs', Number.MAX_SAFE_INTEGER),
    board: boardVersionNamed('A recording', text(reader, 'board')).name,
    registerNames: registerNamesFrom(reader.text('registerNames')),
    memoryBytes,
    disks: reader.list('disks', 0, DISKS_MAXIMUM).map(diskFrom),
    shares: reader.has(SHARES) ? reader.list(SHARES, 0, SHARES_MAXIMUM).map(shareFrom) : [],
    consolePort: reader.word('consolePort', ['uart', 'virtio']),
    point: pointFrom(reader.raw('point')),
    ticks: reader.u64('ticks'),
    instructionsRetired: reader.u64('instructionsRetired'),
    state: reader.raw('state'),
  };
}

/** Those that this godwit has nothing to compare with are refused: a replay would not be a check. */
function registerNamesFrom(text: string): readonly string[] {
  if (text === REGISTER_NAMES.join(' ')) return REGISTER_NAMES;
  const names = text.split(' ');
  const unknown = names.find((name) => !REGISTER_NAMES.includes(name) && !isOptional(name));
  if (unknown === undefined) return names;
  throw madeByNewer('A recording', `it has the register "${unknown}", which this one does not know`);
}

export function pointFrom(data: PlainData): ExecutionPoint {
  const reader = new StateReader('an execution point', data, ['hart', 'branches', 'pc']);
  return { hart: reader.integer('hart', HARTS_MAXIMUM - 1), branches: reader.u64('branches'), pc: reader.u64('pc') };
}

function diskFrom(data: PlainData): RecordedDisk {
  const reader = new StateReader('a recorded disk', data, ['sizeBytes', 'readonly', 'serial']);
  const serial = text(reader, 'serial');
  reader.require(/^[\x20-\x7e]{0,20}$/.test(serial), 'the serial number is none');
  return {
    sizeBytes: reader.integer('sizeBytes', Number.MAX_SAFE_INTEGER),
    readonly: reader.flag('readonly'),
    serial,
  };
}

function shareFrom(data: PlainData): RecordedShare {
  const tag = text(new StateReader('a recorded folder', data, ['tag']), 'tag');
  if (/^[\x21-\x7e]+$/.test(tag)) return { tag };
  throw new GodwitError('damaged', 'The start of the recording is damaged: a mount tag is none.');
}

function text(reader: StateReader, field: string): string {
  const value = reader.raw(field);
  if (typeof value === 'string' && value.length <= TEXT_MAXIMUM) return value;
  throw new GodwitError('damaged', `The start of the recording is damaged: the field "${field}" is no text.`);
}
