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

/** Code runs at these addresses; its pages lie in memory in reverse order (batch.ts). */
export const VIRTUAL_CODE = 0x5000_0000;
const CODE_TABLES = I.TABLES + 0x4000;

/** RAM where it is, as a gigapage; the scratch pages and the code at addresses of their own. */
export function scatteredTables(mode: Mode, user: boolean): { satp: bigint; segments: I.Segment[] } {
  const flags = user ? LEAF | PTE.U : LEAF;
  const entries = (at: number, ...values: bigint[]): I.Segment => ({
    address: at,
    data: new Uint8Array(BigUint64Array.from(values).buffer),
  });
  const pages = (I.CODE_END - I.CODE) / 4096;
  const codePages = Array.from({ length: pages }, (_, page) => pte(I.CODE_END - 4096 * (page + 1), flags));
  const codeTables = Array.from({ length: pages / 512 }, (_, table) => pte(CODE_TABLES + 4096 * table, PTE.V));
  return {
    satp: satpOf(mode, mode === 'sv39' ? LEVEL2 : LEVEL3),
    segments: [
      entries(LEVEL3, pte(LEVEL2, PTE.V)),
      entries(LEVEL2 + 8, pte(LEVEL1, PTE.V), pte(I.RAM, flags)),
      entries(LEVEL1, pte(LEVEL0, PTE.V)),
      entries(LEVEL0, pte(I.SCRATCH, flags), pte(SCRATCH_HIGH, flags)),
      entries(LEVEL1 + 8 * ((VIRTUAL_CODE - 0x4000_0000) / 0x20_0000), ...codeTables),
      entries(CODE_TABLES, ...codePages),
    ],
  };
}
