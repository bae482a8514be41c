import type { PlainData } from '../../../state/plain-data.ts';
import { StateReader } from '../../../state/state-reader.ts';
import { VIRTQ_SIZE_MAXIMUM } from '../queue/layout.ts';
import type { GuestRange } from '../queue/ranges.ts';
import { SECTOR_BYTES } from './registers.ts';

export const BLOCK_REQUEST_KINDS = ['read', 'write', 'flush', 'discard', 'write-zeroes'] as const;

/** A request that the backend has not answered. */
export interface BlockRequest {
  /** Of its latest submission. */
  readonly id: number;
  readonly kind: (typeof BLOCK_REQUEST_KINDS)[number];
  /** In write-through mode a write's data is on the disk, and what is in flight is the flush that makes it stable. */
  readonly flushing: boolean;
  /** What the queue knows the buffer by. */
  readonly head: number;
  /** On the disk; 0 for a flush. */
  readonly offset: number;
  readonly length: number;
  readonly unmap: boolean;
  /** Where a read's data goes, or a write's is. */
  readonly ranges: readonly GuestRange[];
  readonly statusAddress: bigint;
}

const VERSION = 1;

export interface BlockState {
  /** Of the disk that the guest knows: a state is not for a disk of another size. */
  readonly capacitySectors: number;
  readonly nextId: number;
  readonly writeback: boolean;
  /** By id. */
  readonly requests: readonly BlockRequest[];
}

export function saveBlockState(state: BlockState): PlainData {
  return {
    version: VERSION,
    capacitySectors: state.capacitySectors,
    nextId: state.nextId,
    writeback: state.writeback,
    requests: state.requests.map((request) => ({
      ...request,
      ranges: request.ranges.map(({ address, length }) => ({ address, length })),
    })),
  };
}

/** Checks what was saved against the size of the disk. Throws GodwitError('damaged'). */
export function readBlockState(name: string, data: PlainData, expected: { capacitySectors: number }): BlockState {
  const reader = StateReader.part(name, data, VERSION, ['capacitySectors', 'nextId', 'writeback', 'requests']);
  const capacitySectors = reader.integer('capacitySectors', Number.MAX_SAFE_INTEGER);
  reader.require(capacitySectors === expected.capacitySectors, 'it is of a disk of another size');
  const sizeBytes = capacitySectors * SECTOR_BYTES;
  const nextId = reader.integer('nextId', Number.MAX_SAFE_INTEGER);
  const requests = reader
    .list('requests', 0, VIRTQ_SIZE_MAXIMUM)
    .map((request) => readRequest(`${name}, a request in flight`, request, sizeBytes));
  requests.forEach((request, index) => {
    const before = requests[index - 1];
    reader.require(before === undefined || before.id < request.id, 'the requests in flight are not in order');
    reader.require(request.id < nextId, 'a request in flight has an id that was not given yet');
  });
  return { capacitySectors, nextId, writeback: reader.flag('writeback'), requests };
}

function readRequest(name: string, data: PlainData, sizeBytes: number): BlockRequest {
  const fields = ['id', 'kind', 'flushing', 'head', 'offset', 'length', 'unmap', 'ranges', 'statusAddress'];
  const reader = new StateReader(name, data, fields);
  const request: BlockRequest = {
    id: reader.integer('id', Number.MAX_SAFE_INTEGER),
    kind: reader.word('kind', BLOCK_REQUEST_KINDS),
    flushing: reader.flag('flushing'),
    head: reader.integer('head', VIRTQ_SIZE_MAXIMUM - 1),
    offset: reader.integer('offset', sizeBytes),
    length: reader.integer('length', sizeBytes),
    unmap: reader.flag('unmap'),
    ranges: reader.list('ranges', 0, VIRTQ_SIZE_MAXIMUM).map((range) => readRange(name, range)),
    statusAddress: reader.u64('statusAddress'),
  };
  const { kind, offset, length } = request;
  reader.require(offset % SECTOR_BYTES === 0 && length % SECTOR_BYTES === 0, 'it is not in whole sectors');
  reader.require(offset + length <= sizeBytes, 'it is not on the disk');
  const inMemory = request.ranges.reduce((sum, range) => sum + range.length, 0);
  reader.require(inMemory === (kind === 'read' || kind === 'write' ? length : 0), 'its memory has another length');
  return request;
}

function readRange(name: string, data: PlainData): GuestRange {
  const reader = new StateReader(name, data, ['address', 'length']);
  return { address: reader.u64('address'), length: reader.integer('length', 0xffff_ffff) };
}
