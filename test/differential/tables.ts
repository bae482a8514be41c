import * as I from './image.ts';

/** Page table entry bits (privileged spec 12.3.1). */
export const PTE = { V: 1n, R: 2n, W: 4n, X: 8n, U: 16n, G: 32n, A: 64n, D: 128n } as const;
const LEAF = PTE.V | PTE.R | PTE.W | PTE.X | PTE.A | PTE.D;

export const pte = (physical: number | bigint, flags: bigint): bigint => ((BigInt(physical) >> 12n) << 10n) | flags;

export type Mode = 'sv39' | 'sv48';

/** satp for a root table. */
export function satpOf(mode: Mode, root: number, asid = 0n): bigint {
  return ((mode === 'sv39' ? 8n : 9n) << 60n) | (asid << 44n) | BigInt(root >>> 12);
}

/** The scratch memory's pages as virtual ones; physically they do not lie together. */
export const VIRTUAL_EDGE = 0x4000_1000;
export const SCRATCH_HIGH = I.SCRATCH + 0x4000;

const LEVEL2 = I.TABLES;
const LEVEL1 = I.TABLES + 0x1000;
const LEVEL0 = I.TABLES + 0x2000;
const LEVEL3 = I.TABLES + 0x3000;

/** RAM where it is, as a gigapage; the scratch pages at VIRTUAL_EDGE. */
export function identityTables(mode: Mode, user: boolean): { satp: bigint; segments: I.Segment[] } {
  const flags = user ? LEAF | PTE.U : LEAF;
  const entry = (table: number, index: number, value: bigint): I.Segment => ({
    address: table + 8 * index,
    data: new Uint8Array(BigUint64Array.of(value).buffer),
  });
  return {
    satp: satpOf(mode, mode === 'sv39' ? LEVEL2 : LEVEL3),
    segments: [
      entry(LEVEL3, 0, pte(LEVEL2, PTE.V)),
      entry(LEVEL2, 2, pte(I.RAM, flags)),
      entry(LEVEL2, 1, pte(LEVEL1, PTE.V)),
      entry(LEVEL1, 0, pte(LEVEL0, PTE.V)),
      entry(LEVEL0, 0, pte(I.SCRATCH, flags)),
      entry(LEVEL0, 1, pte(SCRATCH_HIGH, flags)),
    ],
  };
}
