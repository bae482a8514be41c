import { FIDS_MAXIMUM, FidTable, lengthOf, type SharePath } from '../../../common/9p/fid-table.ts';
import {
  ERROR_BYTES,
  MESSAGE_BYTES_MAXIMUM,
  OPEN_LASTING,
  PATH_BYTES_MAXIMUM,
  PLAIN_REQUEST_BYTES_MAXIMUM,
} from '../../../common/9p/layout.ts';
import { bytesOfText, textOfBytes } from '../../../common/9p/message.ts';
import type { PlainData } from '../../../state/plain-data.ts';
import { StateReader } from '../../../state/state-reader.ts';
import { VIRTQ_SIZE_MAXIMUM } from '../queue/layout.ts';
import type { GuestRange } from '../queue/ranges.ts';

/** A request that is not answered yet. */
export interface ShareRequest {
  readonly id: number;
  /** What the queue knows the buffer by. */
  readonly head: number;
  /** Undefined for a write, which is in guest memory and changes nothing about the session. */
  readonly message: Uint8Array | undefined;
  /** Where a write is. */
  readonly ranges: readonly GuestRange[];
  /** Where the answer goes. */
  readonly replyRanges: readonly GuestRange[];
  readonly replyBytesMaximum: number;
}

export interface ShareState {
  /** That the guest knows it by. */
  readonly tag: string;
  readonly nextId: number;
  /** By id. */
  readonly requests: readonly ShareRequest[];
  readonly fids: FidTable;
}

const VERSION = 1;
const FID_LIMIT = 0xffff_ffff;

export function saveShareState({ tag, nextId, requests, fids }: ShareState): PlainData {
  return {
    version: VERSION,
    tag,
    nextId,
    requests: requests.map(({ id, head, message, ranges, replyRanges, replyBytesMaximum }) => ({
      id,
      head,
      message: message ?? null,
      ranges: ranges.map(saveRange),
      replyRanges: replyRanges.map(saveRange),
      replyBytesMaximum,
    })),
    fids: [...fids.entries()].map(([fid, { path, flags }]) => ({
      fid,
      path: path ? bytesOfText(path.map((name) => `/${name}`).join('')) : null,
      flags: flags ?? null,
    })),
  };
}

function saveRange({ address, length }: GuestRange): PlainData {
  return { address, length };
}

/** Checks what was saved. Throws GodwitError('damaged'). */
export function readShareState(name: string, data: PlainData, expected: { readonly tag: string }): ShareState {
  const reader = StateReader.part(name, data, VERSION, ['tag', 'nextId', 'requests', 'fids']);
  const tag = reader.text('tag');
  reader.require(tag === expected.tag, 'it is of a folder with another mount tag');
  const nextId = reader.integer('nextId', Number.MAX_SAFE_INTEGER);
  const requests = reader
    .list('requests', 0, VIRTQ_SIZE_MAXIMUM)
    .map((request) => readRequest(`${name}, a request in flight`, request));
  requests.forEach(({ id }, index) => {
    const before = requests[index - 1];
    reader.require(before === undefined || before.id < id, 'the requests in flight are not in order');
    reader.require(id < nextId, 'a request in flight has an id that was not given yet');
  });
  const fids = new FidTable();
  for (const entry of reader.list('fids', 0, FIDS_MAXIMUM)) readFid(`${name}, a file`, entry, fids);
  reader.require(fids.size === reader.list('fids', 0, FIDS_MAXIMUM).length, 'there are too many files, or one twice');
  return { tag, nextId, requests, fids };
}

function readRequest(name: string, data: PlainData): ShareRequest {
  const fields = ['id', 'head', 'message', 'ranges', 'replyRanges', 'replyBytesMaximum'];
  const reader = new StateReader(name, data, fields);
  const ranges = (field: string): GuestRange[] =>
    reader.list(field, 0, VIRTQ_SIZE_MAXIMUM).map((range) => readRange(name, range));
  const request: ShareRequest = {
    id: reader.integer('id', Number.MAX_SAFE_INTEGER),
    head: reader.integer('head', VIRTQ_SIZE_MAXIMUM - 1),
    message: reader.raw('message') === null ? undefined : reader.bytes('message', PLAIN_REQUEST_BYTES_MAXIMUM),
    ranges: ranges('ranges'),
    replyRanges: ranges('replyRanges'),
    replyBytesMaximum: reader.integer('replyBytesMaximum', MESSAGE_BYTES_MAXIMUM),
  };
  reader.require(request.replyBytesMaximum >= ERROR_BYTES, 'it has no room for an answer');
  reader.require(sumOf(request.replyRanges) >= request.replyBytesMaximum, 'its memory is too short');
  reader.require(sumOf(request.ranges) <= MESSAGE_BYTES_MAXIMUM, 'it is too long');
  reader.require((request.message === undefined) !== (request.ranges.length === 0), 'it is in two places, or none');
  return request;
}

function sumOf(ranges: readonly GuestRange[]): number {
  return ranges.reduce((sum, { length }) => sum + length, 0);
}

function readRange(name: string, data: PlainData): GuestRange {
  const reader = new StateReader(name, data, ['address', 'length']);
  return { address: reader.u64('address'), length: reader.integer('length', 0xffff_ffff) };
}

function readFid(name: string, data: PlainData, into: FidTable): void {
  const reader = new StateReader(name, data, ['fid', 'path', 'flags']);
  const path = reader.raw('path') === null ? undefined : readPath(reader);
  const flags = reader.raw('flags') === null ? undefined : reader.integer('flags', OPEN_LASTING);
  into.set(reader.integer('fid', FID_LIMIT), { path, flags });
}

function readPath(reader: StateReader): SharePath {
  const text = textOfBytes(reader.bytes('path', PATH_BYTES_MAXIMUM));
  const path = text === '' ? [] : text.slice(1).split('/');
  const isSound = path.every((name) => name !== '' && name !== '.' && name !== '..' && !name.includes('\0'));
  reader.require(isSound && lengthOf(path) === text.length, 'its path is none');
  return path;
}
