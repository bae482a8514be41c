/**
 * Reads the instruction at a virtual address as the hart would, but without changing anything: no TLB, no accessed
 * bits.
 */
import {
  Privilege,
  PTE_R,
  PTE_U,
  PTE_V,
  PTE_X,
  SATP_MODE_BARE,
  SATP_MODE_SV39,
  SATP_MODE_SV48,
} from '../../hart/constants.ts';
import { PRIVILEGE, SATP } from '../../hart/layout.ts';
import { lengthOf } from '../../isa/decode.ts';
import type { MachineCore } from '../../machine/core.ts';

const LEVELS: Readonly<Record<number, number>> = { [SATP_MODE_SV39]: 3, [SATP_MODE_SV48]: 4 };
const VPN_BITS = 9n;
const PAGE_BITS = 12n;
const PPN_MASK = (1n << 44n) - 1n;

/** 16 bits for compressed instructions, else 32. Undefined where fetching would raise an exception. */
export function peekInstruction(core: MachineCore, pc: bigint): number | undefined {
  const low = peekHalf(core, pc);
  if (low === undefined || lengthOf(low) === 2) return low;
  const high = peekHalf(core, pc + 2n);
  return high === undefined ? undefined : ((high << 16) | low) >>> 0;
}

function peekHalf(core: MachineCore, address: bigint): number | undefined {
  const physical = physicalAddress(core, address);
  return physical === undefined ? undefined : core.ram.readU16(physical);
}

/** Address translation of a fetch (privileged spec 11.3.2). */
function physicalAddress({ current: hart, ram }: MachineCore, address: bigint): bigint | undefined {
  const satp = hart.unsigned(SATP);
  const mode = Number(satp >> 60n);
  const privilege = Number(hart.get(PRIVILEGE));
  if (privilege === Privilege.M || mode === SATP_MODE_BARE) return address;
  const levels = LEVELS[mode];
  if (levels === undefined) return undefined;
  let table = (satp & PPN_MASK) << PAGE_BITS;
  for (let level = levels - 1; level >= 0; level--) {
    const shift = PAGE_BITS + VPN_BITS * BigInt(level);
    const entry = ram.readU64(table + ((address >> shift) & 0x1ffn) * 8n);
    if (entry === undefined || (entry & PTE_V) === 0n) return undefined;
    const page = ((entry >> 10n) & PPN_MASK) << PAGE_BITS;
    if ((entry & (PTE_R | PTE_X)) === 0n) {
      table = page;
      continue;
    }
    const forUser = (entry & PTE_U) !== 0n;
    if ((entry & PTE_X) === 0n || forUser !== (privilege === Privilege.U)) return undefined;
    const inside = (1n << shift) - 1n;
    return (page & ~inside) | (address & inside);
  }
  return undefined;
}
