import type { PlainData } from '../../../state/plain-data.ts';
import { StateReader } from '../../../state/state-reader.ts';
import type { AccessWidth, MmioDevice } from '../../device.ts';
import {
  VIRTIO_MAGIC,
  VIRTIO_MMIO_MAGIC_VALUE,
  VIRTIO_MMIO_SIZE_BYTES,
  VIRTIO_MMIO_VENDOR_ID,
  VIRTIO_MMIO_VERSION,
  VIRTIO_VENDOR,
  VIRTIO_VERSION,
} from './registers.ts';

/** Of the saved state. */
const VERSION = 1;

/**
 * Virtio-mmio slots without a device, side by side: DeviceID is 0, which tells drivers to leave them alone (virtio 1.2,
 * 4.2.3.1). What takes one of them has a state of its own, so a machine's state need not have this one's.
 */
export class EmptyVirtioSlots implements MmioDevice {
  readonly name = 'empty virtio slots';
  readonly sizeBytes: number;

  constructor(count: number) {
    this.sizeBytes = count * VIRTIO_MMIO_SIZE_BYTES;
  }

  read(address: number, width: AccessWidth): number {
    const offset = address % VIRTIO_MMIO_SIZE_BYTES;
    if (width !== 4) return 0;
    if (offset === VIRTIO_MMIO_MAGIC_VALUE) return VIRTIO_MAGIC;
    if (offset === VIRTIO_MMIO_VERSION) return VIRTIO_VERSION;
    return offset === VIRTIO_MMIO_VENDOR_ID ? VIRTIO_VENDOR : 0;
  }

  write(): void {}

  reset(): void {}

  save(): PlainData {
    return { version: VERSION };
  }

  restore(state: PlainData): void {
    StateReader.part(this.name, state, VERSION, []);
  }
}
