/**
 * The device tree of the board: what QEMU's `virt` machine gives, less the devices that godwit has not, and with a VM
 * generation id. Linux, OpenSBI, U-Boot and xv6 find all they need in it.
 */

import { GodwitError } from '../../common/errors.ts';
import { FINISHER_PASS, FINISHER_RESET } from '../../device/finisher/registers.ts';
import { PLIC_SOURCE_COUNT } from '../../device/plic/registers.ts';
import {
  bytes,
  type Cell,
  cells,
  type DeviceTreeNode,
  EMPTY,
  type MemoryReservation,
  node,
  type PropertyValue,
  reference,
  strings,
  u64,
  u64Cells,
  writeFdt,
} from './fdt.ts';
import { canonicalExtensions, HART_EXTENSIONS, isaString } from './isa-string.ts';
import {
  CLINT,
  FINISHER,
  HART_INTERRUPT_MACHINE_EXTERNAL,
  HART_INTERRUPT_MACHINE_SOFTWARE,
  HART_INTERRUPT_MACHINE_TIMER,
  HART_INTERRUPT_SUPERVISOR_EXTERNAL,
  PLIC,
  RAM_BASE,
  type Region,
  RTC,
  RTC_INTERRUPT,
  TIMEBASE_HZ,
  UART,
  UART_CLOCK_HZ,
  UART_INTERRUPT,
  VIRTIO_MMIO_SLOT_COUNT,
  VMGENID,
  VMGENID_INTERRUPT,
  virtioSlotInterrupt,
  virtioSlotRegion,
} from './memory-map.ts';

/** As many as QEMU's machine has. */
const VIRTIO_SLOTS_SHOWN = 8;

/** Guest-physical addresses; `end` is the first byte behind. */
export interface AddressRange {
  readonly start: bigint;
  readonly end: bigint;
}

export interface BoardDescription {
  /** RAM from RAM_BASE. */
  readonly memoryBytes: number;
  /** The kernel's command line. */
  readonly bootArguments?: string;
  readonly initrd?: AddressRange;
  /** virtio-mmio slots that are shown, from slot 0; default 8. */
  readonly virtioSlots?: number;
  /** Default 1. */
  readonly hartCount?: number;
  readonly bootHart?: number;
  /** Extension names in any order; default HART_EXTENSIONS. */
  readonly isa?: readonly string[];
  /** Largest translation mode; default 'sv48'. */
  readonly mmu?: 'sv39' | 'sv48';
  /** Block size of the cache-block instructions in bytes; default 64. */
  readonly cacheBlockBytes?: number;
  /** `rng-seed`: seeds the kernel's random numbers at once. Linux takes it out of the tree after reading. */
  readonly seed?: Uint8Array;
  /** Path or alias of the console; default the UART. */
  readonly stdoutPath?: string;
  /** RAM that the kernel must leave alone, written into the reservation block. */
  readonly reservations?: readonly MemoryReservation[];
}

/** The flattened tree. Throws GodwitError('usage') for what cannot be described. */
export function boardDeviceTree(board: BoardDescription): Uint8Array {
  return writeFdt(boardTree(board), {
    reservations: board.reservations ?? [],
    bootHart: board.bootHart ?? 0,
  });
}

/** The tree before it is flattened. */
export function boardTree(board: BoardDescription): DeviceTreeNode {
  const hartCount = board.hartCount ?? 1;
  const virtioSlots = board.virtioSlots ?? VIRTIO_SLOTS_SHOWN;
  requireCount('memory size', board.memoryBytes, 1, Number.MAX_SAFE_INTEGER);
  requireCount('number of harts', hartCount, 1, 4095);
  requireCount('boot hart', board.bootHart ?? 0, 0, hartCount - 1);
  requireCount('number of virtio slots', virtioSlots, 0, VIRTIO_MMIO_SLOT_COUNT);
  return node(
    '',
    {
      '#address-cells': cells(2),
      '#size-cells': cells(2),
      compatible: strings('riscv-virtio'),
      model: strings('riscv-virtio,godwit'),
    },
    [
      node('aliases', { serial0: strings(UART_PATH) }),
      chosenNode(board),
      node(unitName('memory', RAM_BASE), {
        device_type: strings('memory'),
        reg: regOf({ base: RAM_BASE, sizeBytes: board.memoryBytes }),
      }),
      cpusNode(board, hartCount),
      sysconNode('poweroff', 'syscon-poweroff', FINISHER_PASS),
      sysconNode('reboot', 'syscon-reboot', FINISHER_RESET),
      socNode(hartCount, virtioSlots),
    ],
  );
}

const UART_PATH = `/soc/${unitName('serial', UART.base)}`;

function chosenNode(board: BoardDescription): DeviceTreeNode {
  const properties: Record<string, PropertyValue> = { 'stdout-path': strings(board.stdoutPath ?? UART_PATH) };
  if (board.bootArguments !== undefined) properties.bootargs = strings(board.bootArguments);
  if (board.initrd !== undefined) {
    properties['linux,initrd-start'] = u64(board.initrd.start);
    properties['linux,initrd-end'] = u64(board.initrd.end);
  }
  if (board.seed !== undefined) properties['rng-seed'] = bytes(board.seed);
  return node('chosen', properties);
}

function cpusNode(board: BoardDescription, hartCount: number): DeviceTreeNode {
  const harts = range(hartCount);
  return node(
    'cpus',
    { '#address-cells': cells(1), '#size-cells': cells(0), 'timebase-frequency': cells(TIMEBASE_HZ) },
    [
      ...harts.map((hart) => cpuNode(board, hart)),
      node('cpu-map', {}, [
        node(
          'cluster0',
          {},
          harts.map((hart) => node(`core${hart}`, { cpu: cells(reference(cpuLabel(hart))) })),
        ),
      ]),
    ],
  );
}

function cpuNode(board: BoardDescription, hart: number): DeviceTreeNode {
  const isa = board.isa ?? HART_EXTENSIONS;
  const properties: Record<string, PropertyValue> = {
    device_type: strings('cpu'),
    reg: cells(hart),
    status: strings('okay'),
    compatible: strings('riscv'),
    // The string is what firmware and kernels up to 6.6 read, the list what came after it.
    'riscv,isa': strings(isaString(isa)),
    'riscv,isa-base': strings('rv64i'),
    'riscv,isa-extensions': strings(...canonicalExtensions(isa)),
    'mmu-type': strings(`riscv,${board.mmu ?? 'sv48'}`),
  };
  const blockBytes = cells(board.cacheBlockBytes ?? 64);
  if (isa.includes('zicbom')) properties['riscv,cbom-block-size'] = blockBytes;
  if (isa.includes('zicboz')) properties['riscv,cboz-block-size'] = blockBytes;
  const controller = node(
    'interrupt-controller',
    {
      '#address-cells': cells(0),
      '#interrupt-cells': cells(1),
      'interrupt-controller': EMPTY,
      compatible: strings('riscv,cpu-intc'),
    },
    [],
    controllerLabel(hart),
  );
  return node(`cpu@${hart.toString(16)}`, properties, [controller], cpuLabel(hart));
}

function socNode(hartCount: number, virtioSlots: number): DeviceTreeNode {
  return node(
    'soc',
    {
      '#address-cells': cells(2),
      '#size-cells': cells(2),
      compatible: strings('simple-bus'),
      ranges: EMPTY,
    },
    [
      node(
        unitName('test', FINISHER.base),
        { reg: regOf(FINISHER), compatible: strings('sifive,test1', 'sifive,test0', 'syscon') },
        [],
        'finisher',
      ),
      node(unitName('rtc', RTC.base), {
        ...wired(RTC, RTC_INTERRUPT),
        compatible: strings('google,goldfish-rtc'),
      }),
      node(unitName('rng', VMGENID.base), {
        ...wired(VMGENID, VMGENID_INTERRUPT),
        compatible: strings('microsoft,vmgenid'),
      }),
      clintNode(hartCount),
      plicNode(hartCount),
      node(unitName('serial', UART.base), {
        ...wired(UART, UART_INTERRUPT),
        'clock-frequency': cells(UART_CLOCK_HZ),
        compatible: strings('ns16550a'),
      }),
      ...range(virtioSlots).map(virtioNode),
    ],
  );
}

function clintNode(hartCount: number): DeviceTreeNode {
  return node(unitName('clint', CLINT.base), {
    reg: regOf(CLINT),
    'interrupts-extended': hartInterrupts(hartCount, HART_INTERRUPT_MACHINE_SOFTWARE, HART_INTERRUPT_MACHINE_TIMER),
    compatible: strings('sifive,clint0', 'riscv,clint0'),
  });
}

/** Contexts in the order of `interrupts-extended`: M-mode and S-mode of each hart. */
function plicNode(hartCount: number): DeviceTreeNode {
  return node(
    unitName('plic', PLIC.base),
    {
      reg: regOf(PLIC),
      'riscv,ndev': cells(PLIC_SOURCE_COUNT),
      'interrupts-extended': hartInterrupts(
        hartCount,
        HART_INTERRUPT_MACHINE_EXTERNAL,
        HART_INTERRUPT_SUPERVISOR_EXTERNAL,
      ),
      'interrupt-controller': EMPTY,
      compatible: strings('sifive,plic-1.0.0', 'riscv,plic0'),
      '#address-cells': cells(0),
      '#interrupt-cells': cells(1),
    },
    [],
    'plic',
  );
}

function virtioNode(slot: number): DeviceTreeNode {
  const region = virtioSlotRegion(slot);
  return node(unitName('virtio_mmio', region.base), {
    ...wired(region, virtioSlotInterrupt(slot)),
    compatible: strings('virtio,mmio'),
  });
}

/** Powering off and rebooting are writes to the finisher's first register. */
function sysconNode(name: string, compatible: string, value: number): DeviceTreeNode {
  return node(name, {
    value: cells(value),
    offset: cells(0),
    regmap: cells(reference('finisher')),
    compatible: strings(compatible),
  });
}

function wired(region: Region, interrupt: number): Record<string, PropertyValue> {
  return { interrupts: cells(interrupt), 'interrupt-parent': cells(reference('plic')), reg: regOf(region) };
}

function regOf({ base, sizeBytes }: Region): PropertyValue {
  return cells(...u64Cells(BigInt(base)), ...u64Cells(BigInt(sizeBytes)));
}

function hartInterrupts(hartCount: number, ...interrupts: number[]): PropertyValue {
  return cells(
    ...range(hartCount).flatMap((hart) =>
      interrupts.flatMap((interrupt): Cell[] => [reference(controllerLabel(hart)), interrupt]),
    ),
  );
}

function cpuLabel(hart: number): string {
  return `cpu${hart}`;
}

function controllerLabel(hart: number): string {
  return `cpu${hart}-interrupts`;
}

function unitName(name: string, address: number): string {
  return `${name}@${address.toString(16)}`;
}

function range(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index);
}

function requireCount(what: string, value: number, minimum: number, maximum: number): void {
  if (Number.isInteger(value) && value >= minimum && value <= maximum) return;
  throw new GodwitError(
    'usage',
    `A ${what} of ${value} cannot be: it is a whole number from ${minimum} to ${maximum}.`,
  );
}
