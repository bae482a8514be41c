import { GodwitError } from '../common/errors.ts';
import { MmioBus } from '../device/bus/mmio-bus.ts';
import { Clint } from '../device/clint/clint.ts';
import type { Entropy, GuestClock, GuestMemory, HartInterrupts, MmioDevice } from '../device/device.ts';
import { type Finish, TestFinisher } from '../device/finisher/test-finisher.ts';
import { Plic } from '../device/plic/plic.ts';
import { GoldfishRtc } from '../device/rtc/goldfish-rtc.ts';
import { Uart16550 } from '../device/uart/uart16550.ts';
import type { ShareBackend } from '../device/virtio/9p/backend.ts';
import { Virtio9p } from '../device/virtio/9p/virtio-9p.ts';
import type { BlockBackend } from '../device/virtio/block/backend.ts';
import { VirtioBlock } from '../device/virtio/block/virtio-block.ts';
import { VirtioConsole } from '../device/virtio/console/virtio-console.ts';
import { VirtioPort, type VirtioPortParts } from '../device/virtio/console/virtio-port.ts';
import { VirtioEntropy } from '../device/virtio/entropy/virtio-entropy.ts';
import { EmptyVirtioSlots } from '../device/virtio/mmio/empty-slots.ts';
import { VirtioMmio } from '../device/virtio/mmio/virtio-mmio.ts';
import type { VirtioFunction } from '../device/virtio/transport.ts';
import { VmGenerationId } from '../device/vmgenid/vm-generation-id.ts';
import { MTIMECMP } from '../hart/layout.ts';
import type { PlainData, Stateful } from '../state/plain-data.ts';
import { StateReader } from '../state/state-reader.ts';
import { type BoardVersion, disksMaximum } from './board-versions.ts';
import * as map from './boot/memory-map.ts';
import type { BootRequest } from './boot/plan.ts';
import type { Hart } from './hart.ts';

export interface DiskDescription {
  readonly sizeBytes: number;
  readonly readonly: boolean;
  /** Up to 20 ASCII characters, which the guest sees in /dev/disk/by-id. */
  readonly serial: string;
  readonly backend: BlockBackend;
}

/** A folder of the host. */
export interface ShareDescription {
  /** What the guest mounts it by. */
  readonly tag: string;
  readonly backend: ShareBackend;
}

export interface BoardParts {
  readonly version: BoardVersion;
  readonly harts: readonly [Hart, ...Hart[]];
  readonly memory: GuestMemory;
  readonly clock: GuestClock;
  readonly entropy: Entropy;
  readonly disks: readonly DiskDescription[];
  readonly shares: readonly ShareDescription[];
  readonly terminal: { readonly columns: number; readonly rows: number };
  /** A compare register of the CLINT was written. */
  readonly timersChanged: () => void;
  readonly finish: (finish: Finish) => void;
  readonly transmitUart: (byte: number) => void;
  readonly transmitConsole: (bytes: Uint8Array) => void;
  /** The guest's agent has a port. */
  readonly agent?: AgentPortParts | undefined;
}

export type AgentPortParts = Pick<VirtioPortParts, 'transmit' | 'opened'>;

/** The device of the agent's port; what the guest calls the port. */
const AGENT_NAME = 'virtio-port@0';
export const AGENT_PORT_NAME = 'org.godwit.agent';

/** Whether a machine has a port for its agent whose `MachineCore.save` gave this. */
export function hasAgentPort(state: PlainData): boolean {
  const board = (state as { board?: unknown } | null)?.board;
  return typeof board === 'object' && board !== null && Object.hasOwn(board, AGENT_NAME);
}

const DISK_NAME = 'virtio-blk@';
const SHARE_NAME = 'virtio-9p@';

/** QEMU's `virt` board, and a VM generation id: every device at its address, with its interrupt. */
export class Board implements Stateful {
  readonly version: BoardVersion;
  readonly bus = new MmioBus();
  readonly plic: Plic;
  readonly uart: Uart16550;
  readonly rtc: GoldfishRtc;
  readonly generationId: VmGenerationId;
  readonly console: VirtioConsole;
  readonly disks: readonly VirtioBlock[];
  /** For the agent in the guest, in machines that have one. */
  readonly agent: VirtioPort | undefined;
  readonly shares: readonly Virtio9p[];
  /** All of them, by their addresses. */
  private readonly devices: readonly MmioDevice[];
  private usedSlots = 0;

  constructor(parts: BoardParts) {
    const { version } = parts;
    const most = disksMaximum(version, parts.agent !== undefined);
    const wanted = parts.disks.length + parts.shares.length;
    if (wanted > most) {
      const what = parts.shares.length > 0 ? 'disks and shared folders' : 'disks';
      throw new GodwitError('limit', `the board has room for ${most} ${what}, not ${wanted}`);
    }
    this.version = version;
    const harts = interruptsOf(parts.harts);
    this.plic = new Plic({ harts });
    this.uart = new Uart16550({ transmit: parts.transmitUart, line: this.plic.line(map.UART_INTERRUPT) });
    this.rtc = new GoldfishRtc({ clock: parts.clock, line: this.plic.line(map.RTC_INTERRUPT) });
    this.generationId = new VmGenerationId({ line: this.plic.line(map.VMGENID_INTERRUPT) });
    this.console = new VirtioConsole({ name: 'virtio-console@0', transmit: parts.transmitConsole, ...parts.terminal });
    this.disks = parts.disks.map((disk, i) => new VirtioBlock({ name: `${DISK_NAME}${i}`, ...disk }));
    this.shares = parts.shares.map((share, i) => new Virtio9p({ name: `${SHARE_NAME}${i}`, ...share }));
    const finisher = new TestFinisher({ finish: parts.finish });
    const clint = makeClint(parts, harts);
    this.bus.add(map.FINISHER.base, finisher);
    this.bus.add(map.RTC.base, this.rtc);
    this.bus.add(map.VMGENID.base, this.generationId);
    this.bus.add(map.CLINT.base, clint);
    this.bus.add(map.PLIC.base, this.plic);
    this.bus.add(map.UART.base, this.uart);
    const entropy = new VirtioEntropy({ name: 'virtio-rng@0', entropy: parts.entropy });
    const { agent } = parts;
    this.agent = agent && new VirtioPort({ name: AGENT_NAME, portName: AGENT_PORT_NAME, ...agent });
    const functions = [...this.disks, this.console, entropy, ...(this.agent ? [this.agent] : []), ...this.shares];
    const slots = this.addSlots(parts.memory, functions);
    this.devices = [finisher, this.rtc, this.generationId, clint, this.plic, this.uart, ...slots];
    this.addEmptySlots();
  }

  private addSlots(memory: GuestMemory, functions: readonly VirtioFunction[]): VirtioMmio[] {
    this.usedSlots = functions.length;
    return functions.map((device, slot) => {
      const line = this.plic.line(map.virtioSlotInterrupt(slot));
      const mmio = new VirtioMmio({ name: device.name, memory, line, device });
      this.bus.add(map.virtioSlotRegion(slot).base, mmio);
      return mmio;
    });
  }

  /** They have no state: what takes one of them later has one of its own. */
  private addEmptySlots(): void {
    const count = this.version.virtioSlots - this.usedSlots;
    if (count > 0) this.bus.add(map.virtioSlotRegion(this.usedSlots).base, new EmptyVirtioSlots(count));
  }

  /** What of booting follows from the board. */
  get description(): Pick<BootRequest, 'isa' | 'mmu' | 'virtioSlots' | 'elfEntry'> {
    const { isa, mmu, virtioSlotsShown, elfEntry } = this.version;
    return { isa, mmu, elfEntry, virtioSlots: Math.max(virtioSlotsShown, this.usedSlots) };
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

  /** Throws GodwitError 'damaged' or 'unsupported'. */
  restore(state: PlainData): void {
    const names = this.devices.map(({ name }) => name);
    const other = Object.keys(state ?? {}).find((name) => isOfHost(name) && !names.includes(name));
    if (other !== undefined) {
      const what = other.startsWith(DISK_NAME) ? 'disk' : 'shared folder';
      throw new GodwitError('damaged', `The saved state has the ${what} "${other}", which this machine has not.`);
    }
    const reader = new StateReader('the devices', state, names);
    for (const device of this.devices) device.restore(reader.raw(device.name));
  }
}

/** What stands behind the device is not a part of the state. */
function isOfHost(name: string): boolean {
  return name.startsWith(DISK_NAME) || name.startsWith(SHARE_NAME);
}

/** Where CLINT and PLIC put their outputs, with several harts. */
function interruptsOf(harts: readonly Hart[]): HartInterrupts {
  return {
    hartCount: harts.length,
    set: (hart, interrupt, level) => harts[hart]?.setInterrupt(interrupt, level),
  };
}

function makeClint({ harts, clock, timersChanged }: BoardParts, interrupts: HartInterrupts): Clint {
  const compare = {
    get: (hart: number) => harts[hart]!.unsigned(MTIMECMP),
    set: (hart: number, value: bigint) => {
      harts[hart]!.put(MTIMECMP, value);
      timersChanged();
    },
  };
  return new Clint({ harts: interrupts, clock, compare });
}
