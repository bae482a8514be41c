import type { PlainData } from '../../../state/plain-data.ts';
import { StateReader } from '../../../state/state-reader.ts';
import { SplitQueue, type SplitQueueState } from '../queue/split-queue.ts';
import { VIRTIO_MMIO_INT_CONFIG, VIRTIO_MMIO_INT_VRING } from './registers.ts';

/** The registers of a transport that are not a queue's. */
export interface VirtioMmioState {
  deviceFeaturesSel: number;
  driverFeaturesSel: number;
  /** Words 0 and 1 of what the driver has accepted. */
  driverFeaturesLow: number;
  driverFeaturesHigh: number;
  queueSel: number;
  interruptStatus: number;
  status: number;
  configGeneration: number;
}

export function initialVirtioMmioState(): VirtioMmioState {
  return {
    deviceFeaturesSel: 0,
    driverFeaturesSel: 0,
    driverFeaturesLow: 0,
    driverFeaturesHigh: 0,
    queueSel: 0,
    interruptStatus: 0,
    status: 0,
    configGeneration: 0,
  };
}

export interface SavedVirtioMmio {
  readonly registers: VirtioMmioState;
  readonly queues: readonly SplitQueueState[];
  /** What the device's own `restore` takes; not checked here. */
  readonly device: PlainData;
}

export const VIRTIO_MMIO_STATE_VERSION = 1;
const FIELDS = [
  'deviceId',
  'deviceFeaturesSel',
  'driverFeaturesSel',
  'driverFeaturesLow',
  'driverFeaturesHigh',
  'queueSel',
  'interruptStatus',
  'status',
  'configGeneration',
  'queues',
  'device',
] as const;

/** Checks what was saved. Throws GodwitError('damaged'). */
export function readVirtioMmioState(
  name: string,
  data: PlainData,
  expected: { deviceId: number; queueCount: number },
): SavedVirtioMmio {
  const reader = StateReader.part(name, data, VIRTIO_MMIO_STATE_VERSION, FIELDS);
  const word = (field: string): number => reader.integer(field, 0xffff_ffff);
  reader.require(word('deviceId') === expected.deviceId, 'it is of another kind of device');
  const registers: VirtioMmioState = {
    deviceFeaturesSel: word('deviceFeaturesSel'),
    driverFeaturesSel: word('driverFeaturesSel'),
    driverFeaturesLow: word('driverFeaturesLow'),
    driverFeaturesHigh: word('driverFeaturesHigh'),
    queueSel: word('queueSel'),
    interruptStatus: reader.integer('interruptStatus', VIRTIO_MMIO_INT_VRING | VIRTIO_MMIO_INT_CONFIG),
    status: reader.integer('status', 0xff),
    configGeneration: word('configGeneration'),
  };
  const queues = reader
    .list('queues', expected.queueCount, expected.queueCount)
    .map((queue, index) => SplitQueue.read(`${name}, queue ${index}`, queue));
  return { registers, queues, device: reader.raw('device') };
}
