/**
 * The log of a recording: entries one after the other, each with the execution point at which it happened.
 *
 *     u8      kind: ENTRY_*; with SAME_POINT, hart, branches and pc are those of the entry before
 *     varint  hart
 *     varint  branches since the entry before of that hart; for its first in a record, all
 *     u64     pc
 *     ...     what the kind says
 *
 * ENTRY_CLOCK: u64 ticks, u64 rate. ENTRY_INPUT: u8 port, block of bytes. ENTRY_BLOCK: varint disk, varint id, u8
 * status, and for a read that went well a block of bytes. ENTRY_SHARE: varint share, varint id, a block with the
 * answer. ENTRY_EVENT: a block with the event as plain data.
 * ENTRY_DIGEST: a block (digest-codec.ts). ENTRY_MARKER: u64 ticks, varint milliseconds since 1970. A kind that a
 * reader does not know is made by a newer godwit; from 0x40 on it has a block behind the point, and is passed over. A
 * block is a varint length and that many bytes.
 */

import type { ExternalEvent, InputPort } from '../machine/events.ts';
import type { ExecutionPoint } from '../machine/execution-point.ts';
import type { LoggedEvent } from '../run/replay-runner.ts';
import { madeByNewer } from '../state/format-errors.ts';
import type { PlainData } from '../state/plain-data.ts';
import { decodePlainData, encodePlainData } from '../state/plain-data-codec.ts';
import { StateReader } from '../state/state-reader.ts';
import { type ByteReader, ByteWriter } from './bytes.ts';

const ENTRY_CLOCK = 1;
const ENTRY_INPUT = 2;
const ENTRY_BLOCK = 3;
const ENTRY_EVENT = 4;
const ENTRY_DIGEST = 5;
const ENTRY_MARKER = 6;
const ENTRY_SHARE = 9;
/** Kinds from here on have one block behind the point, and are passed over by those who do not know them. */
const OPTIONAL = 0x40;
const SAME_POINT = 0x80;

const PORTS: readonly InputPort[] = ['uart', 'virtio', 'agent'];
const BLOCK_OK = 0;
const BLOCK_OK_DATA = 1;
const BLOCK_ERROR = 2;
const SEED_BYTES = 32;
const GENERATION_ID_BYTES = 16;

/** Guest time and wall-clock time at a point. */
export interface Marker {
  /** Guest time, in ticks of 100 ns. */
  readonly ticks: bigint;
  /** Milliseconds since 1970, of the host. */
  readonly epochMs: number;
}

export type Entry =
  | ({ readonly kind: 'event' } & LoggedEvent)
  | { readonly kind: 'digest'; readonly point: ExecutionPoint; readonly digest: Uint8Array }
  | { readonly kind: 'marker'; readonly point: ExecutionPoint; readonly marker: Marker };

/** How far each hart has come in a record. */
class BranchesOfHarts {
  private readonly counts = new Map<number, bigint>();

  clear(): void {
    this.counts.clear();
  }

  /** By how many branches its hart has come further. */
  advance({ hart, branches }: ExecutionPoint): number {
    const before = this.counts.get(hart) ?? 0n;
    this.counts.set(hart, branches);
    return Number(branches - before);
  }

  /** Where a hart is that has come further by so many branches. */
  add(hart: number, more: number): bigint {
    const branches = (this.counts.get(hart) ?? 0n) + BigInt(more);
    this.counts.set(hart, branches);
    return branches;
  }
}

/** Gathers entries until they are taken as the content of one record. */
export class EntryWriter {
  private readonly bytes = new ByteWriter();
  private last: ExecutionPoint | undefined;
  private readonly branches = new BranchesOfHarts();

  get length(): number {
    return this.bytes.length;
  }

  take(): Uint8Array {
    this.last = undefined;
    this.branches.clear();
    return this.bytes.take();
  }

  private begin(kind: number, point: ExecutionPoint): void {
    const { bytes, last } = this;
    this.last = point;
    if (last && last.hart === point.hart && last.branches === point.branches && last.pc === point.pc) {
      bytes.u8(kind | SAME_POINT);
      return;
    }
    bytes.u8(kind);
    bytes.varint(point.hart);
    bytes.varint(this.branches.advance(point));
    bytes.u64(point.pc);
  }

  event({ point, event }: LoggedEvent): void {
    const { bytes } = this;
    switch (event.kind) {
      case 'clock':
        this.begin(ENTRY_CLOCK, point);
        bytes.u64(event.ticks);
        bytes.u64(event.rate);
        break;
      case 'input':
        this.begin(ENTRY_INPUT, point);
        bytes.u8(PORTS.indexOf(event.port));
        bytes.block(event.bytes);
        break;
      case 'block':
        this.begin(ENTRY_BLOCK, point);
        this.block(event);
        break;
      case 'share':
        this.begin(ENTRY_SHARE, point);
        bytes.varint(event.share);
        bytes.varint(event.id);
        bytes.block(event.reply);
        break;
      default:
        this.begin(ENTRY_EVENT, point);
        bytes.block(encodePlainData({ ...event } as PlainData));
    }
  }

  private block({ disk, id, completion }: ExternalEvent & { kind: 'block' }): void {
    const { bytes } = this;
    bytes.varint(disk);
    bytes.varint(id);
    if (completion.status === 'error') {
      bytes.u8(BLOCK_ERROR);
      return;
    }
    const parts = completion.data;
    bytes.u8(parts ? BLOCK_OK_DATA : BLOCK_OK);
    if (!parts) return;
    bytes.varint(parts.reduce((sum, part) => sum + part.length, 0));
    for (const part of parts) bytes.raw(part);
  }

  digest(point: ExecutionPoint, digest: Uint8Array): void {
    this.begin(ENTRY_DIGEST, point);
    this.bytes.block(digest);
  }

  marker(point: ExecutionPoint, { ticks, epochMs }: Marker): void {
    this.begin(ENTRY_MARKER, point);
    this.bytes.u64(ticks);
    this.bytes.varint(epochMs);
  }
}

/**
 * The entries of one record. `reload` gives the content of the record again, later: what disks answered is not kept in
 * memory. Throws a RangeError or GodwitError('damaged') where the content makes no sense.
 */
export function* readEntries(reader: ByteReader, reload: () => Uint8Array): Generator<Entry> {
  let point: ExecutionPoint = { hart: 0, branches: 0n, pc: 0n };
  const counts = new BranchesOfHarts();
  while (!reader.atEnd) {
    const kind = reader.u8();
    if (!(kind & SAME_POINT)) {
      const hart = reader.varint();
      point = { hart, branches: counts.add(hart, reader.varint()), pc: reader.u64() };
    }
    if (kind & OPTIONAL) {
      reader.block();
      continue;
    }
    switch (kind & ~SAME_POINT) {
      case ENTRY_DIGEST:
        yield { kind: 'digest', point, digest: reader.block().slice() };
        break;
      case ENTRY_MARKER:
        yield { kind: 'marker', point, marker: { ticks: reader.u64(), epochMs: reader.varint() } };
        break;
      default:
        yield { kind: 'event', point, event: readEvent(kind & ~SAME_POINT, reader, reload) };
    }
  }
}

function readEvent(kind: number, reader: ByteReader, reload: () => Uint8Array): ExternalEvent {
  switch (kind) {
    case ENTRY_CLOCK:
      return { kind: 'clock', ticks: reader.u64(), rate: reader.u64() };
    case ENTRY_INPUT: {
      const port = PORTS[reader.u8()];
      if (port === undefined) throw new RangeError('there is input for a port that does not exist');
      return { kind: 'input', port, bytes: reader.block().slice() };
    }
    case ENTRY_BLOCK:
      return readBlock(reader, reload);
    case ENTRY_SHARE:
      return readShare(reader, reload);
    case ENTRY_EVENT:
      return eventFromPlainData(decodePlainData(reader.block(), 'an event'));
    default:
      throw madeByNewer('A recording', `it has an entry of the kind ${kind}, which this one does not know`);
  }
}

function readBlock(reader: ByteReader, reload: () => Uint8Array): ExternalEvent {
  const disk = reader.varint();
  const id = reader.varint();
  const status = reader.u8();
  if (status === BLOCK_ERROR) return { kind: 'block', disk, id, completion: { status: 'error' } };
  if (status === BLOCK_OK) return { kind: 'block', disk, id, completion: { status: 'ok' } };
  if (status !== BLOCK_OK_DATA) throw new RangeError('a disk answered in an unknown way');
  const data = passOver(reader, reload);
  return {
    kind: 'block',
    disk,
    id,
    get completion() {
      return { status: 'ok', data: [data()] } as const;
    },
  };
}

/** Bytes behind their length, which are read again whenever they are asked for. */
function passOver(reader: ByteReader, reload: () => Uint8Array): () => Uint8Array {
  const length = reader.varint();
  const start = reader.offset;
  reader.raw(length);
  return () => reload().subarray(start, start + length);
}

function readShare(reader: ByteReader, reload: () => Uint8Array): ExternalEvent {
  const share = reader.varint();
  const id = reader.varint();
  const reply = passOver(reader, reload);
  return {
    kind: 'share',
    share,
    id,
    get reply() {
      return reply();
    },
  };
}

function eventFromPlainData(data: PlainData): ExternalEvent {
  const what = 'an event';
  switch ((data as { kind?: unknown } | null)?.kind) {
    case 'resize': {
      const reader = new StateReader(what, data, ['kind', 'columns', 'rows']);
      return { kind: 'resize', columns: reader.integer('columns', 0xffff), rows: reader.integer('rows', 0xffff) };
    }
    case 'epoch':
      return { kind: 'epoch', nanoseconds: new StateReader(what, data, ['kind', 'nanoseconds']).u64('nanoseconds') };
    case 'identity': {
      const reader = new StateReader(what, data, ['kind', 'seed', 'generationId']);
      const seed = reader.bytes('seed', SEED_BYTES);
      const generationId = reader.bytes('generationId', GENERATION_ID_BYTES);
      reader.require(seed.length === SEED_BYTES && generationId.length === GENERATION_ID_BYTES, 'it is cut short');
      return { kind: 'identity', seed, generationId };
    }
    default:
      throw madeByNewer('A recording', 'it has an event of a kind that this one does not know');
  }
}
