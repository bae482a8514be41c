import { ERRNO } from '../../../common/9p/errno.ts';
import { FidTable } from '../../../common/9p/fid-table.ts';
import {
  ERROR_BYTES,
  HEADER_BYTES,
  HEADER_TYPE,
  MESSAGE_BYTES_MAXIMUM,
  PLAIN_REQUEST_BYTES_MAXIMUM,
  T_WRITE,
} from '../../../common/9p/layout.ts';
import { bytesOfText, errorReply, tagOf } from '../../../common/9p/message.ts';
import { GodwitError } from '../../../common/errors.ts';
import type { PlainData } from '../../../state/plain-data.ts';
import type { AccessWidth } from '../../device.ts';
import { readConfigurationBytes } from '../configuration.ts';
import { featureSet } from '../features.ts';
import type { DescriptorChain } from '../queue/descriptor-chain.ts';
import { gather, resolveRanges, scatter, sliceRanges } from '../queue/ranges.ts';
import { RequestsInFlight } from '../queue/requests-in-flight.ts';
import type { VirtioFunction, VirtioTransport } from '../transport.ts';
import type { ShareBackend, ShareSubmission } from './backend.ts';
import { shareConfiguration, TAG_BYTES_MAXIMUM, VIRTIO_9P_DEVICE_ID, VIRTIO_9P_MOUNT_TAG } from './registers.ts';
import { readShareState, type ShareRequest, saveShareState } from './state.ts';

const QUEUE = 0;
/** A driver that gives more room for an answer than it asked for is a wasteful one, and no mistaken one. */
const CHAIN_BYTES_MAXIMUM = 8 * MESSAGE_BYTES_MAXIMUM;
/** While requests in flight have more bytes than this, with room for answers, no further ones are taken. */
const IN_FLIGHT_BYTES_MAXIMUM = 16 * 1024 * 1024;

/**
 * A folder of the host, as a 9P transport. The device knows no file and no promise: requests go to the backend, and
 * answers come through `complete` when the machine's runner lets them. It follows what the guest's numbers for files
 * stand for, which with the requests in flight is part of its state. So a machine that was restored goes on with a
 * server that knows nothing of it, and a replay needs none.
 */
export class Virtio9p implements VirtioFunction {
  readonly name: string;
  readonly tag: string;
  readonly deviceId = VIRTIO_9P_DEVICE_ID;
  readonly features = featureSet(VIRTIO_9P_MOUNT_TAG);
  readonly queues = [{ chainBytesMaximum: CHAIN_BYTES_MAXIMUM }];

  private readonly backend: ShareBackend;
  private readonly configuration: Uint8Array;
  private transport!: VirtioTransport;
  private readonly inFlight = new RequestsInFlight<ShareRequest>({
    queue: QUEUE,
    bytesMaximum: IN_FLIGHT_BYTES_MAXIMUM,
    bytesHeld,
  });
  private fids = new FidTable();

  constructor(parts: { name: string; tag: string; backend: ShareBackend }) {
    if (!/^[\x21-\x7e]+$/.test(parts.tag) || parts.tag.length > TAG_BYTES_MAXIMUM) {
      const what = `up to ${TAG_BYTES_MAXIMUM} printable ASCII characters without spaces`;
      throw new GodwitError('usage', `A mount tag has ${what}, not "${parts.tag}".`);
    }
    this.name = parts.name;
    this.tag = parts.tag;
    this.backend = parts.backend;
    this.configuration = shareConfiguration(bytesOfText(parts.tag));
  }

  connect(transport: VirtioTransport): void {
    this.transport = transport;
  }

  readConfiguration(offset: number, width: AccessWidth): number {
    return readConfigurationBytes(this.configuration, offset, width);
  }

  writeConfiguration(): void {}

  notify(_queue: number): void {
    this.takeRequests();
  }

  queueStopped(_queue: number): void {
    this.endSession();
  }

  reset(): void {
    this.endSession();
  }

  /** What the guest's numbers for files stand for, as far as it was told. */
  get session(): FidTable {
    return this.fids;
  }

  /**
   * The backend's answer to a submission. Returns false for a request that a reset has dropped, and when the device
   * waits for a reset: then the guest sees nothing of it. Throws GodwitError('usage') for an answer that is none.
   */
  complete(id: number, reply: Uint8Array): boolean {
    const request = this.inFlight.get(id);
    if (request === undefined) return false;
    if (reply.length < HEADER_BYTES || reply.length > request.replyBytesMaximum) {
      throw new GodwitError('usage', `A request to a shared folder was answered with ${reply.length} bytes.`);
    }
    this.inFlight.remove(request);
    this.backend.delivered(id);
    if (!this.transport.running) return false;
    if (request.message) this.fids.apply(request.message, reply);
    this.answer(request, reply);
    this.takeRequests();
    return true;
  }

  /** What is in flight, in the order of submission, as it was submitted. */
  pendingRequests(): ShareSubmission[] {
    return this.inFlight.all.map((request) => this.submissionOf(request));
  }

  get isAwaited(): boolean {
    return this.inFlight.count > 0;
  }

  save(): PlainData {
    const { tag, inFlight, fids } = this;
    return saveShareState({ tag, nextId: inFlight.nextId, requests: inFlight.all, fids });
  }

  restore(data: PlainData): void {
    const state = readShareState(this.name, data, this);
    this.inFlight.clear();
    this.inFlight.nextId = state.nextId;
    this.fids = state.fids;
    for (const request of state.requests) this.inFlight.add(request);
  }

  private takeRequests(): void {
    this.inFlight.drain(this.transport, (chain) => this.take(chain));
  }

  private take(chain: DescriptorChain): void {
    if (chain.readableLength < HEADER_BYTES || chain.writableLength < ERROR_BYTES) {
      this.transport.fail('a 9P request without header or without room for an answer');
      return;
    }
    const header = new Uint8Array(HEADER_BYTES);
    gather(this.transport.memory, chain.readable, header);
    const isWrite = header[HEADER_TYPE] === T_WRITE;
    if (chain.readableLength > (isWrite ? MESSAGE_BYTES_MAXIMUM : PLAIN_REQUEST_BYTES_MAXIMUM)) {
      this.refuse(chain, tagOf(header));
      return;
    }
    const message = new Uint8Array(chain.readableLength);
    gather(this.transport.memory, chain.readable, message);
    const request: ShareRequest = {
      id: this.inFlight.nextId++,
      head: chain.head,
      message: isWrite ? undefined : message,
      ranges: isWrite ? chain.readableRanges : [],
      replyRanges: chain.writableRanges,
      replyBytesMaximum: Math.min(chain.writableLength, MESSAGE_BYTES_MAXIMUM),
    };
    this.inFlight.add(request);
    const { id, replyBytesMaximum } = request;
    this.backend.submit({ id, message, replyBytesMaximum });
  }

  private refuse({ head, writable }: DescriptorChain, tag: number): void {
    const written = scatter(this.transport.memory, writable, [errorReply(tag, ERRNO.ENAMETOOLONG)]);
    this.transport.queue(QUEUE).push(head, written);
  }

  private submissionOf({ id, message, ranges, replyBytesMaximum }: ShareRequest): ShareSubmission {
    if (message) return { id, message, replyBytesMaximum };
    const { memory } = this.transport;
    const spans = resolveRanges(memory, ranges, 'read');
    // Ranges were in memory when the request was taken, and the map of RAM does not change.
    if (spans === undefined) {
      throw new GodwitError('damaged', `The saved state of ${this.name} has a request whose data is not in memory.`);
    }
    const gathered = new Uint8Array(spans.reduce((sum, { length }) => sum + length, 0));
    gather(memory, spans, gathered);
    return { id, message: gathered, replyBytesMaximum };
  }

  private answer({ head, replyRanges }: ShareRequest, reply: Uint8Array): void {
    const { memory } = this.transport;
    // No more than the answer needs: what is resolved for writing counts as written.
    const spans = resolveRanges(memory, sliceRanges(replyRanges, 0, reply.length), 'write');
    if (spans === undefined) {
      this.transport.fail('the memory of an answer is gone');
      return;
    }
    scatter(memory, spans, [reply]);
    this.transport.queue(QUEUE).push(head, reply.length);
  }

  /** A driver that begins anew attaches anew. */
  private endSession(): void {
    if (this.inFlight.count > 0 || this.fids.size > 0) this.backend.fence();
    this.inFlight.clear();
    this.fids.clear();
  }
}

function bytesHeld({ message, ranges, replyBytesMaximum }: ShareRequest): number {
  return replyBytesMaximum + (message?.length ?? 0) + ranges.reduce((sum, { length }) => sum + length, 0);
}
