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

/** A virtio-mmio slot without a device: DeviceID is 0, which tells drivers to leave it alone (virtio 1.2, 4.2.3.1). */
export class EmptyVirtioSlot implements MmioDevice {
  readonly name: string;
  readonly sizeBytes = VIRTIO_MMIO_SIZE_BYTES;

  constructor(name: string) {
    this.name = name;
  }

  read(offset: number, width: AccessWidth): number {
    if (width !== 4) return 0;
    if (offset === VIRTIO_MMIO_MAGIC_VALUE) return VIRTIO_MAGIC;
    if (offset === VIRTIO_MMIO_VERSION) return VIRTIO_VERSION;
    return offset === VIRTIO_MMIO_VENDOR_ID ? VIRTIO_VENDOR : 0;
  }

  write(): void {}

  reset(): void {}

  save(): PlainData {
    return {};
  }

  restore(state: PlainData): void {
    new StateReader(this.name, state, []);
  }
}
