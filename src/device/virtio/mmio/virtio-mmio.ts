import { present } from '../../../common/invariant.ts';
import type { PlainData } from '../../../state/plain-data.ts';
import type { AccessWidth, GuestMemory, InterruptLine, MmioDevice } from '../../device.ts';
import { featureSet, VIRTIO_F_EVENT_IDX, VIRTIO_F_INDIRECT_DESC, VIRTIO_F_VERSION_1 } from '../features.ts';
import { VIRTQ_SIZE_MAXIMUM } from '../queue/layout.ts';
import { SplitQueue } from '../queue/split-queue.ts';
import type { VirtioFunction, VirtioTransport } from '../transport.ts';
import {
  VIRTIO_MAGIC,
  VIRTIO_MMIO_CONFIG,
  VIRTIO_MMIO_CONFIG_GENERATION,
  VIRTIO_MMIO_DEVICE_FEATURES,
  VIRTIO_MMIO_DEVICE_FEATURES_SEL,
  VIRTIO_MMIO_DEVICE_ID,
  VIRTIO_MMIO_DRIVER_FEATURES,
  VIRTIO_MMIO_DRIVER_FEATURES_SEL,
  VIRTIO_MMIO_INT_CONFIG,
  VIRTIO_MMIO_INT_VRING,
  VIRTIO_MMIO_INTERRUPT_ACK,
  VIRTIO_MMIO_INTERRUPT_STATUS,
  VIRTIO_MMIO_MAGIC_VALUE,
  VIRTIO_MMIO_QUEUE_DESC_HIGH,
  VIRTIO_MMIO_QUEUE_DESC_LOW,
  VIRTIO_MMIO_QUEUE_DEVICE_HIGH,
  VIRTIO_MMIO_QUEUE_DEVICE_LOW,
  VIRTIO_MMIO_QUEUE_DRIVER_HIGH,
  VIRTIO_MMIO_QUEUE_DRIVER_LOW,
  VIRTIO_MMIO_QUEUE_NOTIFY,
  VIRTIO_MMIO_QUEUE_NUM,
  VIRTIO_MMIO_QUEUE_NUM_MAX,
  VIRTIO_MMIO_QUEUE_READY,
  VIRTIO_MMIO_QUEUE_SEL,
  VIRTIO_MMIO_SHM_BASE_HIGH,
  VIRTIO_MMIO_SHM_BASE_LOW,
  VIRTIO_MMIO_SHM_LEN_HIGH,
  VIRTIO_MMIO_SHM_LEN_LOW,
  VIRTIO_MMIO_SIZE_BYTES,
  VIRTIO_MMIO_STATUS,
  VIRTIO_MMIO_VENDOR_ID,
  VIRTIO_MMIO_VERSION,
  VIRTIO_STATUS_DRIVER_OK,
  VIRTIO_STATUS_FEATURES_OK,
  VIRTIO_STATUS_NEEDS_RESET,
  VIRTIO_VENDOR,
  VIRTIO_VERSION,
} from './registers.ts';
import { initialVirtioMmioState, readVirtioMmioState, VIRTIO_MMIO_STATE_VERSION } from './state.ts';

const TRANSPORT_FEATURES = featureSet(VIRTIO_F_INDIRECT_DESC, VIRTIO_F_EVENT_IDX, VIRTIO_F_VERSION_1);

/**
 * One virtio-mmio slot with a device in it. Registers below the configuration space take aligned 32-bit accesses, as
 * 4.2.2.2 asks of drivers; others read as 0 and are ignored.
 *
 * A driver that does not accept VIRTIO_F_VERSION_1 is served all the same (xv6 never writes the upper feature word);
 * the layouts are those of version 1 in any case.
 */
export class VirtioMmio implements MmioDevice, VirtioTransport {
  readonly name: string;
  readonly sizeBytes = VIRTIO_MMIO_SIZE_BYTES;
  readonly memory: GuestMemory;

  private readonly device: VirtioFunction;
  private readonly line: InterruptLine;
  private readonly queues: readonly SplitQueue[];
  private readonly offered: bigint;
  private state = initialVirtioMmioState();
  private lastFailure: string | undefined;

  constructor(parts: { name: string; memory: GuestMemory; line: InterruptLine; device: VirtioFunction }) {
    this.name = parts.name;
    this.memory = parts.memory;
    this.line = parts.line;
    this.device = parts.device;
    this.offered = parts.device.features | TRANSPORT_FEATURES;
    this.queues = parts.device.queues.map(
      ({ chainBytesMaximum }) =>
        new SplitQueue({ memory: parts.memory, chainBytesMaximum, fault: (reason) => this.fail(reason) }),
    );
    parts.device.connect(this);
  }

  /** Why the device asks to be reset; for logs, not part of the state. */
  get failure(): string | undefined {
    return this.lastFailure;
  }

  get running(): boolean {
    const { status } = this.state;
    return (status & (VIRTIO_STATUS_DRIVER_OK | VIRTIO_STATUS_NEEDS_RESET)) === VIRTIO_STATUS_DRIVER_OK;
  }

  hasFeature(bit: number): boolean {
    return ((this.driverFeatures() & this.offered) >> BigInt(bit)) % 2n === 1n;
  }

  queue(index: number): SplitQueue {
    return this.queues[index]!;
  }

  signalUsed(index: number): void {
    if (this.running && this.queues[index]!.takeNotification()) this.interrupt(VIRTIO_MMIO_INT_VRING);
  }

  configurationChanged(): void {
    this.state.configGeneration = (this.state.configGeneration + 1) >>> 0;
    if (this.running) this.interrupt(VIRTIO_MMIO_INT_CONFIG);
  }

  /** 2.1.2: after DRIVER_OK the driver is told by a configuration change notification. */
  fail(reason: string): void {
    const { status } = this.state;
    if ((status & VIRTIO_STATUS_NEEDS_RESET) !== 0) return;
    this.lastFailure = reason;
    this.state.status = status | VIRTIO_STATUS_NEEDS_RESET;
    if ((status & VIRTIO_STATUS_DRIVER_OK) !== 0) this.interrupt(VIRTIO_MMIO_INT_CONFIG);
  }

  private queueSizeMaximum(index: number): number {
    const limits = this.device.queues[index];
    return limits ? (limits.sizeMaximum ?? VIRTQ_SIZE_MAXIMUM) : 0;
  }

  read(offset: number, width: AccessWidth): number {
    if (offset >= VIRTIO_MMIO_CONFIG) return this.device.readConfiguration(offset - VIRTIO_MMIO_CONFIG, width);
    if (width !== 4) return 0;
    const state = this.state;
    switch (offset) {
      case VIRTIO_MMIO_MAGIC_VALUE:
        return VIRTIO_MAGIC;
      case VIRTIO_MMIO_VERSION:
        return VIRTIO_VERSION;
      case VIRTIO_MMIO_DEVICE_ID:
        return this.device.deviceId;
      case VIRTIO_MMIO_VENDOR_ID:
        return VIRTIO_VENDOR;
      case VIRTIO_MMIO_DEVICE_FEATURES:
        return wordOf(this.offered, state.deviceFeaturesSel);
      case VIRTIO_MMIO_QUEUE_NUM_MAX:
        return this.queueSizeMaximum(state.queueSel);
      case VIRTIO_MMIO_QUEUE_READY:
        return this.queues[state.queueSel]?.ready === true ? 1 : 0;
      case VIRTIO_MMIO_INTERRUPT_STATUS:
        return state.interruptStatus;
      case VIRTIO_MMIO_STATUS:
        return state.status;
      case VIRTIO_MMIO_SHM_LEN_LOW:
      case VIRTIO_MMIO_SHM_LEN_HIGH:
      case VIRTIO_MMIO_SHM_BASE_LOW:
      case VIRTIO_MMIO_SHM_BASE_HIGH:
        return 0xffff_ffff;
      case VIRTIO_MMIO_CONFIG_GENERATION:
        return state.configGeneration;
      default:
        return 0;
    }
  }

  write(offset: number, width: AccessWidth, value: number): void {
    if (offset >= VIRTIO_MMIO_CONFIG) {
      this.device.writeConfiguration(offset - VIRTIO_MMIO_CONFIG, width, value);
      return;
    }
    if (width !== 4) return;
    switch (offset) {
      case VIRTIO_MMIO_DEVICE_FEATURES_SEL:
        this.state.deviceFeaturesSel = value;
        break;
      case VIRTIO_MMIO_DRIVER_FEATURES:
        this.writeDriverFeatures(value);
        break;
      case VIRTIO_MMIO_DRIVER_FEATURES_SEL:
        this.state.driverFeaturesSel = value;
        break;
      case VIRTIO_MMIO_QUEUE_SEL:
        this.state.queueSel = value;
        break;
      case VIRTIO_MMIO_QUEUE_NOTIFY:
        this.notify(value);
        break;
      case VIRTIO_MMIO_INTERRUPT_ACK:
        this.state.interruptStatus &= ~value;
        this.updateLine();
        break;
      case VIRTIO_MMIO_STATUS:
        this.writeStatus(value & 0xff);
        break;
      default:
        this.writeQueueRegister(offset, value);
    }
  }

  /** Power-on reset and the driver's own are the same (2.4). */
  reset(): void {
    this.state = initialVirtioMmioState();
    this.lastFailure = undefined;
    for (const queue of this.queues) queue.reset();
    this.device.reset();
    this.updateLine();
  }

  save(): PlainData {
    return {
      version: VIRTIO_MMIO_STATE_VERSION,
      deviceId: this.device.deviceId,
      ...this.state,
      queues: this.queues.map((queue) => queue.save()),
      device: this.device.save(),
    };
  }

  restore(data: PlainData): void {
    const { registers, queues, device } = readVirtioMmioState(this.name, data, {
      deviceId: this.device.deviceId,
      queueCount: this.queues.length,
    });
    // It either throws or takes it: from here on nothing fails.
    this.device.restore(device);
    this.state = registers;
    this.lastFailure = undefined;
    this.queues.forEach((queue, index) => {
      queue.restore(present(queues[index], 'a state that was read has a state for each queue'));
    });
    this.applyFeatures();
    this.updateLine();
  }

  private driverFeatures(): bigint {
    return (BigInt(this.state.driverFeaturesHigh) << 32n) | BigInt(this.state.driverFeaturesLow);
  }

  /** After FEATURES_OK the driver no longer changes what it accepts (3.1.1). */
  private writeDriverFeatures(value: number): void {
    if ((this.state.status & VIRTIO_STATUS_FEATURES_OK) !== 0) return;
    if (this.state.driverFeaturesSel === 0) this.state.driverFeaturesLow = value;
    else if (this.state.driverFeaturesSel === 1) this.state.driverFeaturesHigh = value;
  }

  private applyFeatures(): void {
    const indirect = this.hasFeature(VIRTIO_F_INDIRECT_DESC);
    const eventIndex = this.hasFeature(VIRTIO_F_EVENT_IDX);
    for (const queue of this.queues) {
      queue.indirectDescriptors = indirect;
      queue.eventIndex = eventIndex;
    }
  }

  /**
   * 2.1.1: the driver only adds bits, or writes 0. FEATURES_OK stays away when it accepts what was not offered (2.2.2).
   */
  private writeStatus(value: number): void {
    if (value === 0) {
      this.reset();
      return;
    }
    const before = this.state.status;
    let added = value & ~before & ~VIRTIO_STATUS_NEEDS_RESET;
    if ((this.driverFeatures() & ~this.offered) !== 0n) added &= ~VIRTIO_STATUS_FEATURES_OK;
    this.state.status = before | added;
    if ((added & (VIRTIO_STATUS_FEATURES_OK | VIRTIO_STATUS_DRIVER_OK)) !== 0) this.applyFeatures();
    if ((added & VIRTIO_STATUS_DRIVER_OK) !== 0) this.lookAtAllQueues();
  }

  /** Buffers may have been made available before DRIVER_OK, when notifications were not yet heard. */
  private lookAtAllQueues(): void {
    for (let index = 0; index < this.queues.length; index++) this.notify(index);
  }

  private notify(index: number): void {
    if (this.running && this.queues[index]?.ready === true) this.device.notify(index);
  }

  private writeQueueRegister(offset: number, value: number): void {
    const queue = this.queues[this.state.queueSel];
    if (queue === undefined) return;
    switch (offset) {
      case VIRTIO_MMIO_QUEUE_NUM:
        queue.configure({ size: value });
        break;
      case VIRTIO_MMIO_QUEUE_READY:
        this.writeQueueReady(queue, value);
        break;
      case VIRTIO_MMIO_QUEUE_DESC_LOW:
        queue.configure({ descriptorArea: withLowWord(queue.descriptorArea, value) });
        break;
      case VIRTIO_MMIO_QUEUE_DESC_HIGH:
        queue.configure({ descriptorArea: withHighWord(queue.descriptorArea, value) });
        break;
      case VIRTIO_MMIO_QUEUE_DRIVER_LOW:
        queue.configure({ driverArea: withLowWord(queue.driverArea, value) });
        break;
      case VIRTIO_MMIO_QUEUE_DRIVER_HIGH:
        queue.configure({ driverArea: withHighWord(queue.driverArea, value) });
        break;
      case VIRTIO_MMIO_QUEUE_DEVICE_LOW:
        queue.configure({ deviceArea: withLowWord(queue.deviceArea, value) });
        break;
      case VIRTIO_MMIO_QUEUE_DEVICE_HIGH:
        queue.configure({ deviceArea: withHighWord(queue.deviceArea, value) });
        break;
    }
  }

  private writeQueueReady(queue: SplitQueue, value: number): void {
    if ((value & 1) !== 0) {
      queue.start();
    } else if (queue.ready) {
      queue.stop();
      this.device.queueStopped(this.state.queueSel);
    }
  }

  private interrupt(cause: number): void {
    this.state.interruptStatus |= cause;
    this.updateLine();
  }

  private updateLine(): void {
    this.line.set(this.state.interruptStatus !== 0);
  }
}

function wordOf(set: bigint, word: number): number {
  return word < 2 ? Number((set >> BigInt(32 * word)) & 0xffff_ffffn) : 0;
}

function withLowWord(address: bigint, word: number): bigint {
  return (address & ~0xffff_ffffn) | BigInt(word >>> 0);
}

function withHighWord(address: bigint, word: number): bigint {
  return (address & 0xffff_ffffn) | (BigInt(word >>> 0) << 32n);
}
