import { GodwitError } from '../../../common/errors.ts';
import { invariant } from '../../../common/invariant.ts';
import type { PlainData } from '../../../state/plain-data.ts';
import type { AccessWidth } from '../../device.ts';
import { readConfigurationBytes } from '../configuration.ts';
import { featureSet } from '../features.ts';
import type { DescriptorChain } from '../queue/descriptor-chain.ts';
import { resolveRanges, scatter, sliceRanges, sliceSpans } from '../queue/ranges.ts';
import { RequestsInFlight } from '../queue/requests-in-flight.ts';
import type { VirtioFunction, VirtioTransport } from '../transport.ts';
import type { BlockBackend, BlockCompletion, BlockSubmission } from './backend.ts';
import {
  BLOCK_CONFIGURATION_WRITEBACK,
  BLOCK_HEADER_BYTES,
  BLOCK_ID_BYTES,
  blockConfiguration,
  SECTOR_BYTES,
  VIRTIO_BLK_F_BLK_SIZE,
  VIRTIO_BLK_F_CONFIG_WCE,
  VIRTIO_BLK_F_DISCARD,
  VIRTIO_BLK_F_FLUSH,
  VIRTIO_BLK_F_RO,
  VIRTIO_BLK_F_SEG_MAX,
  VIRTIO_BLK_F_SIZE_MAX,
  VIRTIO_BLK_F_TOPOLOGY,
  VIRTIO_BLK_F_WRITE_ZEROES,
  VIRTIO_BLK_S_IOERR,
  VIRTIO_BLK_S_OK,
  VIRTIO_BLOCK_DEVICE_ID,
} from './registers.ts';
import { type BlockCommand, parseBlockCommand } from './request.ts';
import { type BlockRequest, readBlockState, saveBlockState } from './state.ts';

/** More than SEG_MAX segments of SIZE_MAX; firmware that looks at neither reads whole files at once. */
const REQUEST_BYTES_MAXIMUM = 256 * 1024 * 1024;
/** While the data of requests in flight is more than this, no further ones are taken from the queue. */
const IN_FLIGHT_BYTES_MAXIMUM = 64 * 1024 * 1024;
const QUEUE = 0;

const FEATURES_READONLY = featureSet(
  VIRTIO_BLK_F_SIZE_MAX,
  VIRTIO_BLK_F_SEG_MAX,
  VIRTIO_BLK_F_BLK_SIZE,
  VIRTIO_BLK_F_FLUSH,
  VIRTIO_BLK_F_TOPOLOGY,
  VIRTIO_BLK_F_CONFIG_WCE,
);
const FEATURES_WRITABLE = featureSet(VIRTIO_BLK_F_DISCARD, VIRTIO_BLK_F_WRITE_ZEROES);

/**
 * Block device. It knows no disk and no promise: requests go to the backend, and answers come through `complete` when
 * the machine's runner lets them. Requests in flight are part of the state; after `restore` the machine submits
 * `pendingRequests` again.
 */
export class VirtioBlock implements VirtioFunction {
  readonly name: string;
  readonly deviceId = VIRTIO_BLOCK_DEVICE_ID;
  readonly features: bigint;
  readonly queues = [{ chainBytesMaximum: REQUEST_BYTES_MAXIMUM }];
  readonly capacitySectors: number;
  readonly readonly: boolean;

  private readonly backend: BlockBackend;
  private readonly serial: Uint8Array;
  private readonly configuration: Uint8Array;
  private transport!: VirtioTransport;
  private readonly inFlight = new RequestsInFlight<BlockRequest>({
    queue: QUEUE,
    bytesMaximum: IN_FLIGHT_BYTES_MAXIMUM,
    bytesHeld,
  });

  /** `sizeBytes` is rounded down to sectors. `serial` is what GET_ID gives: up to 20 ASCII characters. */
  constructor(parts: {
    name: string;
    sizeBytes: number;
    readonly: boolean;
    serial: string;
    backend: BlockBackend;
  }) {
    if (!Number.isSafeInteger(parts.sizeBytes) || parts.sizeBytes < 0) {
      throw new GodwitError('usage', `A disk cannot have ${parts.sizeBytes} bytes.`);
    }
    this.name = parts.name;
    this.readonly = parts.readonly;
    this.capacitySectors = Math.floor(parts.sizeBytes / SECTOR_BYTES);
    this.features = parts.readonly
      ? FEATURES_READONLY | featureSet(VIRTIO_BLK_F_RO)
      : FEATURES_READONLY | FEATURES_WRITABLE;
    this.backend = parts.backend;
    this.serial = serialBytes(parts.serial);
    this.configuration = blockConfiguration(this.capacitySectors);
  }

  connect(transport: VirtioTransport): void {
    this.transport = transport;
  }

  readConfiguration(offset: number, width: AccessWidth): number {
    return readConfigurationBytes(this.configuration, offset, width);
  }

  /** Only `writeback` can be written (5.2.5.2). */
  writeConfiguration(offset: number, width: AccessWidth, value: number): void {
    if (offset !== BLOCK_CONFIGURATION_WRITEBACK || width !== 1) return;
    if (!this.transport.hasFeature(VIRTIO_BLK_F_CONFIG_WCE)) return;
    this.configuration[BLOCK_CONFIGURATION_WRITEBACK] = value & 1;
  }

  notify(_queue: number): void {
    this.takeRequests();
  }

  queueStopped(_queue: number): void {
    this.dropRequests();
  }

  reset(): void {
    this.dropRequests();
    this.configuration[BLOCK_CONFIGURATION_WRITEBACK] = 1;
  }

  /**
   * The backend's answer to a submission. Returns false for a request that a reset has dropped, and when the device
   * waits for a reset: then the guest sees nothing of it.
   * Throws GodwitError('usage') when a successful read does not bring the bytes that were asked for.
   */
  complete(id: number, completion: BlockCompletion): boolean {
    const request = this.inFlight.get(id);
    if (request === undefined) return false;
    if (!this.transport.running) {
      this.inFlight.remove(request);
      return false;
    }
    if (completion.status === 'error') this.completeWithError(request);
    else if (request.kind === 'read') this.completeRead(request, completion.data ?? []);
    else if (this.needsFlush(request)) this.flushWrite(request);
    else this.completeWrite(request);
    this.takeRequests();
    return true;
  }

  /**
   * What is in flight, in the order of submission, as it was submitted. For use after `restore`, when memory has been
   * restored too; a write's spans hold until the guest runs.
   */
  pendingRequests(): BlockSubmission[] {
    return this.inFlight.all.map((request) => this.submissionOf(request));
  }

  save(): PlainData {
    return saveBlockState({
      capacitySectors: this.capacitySectors,
      nextId: this.inFlight.nextId,
      writeback: this.configuration[BLOCK_CONFIGURATION_WRITEBACK] === 1,
      requests: this.inFlight.all,
    });
  }

  restore(data: PlainData): void {
    const state = readBlockState(this.name, data, this);
    this.inFlight.clear();
    this.inFlight.nextId = state.nextId;
    this.configuration[BLOCK_CONFIGURATION_WRITEBACK] = state.writeback ? 1 : 0;
    for (const request of state.requests) this.inFlight.add(request);
  }

  private takeRequests(): void {
    this.inFlight.drain(this.transport, (chain) => this.take(chain));
  }

  private take(chain: DescriptorChain): void {
    if (chain.readableLength < BLOCK_HEADER_BYTES || chain.writableLength < 1) {
      this.transport.fail('a block request without header or status');
      return;
    }
    const command = parseBlockCommand(this.transport.memory, chain, this);
    if (command.kind === 'status') this.answer(chain, command.status, 0);
    else if (command.kind === 'get-id') this.answerId(chain);
    else this.submit(chain, command);
  }

  private submit(chain: DescriptorChain, command: Exclude<BlockCommand, { kind: 'status' | 'get-id' }>): void {
    const request: BlockRequest = {
      id: this.inFlight.nextId++,
      kind: command.kind,
      flushing: false,
      head: chain.head,
      offset: command.kind === 'flush' ? 0 : command.offset,
      length: command.kind === 'flush' ? 0 : command.length,
      unmap: command.kind === 'write-zeroes' && command.unmap,
      ranges: dataRanges(chain, command.kind),
      statusAddress: statusAddressOf(chain),
    };
    this.inFlight.add(request);
    if (request.kind !== 'write') {
      this.backend.submit(this.submissionOf(request));
      return;
    }
    const { id, kind, offset, length } = request;
    const spans = sliceSpans(chain.readable, BLOCK_HEADER_BYTES, length);
    this.backend.submit({ id, kind, offset, length, spans });
  }

  private submissionOf(request: BlockRequest): BlockSubmission {
    const { id, offset, length } = request;
    if (request.flushing) return { id, kind: 'flush' };
    switch (request.kind) {
      case 'flush':
        return { id, kind: 'flush' };
      case 'write': {
        // Ranges were in memory when the request was taken, and the map of RAM does not change.
        const spans = resolveRanges(this.transport.memory, request.ranges, 'read');
        if (spans === undefined) {
          throw new GodwitError(
            'damaged',
            `The saved state of ${this.name} has a request whose data is not in memory.`,
          );
        }
        return { id, kind: 'write', offset, length, spans };
      }
      case 'write-zeroes':
        return { id, kind: 'write-zeroes', offset, length, unmap: request.unmap };
      default:
        return { id, kind: request.kind, offset, length };
    }
  }

  private completeRead(request: BlockRequest, data: readonly Uint8Array[]): void {
    const length = data.reduce((sum, part) => sum + part.length, 0);
    if (length !== request.length) {
      throw new GodwitError('usage', `A read of ${request.length} bytes was answered with ${length}.`);
    }
    this.inFlight.remove(request);
    const { memory } = this.transport;
    const spans = resolveRanges(memory, request.ranges, 'write');
    if (spans === undefined) {
      this.transport.fail('the memory of a read request is gone');
      return;
    }
    scatter(memory, spans, data);
    this.finish(request.head, request.statusAddress, VIRTIO_BLK_S_OK, { written: length, room: length });
  }

  private completeWrite(request: BlockRequest): void {
    this.inFlight.remove(request);
    this.finish(request.head, request.statusAddress, VIRTIO_BLK_S_OK, { written: 0, room: 0 });
  }

  private completeWithError(request: BlockRequest): void {
    this.inFlight.remove(request);
    const room = request.kind === 'read' ? request.length : 0;
    this.finish(request.head, request.statusAddress, VIRTIO_BLK_S_IOERR, { written: 0, room });
  }

  /** 5.2.6.2: without a write-back cache a write is done when it is stable. */
  private needsFlush(request: BlockRequest): boolean {
    return (request.kind === 'write' || request.kind === 'write-zeroes') && !request.flushing && !this.writeback();
  }

  private flushWrite(request: BlockRequest): void {
    this.inFlight.remove(request);
    const flush: BlockRequest = { ...request, id: this.inFlight.nextId++, flushing: true };
    this.inFlight.add(flush);
    this.backend.submit({ id: flush.id, kind: 'flush' });
  }

  /** 5.2.5: the mode is `writeback` with CONFIG_WCE, else follows from whether the driver can flush. */
  private writeback(): boolean {
    if (this.transport.hasFeature(VIRTIO_BLK_F_CONFIG_WCE)) {
      return this.configuration[BLOCK_CONFIGURATION_WRITEBACK] === 1;
    }
    return this.transport.hasFeature(VIRTIO_BLK_F_FLUSH);
  }

  private answerId(chain: DescriptorChain): void {
    const room = chain.writableLength - 1;
    const id = this.serial.subarray(0, Math.min(room, BLOCK_ID_BYTES));
    scatter(this.transport.memory, chain.writable, [id]);
    this.answer(chain, VIRTIO_BLK_S_OK, id.length);
  }

  private answer(chain: DescriptorChain, status: number, written: number): void {
    this.finish(chain.head, statusAddressOf(chain), status, { written, room: chain.writableLength - 1 });
  }

  /**
   * The status byte, and the buffer goes back. `written` of the `room` bytes before the status byte have been written;
   * the length that the driver gets counts from the buffer's start without gaps (2.7.8.2).
   */
  private finish(head: number, statusAddress: bigint, status: number, data: { written: number; room: number }): void {
    const { memory } = this.transport;
    const spans = resolveRanges(memory, [{ address: statusAddress, length: 1 }], 'write');
    if (spans === undefined) {
      this.transport.fail('the status byte of a request is gone');
      return;
    }
    const [span] = spans;
    invariant(span, 'what was resolved of one byte has a span');
    memory.bytes[span.offset] = status;
    this.transport.queue(QUEUE).push(head, data.written === data.room ? data.room + 1 : data.written);
  }

  private dropRequests(): void {
    if (this.inFlight.count > 0) this.backend.fence();
    this.inFlight.clear();
  }
}

/** What a request in flight costs the host's memory. */
function bytesHeld(request: BlockRequest): number {
  return (request.kind === 'read' || request.kind === 'write') && !request.flushing ? request.length : 0;
}

function dataRanges(chain: DescriptorChain, kind: BlockRequest['kind']): BlockRequest['ranges'] {
  if (kind === 'read') return sliceRanges(chain.writableRanges, 0, chain.writableLength - 1);
  if (kind !== 'write') return [];
  return sliceRanges(chain.readableRanges, BLOCK_HEADER_BYTES, chain.readableLength - BLOCK_HEADER_BYTES);
}

function statusAddressOf(chain: DescriptorChain): bigint {
  const [last] = sliceRanges(chain.writableRanges, chain.writableLength - 1, 1);
  invariant(last, 'a chain that is answered has a writable byte');
  return last.address;
}

function serialBytes(serial: string): Uint8Array {
  if (!/^[\x20-\x7e]{0,20}$/.test(serial)) {
    throw new GodwitError('usage', `A disk's serial number has up to 20 printable ASCII characters, not "${serial}".`);
  }
  const bytes = new Uint8Array(BLOCK_ID_BYTES);
  for (let index = 0; index < serial.length; index++) bytes[index] = serial.charCodeAt(index);
  return bytes;
}
