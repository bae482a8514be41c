import { GodwitError } from '../common/errors.ts';
import { MmioBus } from '../device/bus/mmio-bus.ts';
import { Clint } from '../device/clint/clint.ts';
import type { Entropy, GuestClock, GuestMemory, HartInterrupts, MmioDevice } from '../device/device.ts';
import { type Finish, TestFinisher } from '../device/finisher/test-finisher.ts';
import { Plic } from '../device/plic/plic.ts';
import { GoldfishRtc } from '../device/rtc/goldfish-rtc.ts';
import { Uart16550 } from '../device/uart/uart16550.ts';
import type { BlockBackend } from '../device/virtio/block/backend.ts';
import { VirtioBlock } from '../device/virtio/block/virtio-block.ts';
import { VirtioConsole } from '../device/virtio/console/virtio-console.ts';
import { VirtioEntropy } from '../device/virtio/entropy/virtio-entropy.ts';
import { EmptyVirtioSlot as EmptySlot } from '../device/virtio/mmio/empty-slot.ts';
import { VirtioMmio } from '../device/virtio/mmio/virtio-mmio.ts';
import type { VirtioFunction } from '../device/virtio/transport.ts';
import { VmGenerationId } from '../device/vmgenid/vm-generation-id.ts';
import { MTIMECMP } from '../hart/layout.ts';
import type { PlainData, Stateful } from '../state/plain-data.ts';
import * as map from './boot/memory-map.ts';
import type { Hart } from './hart.ts';

export interface DiskDescription {
  readonly sizeBytes: number;
  readonly readonly: boolean;
  /** Up to 20 ASCII characters, which the guest sees in /dev/disk/by-id. */
  readonly serial: string;
  readonly backend: BlockBackend;
}

export interface BoardParts {
  readonly hart: Hart;
  readonly memory: GuestMemory;
  readonly clock: GuestClock;
  readonly entropy: Entropy;
  readonly disks: readonly DiskDescription[];
  readonly terminal: { readonly columns: number; readonly rows: number };
  /** A compare register of the CLINT was written. */
  readonly timersChanged: () => void;
  readonly finish: (finish: Finish) => void;
  readonly transmitUart: (byte: number) => void;
  readonly transmitConsole: (bytes: Uint8Array) => void;
}

/** Slots: disks from the first on, then the console; the last has the random number generator. */
const CONSOLE_AND_ENTROPY = 2;
export const DISKS_MAXIMUM = map.VIRTIO_MMIO_SLOT_COUNT - CONSOLE_AND_ENTROPY;

/** QEMU's `virt` board, and a VM generation id: every device at its address, with its interrupt. */
export class Board implements Stateful {
  readonly bus = new MmioBus();
  readonly plic: Plic;
  readonly uart: Uart16550;
  readonly rtc: GoldfishRtc;
  readonly generationId: VmGenerationId;
  readonly console: VirtioConsole;
  readonly disks: readonly VirtioBlock[];
  /** All of them, by their addresses. */
  private readonly devices: readonly MmioDevice[];

  constructor(parts: BoardParts) {
    if (parts.disks.length > DISKS_MAXIMUM) {
      throw new GodwitError('limit', `the board has room for ${DISKS_MAXIMUM} disks, not ${parts.disks.length}`);
    }
    const harts: HartInterrupts = parts.hart;
    this.plic = new Plic({ harts });
    this.uart = new Uart16550({ transmit: parts.transmitUart, line: this.plic.line(map.UART_INTERRUPT) });
    this.rtc = new GoldfishRtc({ clock: parts.clock, line: this.plic.line(map.RTC_INTERRUPT) });
    this.generationId = new VmGenerationId({ line: this.plic.line(map.VMGENID_INTERRUPT) });
    this.console = new VirtioConsole({ name: 'console0', transmit: parts.transmitConsole, ...parts.terminal });
    this.disks = parts.disks.map((disk, i) => new VirtioBlock({ name: `disk${i}`, ...disk }));
    this.bus.add(map.FINISHER.base, new TestFinisher({ finish: parts.finish }));
    this.bus.add(map.RTC.base, this.rtc);
    this.bus.add(map.VMGENID.base, this.generationId);
    this.bus.add(map.CLINT.base, makeClint(parts));
    this.bus.add(map.PLIC.base, this.plic);
    this.bus.add(map.UART.base, this.uart);
    const entropy = new VirtioEntropy({ name: 'entropy0', entropy: parts.entropy });
    this.addSlots(parts.memory, [...this.disks, this.console, entropy]);
    this.devices = this.bus.devices.map(({ device }) => device);
  }

  private addSlots(memory: GuestMemory, functions: readonly VirtioFunction[]): void {
    for (let slot = 0; slot < map.VIRTIO_MMIO_SLOT_COUNT; slot++) {
      const name = `virtio${slot}`;
      const device = functions[slot];
      const line = this.plic.line(map.virtioSlotInterrupt(slot));
      const mmio = device ? new VirtioMmio({ name, memory, line, device }) : new EmptySlot(name);
      this.bus.add(map.virtioSlotRegion(slot).base, mmio);
    }
  }

  /** All devices to the state after power-on. */
  reset(): void {
    for (const device of this.devices) device.reset();
  }

  save(): PlainData {
    const states: { [name: string]: PlainData } = {};
    for (const device of this.devices) states[device.name] = device.save();
    return states;
  }

  restore(state: PlainData): void {
    const states = (state ?? {}) as { [name: string]: PlainData };
    const missing = this.devices.find(({ name }) => states[name] === undefined);
    if (missing) throw new GodwitError('damaged', `the state of the device ${missing.name} is missing`);
    for (const device of this.devices) device.restore(states[device.name]!);
  }
}

function makeClint({ hart, clock, timersChanged }: BoardParts): Clint {
  const compare = {
    get: () => hart.unsigned(MTIMECMP),
    set: (_hart: number, value: bigint) => {
      hart.put(MTIMECMP, value);
      timersChanged();
    },
  };
  return new Clint({ harts: hart, clock, compare });
}
