import type { PlainData } from '../../../state/plain-data.ts';
import { StateReader } from '../../../state/state-reader.ts';
import type { GuestMemory } from '../../device.ts';
import { type DescriptorChain, walkChain } from './descriptor-chain.ts';
import {
  VIRTQ_AVAIL_F_NO_INTERRUPT,
  VIRTQ_AVAIL_FLAGS,
  VIRTQ_AVAIL_IDX,
  VIRTQ_AVAIL_RING,
  VIRTQ_SIZE_MAXIMUM,
  VIRTQ_USED_ELEMENT_BYTES,
  VIRTQ_USED_ELEMENT_LEN,
  VIRTQ_USED_IDX,
  VIRTQ_USED_RING,
} from './layout.ts';

/** What a queue has of its own, beside what lies in guest memory. */
export interface SplitQueueState {
  size: number;
  ready: boolean;
  descriptorArea: bigint;
  driverArea: bigint;
  deviceArea: bigint;
  /**
   * Free-running counts modulo 65536: next entry to take, next entry to give back, and that when it was last signalled.
   */
  nextAvailable: number;
  nextUsed: number;
  signalledUsed: number;
  /** Chains taken and not yet given back. */
  inUse: number;
}

const FIELDS = [
  'size',
  'ready',
  'descriptorArea',
  'driverArea',
  'deviceArea',
  'nextAvailable',
  'nextUsed',
  'signalledUsed',
  'inUse',
] as const;

/**
 * The device's side of a split virtqueue (virtio 1.2, 2.7). It is used by one transport, which sets it up from
 * registers, and one device, which pops and pushes buffers. When the driver breaks a rule, `fault` is called with the
 * reason and `pop` gives nothing.
 */
export class SplitQueue {
  /** Set by the transport when features have been negotiated. */
  indirectDescriptors = false;
  eventIndex = false;

  private readonly memory: GuestMemory;
  private readonly chainBytesMaximum: number;
  private readonly fault: (reason: string) => void;
  private state: SplitQueueState = initialState();

  constructor(parts: { memory: GuestMemory; chainBytesMaximum: number; fault: (reason: string) => void }) {
    this.memory = parts.memory;
    this.chainBytesMaximum = parts.chainBytesMaximum;
    this.fault = parts.fault;
  }

  get ready(): boolean {
    return this.state.ready;
  }

  /** Registers QueueNum and the three addresses; the driver writes them while the queue is not ready (4.2.2.2). */
  configure(change: Partial<Pick<SplitQueueState, 'size' | 'descriptorArea' | 'driverArea' | 'deviceArea'>>): void {
    if (this.state.ready) return;
    Object.assign(this.state, change);
  }

  get descriptorArea(): bigint {
    return this.state.descriptorArea;
  }

  get driverArea(): bigint {
    return this.state.driverArea;
  }

  get deviceArea(): bigint {
    return this.state.deviceArea;
  }

  /** Makes the queue ready; a size that a split queue cannot have leaves it not ready (2.7: a power of two). */
  start(): void {
    if (this.state.ready || !isQueueSize(this.state.size)) return;
    this.state.ready = true;
  }

  /**
   * QueueReady = 0: buffers that are out are forgotten, and the queue starts from index 0 when it is made ready again.
   */
  stop(): void {
    const { size, descriptorArea, driverArea, deviceArea } = this.state;
    this.state = { ...initialState(), size, descriptorArea, driverArea, deviceArea };
  }

  reset(): void {
    this.state = initialState();
    this.indirectDescriptors = false;
    this.eventIndex = false;
  }

  /**
   * Takes the next buffer that the driver has made available; undefined when there is none. Then with
   * VIRTIO_F_EVENT_IDX the driver is asked to notify of the next one (2.7.7).
   */
  pop(): DescriptorChain | undefined {
    const state = this.state;
    if (!state.ready) return undefined;
    const waiting = this.waiting();
    if (waiting === 0) return undefined;
    if (state.inUse >= state.size) return this.broken('more buffers are in use than the queue has entries');
    const slot = state.nextAvailable & (state.size - 1);
    const head = this.memory.readU16(state.driverArea + BigInt(VIRTQ_AVAIL_RING + 2 * slot));
    if (head === undefined) return this.broken('the available ring is not in memory');
    const chain = walkChain(this.memory, { address: state.descriptorArea, size: state.size }, head, {
      indirect: this.indirectDescriptors,
      bytesMaximum: this.chainBytesMaximum,
    });
    if (typeof chain === 'string') return this.broken(chain);
    state.nextAvailable = (state.nextAvailable + 1) & 0xffff;
    state.inUse++;
    return chain;
  }

  /**
   * Pops and handles buffers until there is none or `wanted` says no. What the device writes may be the rings
   * themselves; so that a driver cannot make this go on for ever, it stops after as many buffers as can be waiting.
   */
  drain(handle: (chain: DescriptorChain) => void, wanted: () => boolean = () => true): void {
    // One more than can be waiting: the empty pop at the end asks for the next notification.
    for (let count = 0; count <= VIRTQ_SIZE_MAXIMUM && wanted(); count++) {
      const chain = this.pop();
      if (chain === undefined) return;
      handle(chain);
    }
  }

  /** Gives a buffer back with the number of bytes that were written into it, from its start (2.7.8). */
  push(head: number, writtenLength: number): void {
    const state = this.state;
    if (!state.ready) return;
    const slot = state.nextUsed & (state.size - 1);
    const element = state.deviceArea + BigInt(VIRTQ_USED_RING + VIRTQ_USED_ELEMENT_BYTES * slot);
    const nextUsed = (state.nextUsed + 1) & 0xffff;
    const written =
      this.memory.writeU32(element, head) &&
      this.memory.writeU32(element + VIRTQ_USED_ELEMENT_LEN, writtenLength) &&
      this.memory.writeU16(state.deviceArea + VIRTQ_USED_IDX, nextUsed);
    if (!written) {
      this.broken('the used ring is not in memory');
      return;
    }
    state.nextUsed = nextUsed;
    state.inUse--;
  }

  /** Whether the driver wants to hear of what has been pushed since the last call (2.7.7.2, 2.7.10). */
  takeNotification(): boolean {
    const state = this.state;
    const before = state.signalledUsed;
    if (!state.ready || before === state.nextUsed) return false;
    state.signalledUsed = state.nextUsed;
    if (!this.eventIndex) {
      const flags = this.memory.readU16(state.driverArea + VIRTQ_AVAIL_FLAGS);
      return flags !== undefined && (flags & VIRTQ_AVAIL_F_NO_INTERRUPT) === 0;
    }
    const usedEvent = this.memory.readU16(state.driverArea + BigInt(VIRTQ_AVAIL_RING + 2 * state.size));
    return usedEvent !== undefined && passesEvent(usedEvent, state.nextUsed, before);
  }

  save(): PlainData {
    return { ...this.state };
  }

  /** Checks what `save` gave. Throws GodwitError('damaged'). */
  static read(name: string, data: PlainData): SplitQueueState {
    const reader = new StateReader(name, data, FIELDS);
    const state: SplitQueueState = {
      size: reader.integer('size', 0xffff_ffff),
      ready: reader.flag('ready'),
      descriptorArea: reader.u64('descriptorArea'),
      driverArea: reader.u64('driverArea'),
      deviceArea: reader.u64('deviceArea'),
      nextAvailable: reader.integer('nextAvailable', 0xffff),
      nextUsed: reader.integer('nextUsed', 0xffff),
      signalledUsed: reader.integer('signalledUsed', 0xffff),
      inUse: reader.integer('inUse', VIRTQ_SIZE_MAXIMUM),
    };
    reader.require(!state.ready || isQueueSize(state.size), 'a queue is ready with a size that it cannot have');
    reader.require(state.ready || state.inUse === 0, 'a queue that is not ready has buffers in use');
    reader.require(
      !state.ready || ((state.nextAvailable - state.nextUsed) & 0xffff) === state.inUse,
      'the indices of a queue do not agree with its buffers in use',
    );
    return state;
  }

  /** Takes what `read` has checked. */
  restore(state: SplitQueueState): void {
    this.state = { ...state };
  }

  /** How many entries of the available ring are new. */
  private waiting(): number {
    const state = this.state;
    const available = this.memory.readU16(state.driverArea + VIRTQ_AVAIL_IDX);
    if (available === undefined) {
      this.broken('the available ring is not in memory');
      return 0;
    }
    const waiting = (available - state.nextAvailable) & 0xffff;
    if (waiting > state.size) {
      this.broken('the available index has jumped');
      return 0;
    }
    if (waiting === 0 && this.eventIndex) this.askForNotification();
    return waiting;
  }

  /** avail_event (2.7.10). Nothing is lost: the driver does not run between reading its index and writing this. */
  private askForNotification(): void {
    const state = this.state;
    const event = state.deviceArea + BigInt(VIRTQ_USED_RING + VIRTQ_USED_ELEMENT_BYTES * state.size);
    if (!this.memory.writeU16(event, state.nextAvailable)) this.broken('the used ring is not in memory');
  }

  private broken(reason: string): undefined {
    this.fault(reason);
    return undefined;
  }
}

/** vring_need_event (2.7.10): the index went past the event between `before` and `after`. */
function passesEvent(event: number, after: number, before: number): boolean {
  return ((after - event - 1) & 0xffff) < ((after - before) & 0xffff);
}

function isQueueSize(size: number): boolean {
  return size >= 1 && size <= VIRTQ_SIZE_MAXIMUM && (size & (size - 1)) === 0;
}

function initialState(): SplitQueueState {
  return {
    size: 0,
    ready: false,
    descriptorArea: 0n,
    driverArea: 0n,
    deviceArea: 0n,
    nextAvailable: 0,
    nextUsed: 0,
    signalledUsed: 0,
    inUse: 0,
  };
}
