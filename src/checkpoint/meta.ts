import { GodwitError } from '../common/errors.ts';
import type { BootFileUse, FilePin } from '../common/file-pin.ts';
import type { PlainData } from '../state/plain-data.ts';
import { StateReader } from '../state/state-reader.ts';
import { PAGE_BYTES } from './pages/layout.ts';

export type { BootFileUse, FilePin } from '../common/file-pin.ts';

/** An image that a disk of the machine was at. It does not change any more. */
export interface CheckpointDisk {
  /** Relative to the folder of all checkpoints, as in "<id>/disk0.qcow2", or absolute where it lies elsewhere. */
  readonly path: string;
  /** Of the image. */
  readonly format: 'raw' | 'qcow2';
  /** What the guest sees. */
  readonly sizeBytes: number;
  /** The guest cannot write it. */
  readonly readonly: boolean;
  /** The images under it, the nearest first; written like `path`. */
  readonly backing: readonly string[];
}

/** A file outside of the store that the checkpoint rests on. */
export interface CheckpointRest {
  /** Absolute. */
  readonly path: string;
  /** A disk's image, one under it, or what the machine boots from when it resets itself. */
  readonly use: 'disk' | 'base' | BootFileUse;
  /** kept: nobody is to write it, and its mode says so. pinned: it is looked at again when it is needed. */
  readonly how: 'kept' | 'pinned';
  /** How it was. */
  readonly pin: FilePin;
}

/** What a checkpoint says of itself. */
export interface CheckpointMeta {
  /** 16 hexadecimal digits. */
  readonly id: string;
  /** The name that it was given; null: none. */
  readonly name: string | null;
  /** The checkpoint that the machine had before, as it was when this one was made. */
  readonly parent: string | null;
  /** The checkpoint that has the pages which this one does not; null: it has all. */
  readonly base: string | null;
  /** Milliseconds since 1970, of the host. */
  readonly createdAtMs: number;
  /** What wrote it: "godwit 0.1.0". */
  readonly tool: string;
  /** The board version of the machine (machine/board-versions.ts); null where its state names none. */
  readonly board: string | null;
  /** Guest RAM. */
  readonly memoryBytes: number;
  /** The hart whose turn it was, and where it was. */
  readonly point: { readonly hart: number; readonly branches: bigint; readonly pc: bigint };
  /** @internal Whatever else is needed to make the machine anew. */
  readonly machine: PlainData;
  /** In the order of the machine's own. */
  readonly disks: readonly CheckpointDisk[];
  /** Unknown for checkpoints that were made before this was written down. */
  readonly rests?: readonly CheckpointRest[];
}

const VERSION = 1;
/** What is optional for readers ends so. */
const RESTS = 'rests?';
const MAXIMUM_RESTS = 8192;
const MAXIMUM_CHECKSUM = 0xffff_ffff;
const MAXIMUM_TEXT = 4096;
const MAXIMUM_DISKS = 64;
const MAXIMUM_HARTS = 4096;
const MAXIMUM_BACKING = 1024;
const ID = /^[0-9a-f]{16}$/;
const NAME = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,63}$/;

export function isCheckpointId(text: string): boolean {
  return ID.test(text);
}

/** Throws GodwitError('usage'). */
export function assertCheckpointName(name: string): void {
  if (!NAME.test(name)) {
    throw new GodwitError('usage', `"${name}" cannot be the name of a checkpoint.`, {
      hint: 'A name has up to 64 of A-Z a-z 0-9 . _ - and begins with none of . and -',
    });
  }
  if (isCheckpointId(name)) {
    throw new GodwitError('usage', `"${name}" cannot be the name of a checkpoint: it looks like an id.`);
  }
}

export function metaToPlainData(meta: CheckpointMeta): PlainData {
  const { point, disks, rests, ...rest } = meta;
  return {
    version: VERSION,
    ...rest,
    point: { hart: point.hart, branches: point.branches, pc: point.pc },
    disks: disks.map(({ path, format, sizeBytes, readonly, backing }) => {
      return { path, format, sizeBytes, readonly, backing: [...backing] };
    }),
    ...(rests && { [RESTS]: rests.map(({ path, use, how, pin }) => ({ path, use, how, pin: { ...pin } })) }),
  };
}

/** Throws GodwitError 'damaged' and 'unsupported'. */
export function metaFromPlainData(what: string, data: PlainData): CheckpointMeta {
  const reader = StateReader.part(what, data, VERSION, [
    'id',
    'name',
    'parent',
    'base',
    'createdAtMs',
    'tool',
    'board',
    'memoryBytes',
    'point',
    'machine',
    'disks',
    RESTS,
  ]);
  const point = new StateReader(what, reader.raw('point'), ['hart', 'branches', 'pc']);
  const name = optionalText(reader, 'name');
  reader.require(name === null || (NAME.test(name) && !ID.test(name)), 'the field "name" is no name');
  const memoryBytes = reader.integer('memoryBytes', 2 ** 42);
  reader.require(memoryBytes % PAGE_BYTES === 0, 'the field "memoryBytes" is not whole pages');
  return {
    id: idOf(reader, 'id'),
    name,
    parent: optionalId(reader, 'parent'),
    base: optionalId(reader, 'base'),
    createdAtMs: reader.integer('createdAtMs', Number.MAX_SAFE_INTEGER),
    tool: textOf(reader, 'tool'),
    board: optionalText(reader, 'board'),
    memoryBytes,
    point: { hart: point.integer('hart', MAXIMUM_HARTS - 1), branches: point.u64('branches'), pc: point.u64('pc') },
    machine: reader.raw('machine'),
    disks: reader.list('disks', 0, MAXIMUM_DISKS).map((disk) => diskFromPlainData(what, disk)),
    ...(reader.has(RESTS) && {
      rests: reader.list(RESTS, 0, MAXIMUM_RESTS).map((rest) => restFromPlainData(what, rest)),
    }),
  };
}

function restFromPlainData(what: string, data: PlainData): CheckpointRest {
  const reader = new StateReader(`a file that ${what} rests on`, data, ['path', 'use', 'how', 'pin']);
  const pin = new StateReader(`a file that ${what} rests on`, reader.raw('pin'), [
    'sizeBytes',
    'modifiedUs',
    'checksum',
    'isWhole',
  ]);
  return {
    path: textOf(reader, 'path'),
    use: reader.word('use', ['disk', 'base', 'kernel', 'initrd', 'firmware']),
    how: reader.word('how', ['kept', 'pinned']),
    pin: {
      sizeBytes: pin.integer('sizeBytes', Number.MAX_SAFE_INTEGER),
      modifiedUs: pin.integer('modifiedUs', Number.MAX_SAFE_INTEGER),
      checksum: pin.raw('checksum') === null ? null : pin.integer('checksum', MAXIMUM_CHECKSUM),
      isWhole: pin.flag('isWhole'),
    },
  };
}

function diskFromPlainData(what: string, data: PlainData): CheckpointDisk {
  const reader = new StateReader(`a disk in ${what}`, data, ['path', 'format', 'sizeBytes', 'readonly', 'backing']);
  return {
    path: textOf(reader, 'path'),
    format: reader.word('format', ['raw', 'qcow2']),
    sizeBytes: reader.integer('sizeBytes', Number.MAX_SAFE_INTEGER),
    readonly: reader.flag('readonly'),
    backing: reader.list('backing', 0, MAXIMUM_BACKING).map((path) => {
      reader.require(typeof path === 'string' && isText(path), 'the field "backing" has something other than paths');
      return path as string;
    }),
  };
}

function isText(text: string): boolean {
  return text.length > 0 && text.length <= MAXIMUM_TEXT && !text.includes('\0');
}

function textOf(reader: StateReader, field: string): string {
  const value = reader.raw(field);
  reader.require(typeof value === 'string' && isText(value), `the field "${field}" is no text`);
  return value as string;
}

function optionalText(reader: StateReader, field: string): string | null {
  return reader.raw(field) === null ? null : textOf(reader, field);
}

function idOf(reader: StateReader, field: string): string {
  const id = textOf(reader, field);
  reader.require(isCheckpointId(id), `the field "${field}" is no id`);
  return id;
}

function optionalId(reader: StateReader, field: string): string | null {
  return reader.raw(field) === null ? null : idOf(reader, field);
}
