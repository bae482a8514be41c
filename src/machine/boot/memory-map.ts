/**
 * The whole board on one page: the addresses and interrupt numbers of QEMU's `virt` machine, so that whatever boots
 * there boots here. The generation id and the slots from the ninth on, which that machine has not, are where its map
 * and its interrupts are free: QEMU's firmware configuration is at 0x1010_0000, its PCIe and IOMMU have the interrupts
 * 32 to 39, its platform bus those from 64 on.
 *
 *   0x0010_0000  test finisher        power off, reset
 *   0x0010_1000  goldfish RTC         interrupt 11
 *   0x0010_2000  VM generation id     interrupt 12
 *   0x0200_0000  CLINT                machine timer and software interrupts
 *   0x0c00_0000  PLIC                 96 sources, two contexts per hart
 *   0x1000_0000  16550A UART          interrupt 10
 *   0x1000_1000  virtio-mmio slot 0   interrupt 1
 *     ...
 *   0x1000_8000  virtio-mmio slot 7   interrupt 8
 *   0x1000_9000  virtio-mmio slot 8   interrupt 40
 *     ...
 *   0x1002_0000  virtio-mmio slot 31  interrupt 63
 *   0x8000_0000  RAM
 */
import { CLINT_SIZE_BYTES } from '../../device/clint/registers.ts';
import { FINISHER_SIZE_BYTES } from '../../device/finisher/registers.ts';
import { PLIC_SIZE_BYTES } from '../../device/plic/registers.ts';
import { RTC_SIZE_BYTES } from '../../device/rtc/registers.ts';
import { UART_SIZE_BYTES } from '../../device/uart/registers.ts';
import { VIRTIO_MMIO_SIZE_BYTES } from '../../device/virtio/mmio/registers.ts';
import { VMGENID_SIZE_BYTES } from '../../device/vmgenid/registers.ts';
import { RAM_BASE } from '../../memory/layout.ts';

export { RAM_BASE };

/** Where a device's registers lie, in bytes. */
export interface Region {
  readonly base: number;
  readonly sizeBytes: number;
}

export const FINISHER: Region = { base: 0x10_0000, sizeBytes: FINISHER_SIZE_BYTES };
export const RTC: Region = { base: 0x10_1000, sizeBytes: RTC_SIZE_BYTES };
export const VMGENID: Region = { base: 0x10_2000, sizeBytes: VMGENID_SIZE_BYTES };
export const CLINT: Region = { base: 0x200_0000, sizeBytes: CLINT_SIZE_BYTES };
export const PLIC: Region = { base: 0xc00_0000, sizeBytes: PLIC_SIZE_BYTES };
export const UART: Region = { base: 0x1000_0000, sizeBytes: UART_SIZE_BYTES };

/** PLIC sources. */
export const UART_INTERRUPT = 10;
export const RTC_INTERRUPT = 11;
export const VMGENID_INTERRUPT = 12;

export const VIRTIO_MMIO_BASE = 0x1000_1000;
/** Distance between slots: their register blocks lie side by side. */
export const VIRTIO_MMIO_STRIDE = VIRTIO_MMIO_SIZE_BYTES;
/** How many slots there is room for. A board version (../board-versions.ts) says how many there are. */
export const VIRTIO_MMIO_SLOT_COUNT = 32;
/** The slots that QEMU's machine has, too. */
const QEMU_SLOT_COUNT = 8;
const FURTHER_SLOTS_INTERRUPT = 40;

/** The register block of slot `slot`, 0 to VIRTIO_MMIO_SLOT_COUNT - 1. */
export function virtioSlotRegion(slot: number): Region {
  return { base: VIRTIO_MMIO_BASE + slot * VIRTIO_MMIO_STRIDE, sizeBytes: VIRTIO_MMIO_SIZE_BYTES };
}

/** The PLIC source of slot `slot`. */
export function virtioSlotInterrupt(slot: number): number {
  return slot < QEMU_SLOT_COUNT ? slot + 1 : FURTHER_SLOTS_INTERRUPT + slot - QEMU_SLOT_COUNT;
}

/** Ticks per second of `mtime` and the `time` CSR. */
export const TIMEBASE_HZ = 10_000_000;
/** Frequency of the UART's baud rate generator, in Hz. */
export const UART_CLOCK_HZ = 3_686_400;

/** Interrupt numbers of a hart's own controller: bit numbers of `mip` (privileged spec, 3.1.9). */
export const HART_INTERRUPT_MACHINE_SOFTWARE = 3;
export const HART_INTERRUPT_MACHINE_TIMER = 7;
export const HART_INTERRUPT_SUPERVISOR_EXTERNAL = 9;
export const HART_INTERRUPT_MACHINE_EXTERNAL = 11;
