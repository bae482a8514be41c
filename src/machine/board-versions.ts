import { madeByNewer } from '../state/format-errors.ts';
import type { PlainData } from '../state/plain-data.ts';
import type { ElfEntry } from './boot/elf-program.ts';
import { HART_EXTENSIONS, SVADE_EXTENSIONS } from './boot/isa-string.ts';

/**
 * What a guest finds: all that may differ between machines of one godwit and the next, and must not for one that was
 * saved. Saved states and recordings name their board version and go on with it for ever. New behaviour is a new
 * version; one that was released is never changed.
 */
export interface BoardVersion {
  readonly name: string;
  /** Extensions of the harts at reset, as the device tree has them. With svadu, menvcfg.ADUE is there, and set. */
  readonly isa: readonly string[];
  /** Where an ELF file is entered. */
  readonly elfEntry: ElfEntry;
  /** The largest translation mode. */
  readonly mmu: 'sv39' | 'sv48';
  /** How many virtio-mmio slots there are (boot/memory-map.ts has their places). */
  readonly virtioSlots: number;
  /**
   * So many of them are in the device tree in any case, the others only with a device: each that is shown costs a guest
   * some of its boot.
   */
  readonly virtioSlotsShown: number;
}

const VIRT_1: BoardVersion = {
  name: 'virt-1',
  isa: SVADE_EXTENSIONS,
  elfEntry: 'entry-point',
  mmu: 'sv48',
  virtioSlots: 32,
  virtioSlotsShown: 8,
};

const VIRT_2: BoardVersion = {
  ...VIRT_1,
  name: 'virt-2',
  isa: HART_EXTENSIONS,
  elfEntry: 'lowest-address',
};

const BOARD_VERSIONS: readonly BoardVersion[] = [VIRT_1, VIRT_2];

/** Slots: disks from the first on, then the console, the random number generator, and the agent's port if any. */
const CONSOLE_AND_ENTROPY = 2;

export function disksMaximum({ virtioSlots }: BoardVersion, hasAgent = false): number {
  return virtioSlots - CONSOLE_AND_ENTROPY - (hasAgent ? 1 : 0);
}

/** Of new machines. */
export const CURRENT_BOARD: BoardVersion = VIRT_2;

/** Throws GodwitError('unsupported'). `what` is the machine, for the message. */
export function boardVersionNamed(what: string, name: string): BoardVersion {
  const version = BOARD_VERSIONS.find((candidate) => candidate.name === name);
  if (!version) throw madeByNewer(what, `its board is "${name}", which this one does not know`);
  return version;
}

/** The board version of what `MachineCore.save` gave; undefined where it names none, which `restore` says. */
export function boardVersionOf(state: PlainData): BoardVersion | undefined {
  const name = (state as { boardVersion?: unknown } | null)?.boardVersion;
  return typeof name === 'string' ? boardVersionNamed('The state of the machine', name) : undefined;
}
