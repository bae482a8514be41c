import type { Stateful } from '../../state/plain-data.ts';
import type { AccessWidth, GuestMemory } from '../device.ts';
import type { SplitQueue } from './queue/split-queue.ts';

/** What a virtio device finds around it. */
export interface VirtioTransport {
  readonly memory: GuestMemory;
  /** The driver has set DRIVER_OK and the device has not failed: buffers may be used. */
  readonly running: boolean;
  hasFeature(bit: number): boolean;
  queue(index: number): SplitQueue;
  /** Buffers have been pushed: interrupts the driver if it wants that. */
  signalUsed(index: number): void;
  /** The configuration space has changed: the driver is told, and sees another ConfigGeneration. */
  configurationChanged(): void;
  /** The driver has broken a rule: DEVICE_NEEDS_RESET, and nothing happens until it resets the device (2.1.1). */
  fail(reason: string): void;
}

export interface QueueLimits {
  readonly chainBytesMaximum: number;
  /** Of its entries. Default: as many as a queue can have. A driver may fill all of a queue that it receives by. */
  readonly sizeMaximum?: number;
}

/** One kind of virtio device (virtio 1.2, chapter 5), without the transport that makes it visible. */
export interface VirtioFunction extends Stateful {
  readonly name: string;
  /** Chapter 5, "Device ID". */
  readonly deviceId: number;
  /** Feature bits 0 to 23 of this kind of device; the transport adds its own. */
  readonly features: bigint;
  /** One entry per queue. A longer buffer than that is a driver's mistake; it bounds what one buffer costs the host. */
  readonly queues: readonly QueueLimits[];
  /** Called once, before anything else. */
  connect(transport: VirtioTransport): void;
  /** Configuration space; any offset, past the end it reads as 0 and ignores writes. */
  readConfiguration(offset: number, width: AccessWidth): number;
  writeConfiguration(offset: number, width: AccessWidth, value: number): void;
  /** There may be new buffers in a queue. */
  notify(queue: number): void;
  /** The driver has taken a queue out of use: its buffers are gone. */
  queueStopped(queue: number): void;
  reset(): void;
}
