import { Privilege, PTE_R, PTE_V, PTE_W, PTE_X, SATP_MODE_SV39, SATP_MODE_SV48 } from '../hart/constants.ts';
import * as L from '../hart/layout.ts';
import type { MachineCore } from '../machine/core.ts';

const PAGE_BYTES = 4096;
const PPN_MASK = (1n << 44n) - 1n;
const LEVEL_BITS = 9n;

/**
 * The guest's memory as a debugger sees it. Looking changes nothing: the TLBs, the bits of page tables and the
 * registers of devices stay as they are, so only RAM can be seen. Permissions are not asked for.
 */
export class GuestView {
  /** Addresses are physical ones. */
  physical = false;
  private readonly machine: () => MachineCore;

  constructor(machine: () => MachineCore) {
    this.machine = machine;
  }

  /** Looks by virtual addresses, whatever `physical` says. */
  virtual<T>(look: () => T): T {
    const { physical } = this;
    this.physical = false;
    try {
      return look();
    } finally {
      this.physical = physical;
    }
  }

  /** Physical address behind a virtual one, as the page tables are now; undefined: none. */
  translate(address: bigint): bigint | undefined {
    const { current: hart } = this.machine();
    const satp = hart.unsigned(L.SATP);
    const mode = Number(satp >> 60n);
    if (this.physical || mode === 0 || hart.get(L.PRIVILEGE) === BigInt(Privilege.M)) return address;
    const levels = mode === SATP_MODE_SV39 ? 3n : mode === SATP_MODE_SV48 ? 4n : undefined;
    if (levels === undefined) return undefined;
    const bits = 12n + LEVEL_BITS * levels;
    if (BigInt.asUintN(64, BigInt.asIntN(Number(bits), address)) !== address) return undefined;
    return this.walk((satp & PPN_MASK) << 12n, levels, address);
  }

  /** Down the page tables (privileged spec 12.3.2), without the checks of permissions. */
  private walk(root: bigint, levels: bigint, address: bigint): bigint | undefined {
    let table = root;
    for (let level = levels - 1n; level >= 0n; level--) {
      const shift = 12n + LEVEL_BITS * level;
      const entry = this.machine().ram.readU64(table + ((address >> shift) & 0x1ffn) * 8n);
      if (entry === undefined || (entry & PTE_V) === 0n) return undefined;
      const base = ((entry >> 10n) & PPN_MASK) << 12n;
      if ((entry & (PTE_R | PTE_W | PTE_X)) === 0n) {
        table = base;
        continue;
      }
      const offset = (1n << shift) - 1n;
      return (base & ~offset) | (address & offset);
    }
    return undefined;
  }

  /**
   * Calls `each` for every page of a range with its physical address, until it says false; returns how many bytes were
   * done.
   */
  private pages(
    address: bigint,
    length: number,
    each: (physical: bigint, at: number, count: number) => boolean,
  ): number {
    let done = 0;
    while (done < length) {
      const from = BigInt.asUintN(64, address + BigInt(done));
      const count = Math.min(length - done, PAGE_BYTES - Number(from & 0xfffn));
      const physical = this.translate(from);
      if (physical === undefined || !each(physical, done, count)) break;
      done += count;
    }
    return done;
  }

  /** As many bytes as can be seen from there on, up to `length`; undefined when there is not one. */
  read(address: bigint, length: number): Uint8Array<ArrayBuffer> | undefined {
    const out = new Uint8Array(length);
    const done = this.pages(address, length, (physical, at, count) => {
      const bytes = this.machine().ram.copyOut(physical, count);
      if (bytes) out.set(bytes, at);
      return bytes !== undefined;
    });
    return done === 0 && length > 0 ? undefined : out.slice(0, done);
  }

  /** Writes all or nothing; false when some of it is no RAM. */
  write(address: bigint, data: Uint8Array): boolean {
    const { ram } = this.machine();
    const parts: { physical: bigint; bytes: Uint8Array }[] = [];
    const found = this.pages(address, data.length, (physical, at, count) => {
      parts.push({ physical, bytes: data.subarray(at, at + count) });
      return ram.copyOut(physical, count) !== undefined;
    });
    if (found < data.length) return false;
    for (const { physical, bytes } of parts) ram.copyIn(physical, bytes);
    return true;
  }
}
